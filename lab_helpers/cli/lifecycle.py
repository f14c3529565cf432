"""``cilium-labs up``, ``down`` and ``reset``."""

from __future__ import annotations

import os
import sys
import time

import click

from lab_helpers.cli.choosing import cluster_options, confirm
from lab_helpers.clusters import AlreadyRunning, Cluster, Home, NotRunning, connect, default_home
from lab_helpers.clusters import up as bring_up
from lab_helpers.clusters.twins import DEFAULT_CILIUM_VERSION, describe, playable, stop, wipe

__all__ = ["down", "reset", "up"]

_VERSION = click.option(
    "--cilium-version",
    default="",
    help="Cilium that is installed when none is named: 1.19.x or 1.20.x "
    f"(default: as before, at first {DEFAULT_CILIUM_VERSION}).",
)
_PORT = click.option(
    "--port",
    default=0,
    type=click.IntRange(0, 65535),
    help="Port of the API server (default: a free one, kept while it runs).",
)


@click.command()
@cluster_options("Where the cluster comes from.")
@click.option(
    "--cluster-wide/--no-cluster-wide",
    default=None,
    help="May labs change things outside their namespaces? For --backend existing (default: ask).",
)
@click.option("--with-cilium", is_flag=True, help="Install Cilium too, instead of in lab 02. For --backend kind.")
@_PORT
@_VERSION
def up(
    backend: str,
    context: str,
    kubeconfig: str,
    cluster_wide: bool | None,
    with_cilium: bool,
    port: int,
    cilium_version: str,
) -> None:
    """Start the cluster the labs run on.

    The twin is an embedded cluster: it needs nothing but Python, listens on loopback only, and keeps its state between
    runs. It starts as kind does without a CNI: nodes are NotReady until Cilium is installed.

    kind is a real cluster in containers (Docker or Podman), with a container beside it that plays the internet. The
    command may be repeated: it goes on where it was interrupted. Its kubeconfig stays in the state folder.

    existing is any cluster of yours with Cilium 1.18 or newer. Labs stay in namespaces of their own there.

    \b
    Examples:
      cilium-labs up
      cilium-labs up --cilium-version 1.19.8
      cilium-labs up --backend kind --with-cilium
      cilium-labs up --backend existing --context my-cluster
    """
    started = time.monotonic()
    home = default_home()
    before = str((home.chosen() or {}).get("backend", ""))
    if before in ("kind", "existing") and before != backend:
        raise AlreadyRunning(
            f"this home uses a cluster of the backend {before}", where=str(home.path), try_="cilium-labs down first"
        )
    if backend == "kind":
        _announce(_up_kind(home, with_cilium, port, cilium_version), time.monotonic() - started)
        return
    if backend == "existing":
        _announce(_up_existing(home, context, kubeconfig, cluster_wide), time.monotonic() - started)
        return
    known = (home.twin / "state.db").exists()
    cluster = bring_up(home, backend, port=port, context=context, cilium_version=cilium_version)
    _announce(cluster, time.monotonic() - started)
    if backend == "twin" and cilium_version and known:
        _tell_installed(cluster)


@click.command()
def down() -> None:
    """Stop the cluster. The twin's state is kept, `up` goes on where it was.

    A kind cluster is removed, with everything that was made for it and nothing else. On a cluster that is not ours
    (--backend existing) the labs' namespaces and policies are removed, and it is let go.

    \b
    Example:
      cilium-labs down
    """
    home = default_home()
    chosen = home.chosen()
    backend = (chosen or {}).get("backend") or ("kind" if (home.kind / "made.json").exists() else None)
    if describe(home) is None and backend is None:
        raise NotRunning("no cluster is running", where=str(home.path), try_="cilium-labs up")
    if stop(home):
        click.echo("The twin is stopped; its state is kept.")
    elif backend == "kind":
        _down_kind(home)
    elif backend == "existing":
        _down_existing(home, str((chosen or {}).get("context")))
    else:
        click.echo("The twin was not running.")
    home.forget()


@click.command()
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@_PORT
@_VERSION
def reset(yes: bool, port: int, cilium_version: str) -> None:
    """Start over with a fresh cluster: everything in it is forgotten. Progress in the labs is kept.

    On a cluster that is not ours (--backend existing) only the labs' namespaces and policies are removed.

    \b
    Examples:
      cilium-labs reset
      cilium-labs reset --yes
    """
    home = default_home()
    chosen = home.chosen()
    if chosen is not None and chosen.get("backend") != "twin":
        _reset_real(home, str(chosen.get("backend")), yes, port, cilium_version)
        return
    if not yes and (describe(home) is not None or (home.twin / "state.db").exists()):
        confirm("Everything in the embedded cluster will be forgotten. Go on?")
    started = time.monotonic()
    version = playable(cilium_version) if cilium_version else str((describe(home) or {}).get("cilium_version", ""))
    stop(home)
    wipe(home)
    _announce(bring_up(home, "twin", port=port, cilium_version=version), time.monotonic() - started)


def _up_kind(home: Home, with_cilium: bool, port: int, cilium_version: str) -> Cluster:
    from lab_helpers.clusters.connecting import up_kind
    from lab_helpers.clusters.kind.steps import reporter

    version = cilium_version or os.environ.get("CILIUM_LABS_CILIUM_VERSION", "")
    cluster = up_kind(
        home, port=port, cilium_version=version.removeprefix("v"), with_cilium=with_cilium, report=reporter()
    )
    if not with_cilium and "cilium" not in cluster.versions():
        click.echo("Nodes are NotReady until Cilium is installed: lab 02, or the same command with --with-cilium.")
    return cluster


def _up_existing(home: Home, context: str, kubeconfig: str, cluster_wide: bool | None) -> Cluster:
    from lab_helpers.clusters.connecting import up_existing

    if cluster_wide is None and sys.stdin.isatty():
        click.echo(
            "Labs work in the namespaces shop and dev, which they make and mark. A few tasks apply policies for the"
            "\nwhole cluster (CiliumClusterwideNetworkPolicy): those may cut traffic that is not the labs'."
        )
        cluster_wide = click.confirm("May they?", default=False)
    return up_existing(home, context=context, kubeconfig=kubeconfig, cluster_wide=bool(cluster_wide))


def _down_kind(home: Home) -> None:
    from lab_helpers.clusters.kind import remove
    from lab_helpers.clusters.kind.steps import reporter

    removed = remove(home, reporter())
    kept = "Images are kept for the next time."
    click.echo(f"Removed: {', '.join(removed)}. {kept}" if removed else "Nothing was left to remove.")


def _down_existing(home: Home, context: str) -> None:
    from lab_helpers.cli.letting_go import clean_up

    try:
        removed = clean_up(connect(home))
    except NotRunning as error:
        click.echo(f"warning: {error.what}; what labs made there is left: namespaces with the label cilium-labs/story")
        return
    what = f"removed {', '.join(removed)}" if removed else "nothing of ours was left in it"
    click.echo(f"Let go of {context}; {what}.")


def _reset_real(home: Home, backend: str, yes: bool, port: int, cilium_version: str) -> None:
    from lab_helpers.cli.letting_go import clean_up

    started = time.monotonic()
    if backend == "existing":
        cluster = connect(home)
        if not yes:
            confirm(f"The labs' namespaces and policies in {cluster.name} will be removed. Go on?")
        click.echo(f"Removed: {', '.join(clean_up(cluster)) or 'nothing'}.")
        return
    if not yes:
        confirm("The kind cluster will be removed and made again. Go on?")
    wanted = cilium_version or str((home.chosen() or {}).get("cilium_version", ""))
    _down_kind(home)
    _announce(_up_kind(home, False, port, wanted), time.monotonic() - started)


def _tell_installed(cluster: Cluster) -> None:
    """The version is a default for tools; what is installed stays until somebody upgrades it."""
    from lab_helpers.clusters.policy_inputs import cilium_version

    installed, wanted = cilium_version(cluster), cluster.facts["cilium_version"]
    if installed and installed != wanted:
        click.echo(
            f"note:       Cilium {installed} is installed in this cluster and stays. To change it: helm upgrade cilium "
            f"cilium/cilium -n kube-system --version {wanted} …, or cilium-labs reset for a fresh cluster",
            err=True,
        )


def _announce(cluster: Cluster, seconds: float) -> None:
    where = cluster.facts.get("server", cluster.name)
    click.echo(f"{cluster.backend} cluster {cluster.name} is up at {where} ({seconds:.1f} s)")
    click.echo(f"kubeconfig: {cluster.kubeconfig}")
    click.echo('next:       cilium-labs lab, or eval "$(cilium-labs env)" to use kubectl in this shell')
