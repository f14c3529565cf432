"""``cilium-labs up``, ``down`` and ``reset``."""

from __future__ import annotations

import time

import click

from lab_helpers.clusters import Cluster, NotRunning, Unsupported, default_home
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
@click.option(
    "--backend",
    type=click.Choice(["twin", "kind", "existing"]),
    default="twin",
    show_default=True,
    help="Where the cluster comes from.",
)
@click.option("--context", default="", help="Context of your kubeconfig, for --backend existing.")
@_PORT
@_VERSION
def up(backend: str, context: str, port: int, cilium_version: str) -> None:
    """Start the cluster the labs run on.

    The twin is an embedded cluster: it needs nothing but Python, listens on loopback only, and keeps its state between
    runs. It starts as kind does without a CNI: nodes are NotReady until Cilium is installed.

    \b
    Examples:
      cilium-labs up
      cilium-labs up --cilium-version 1.19.8
      cilium-labs up --backend existing --context my-cluster
    """
    if backend == "kind":
        what = "creating a kind cluster from here is not supported yet"
        raise Unsupported(what, try_="kind create cluster, then: cilium-labs up --backend existing --context kind-kind")
    started = time.monotonic()
    home = default_home()
    known = (home.twin / "state.db").exists()
    cluster = bring_up(home, backend, port=port, context=context, cilium_version=cilium_version)
    _announce(cluster, time.monotonic() - started)
    if backend == "twin" and cilium_version and known:
        _tell_installed(cluster)


@click.command()
def down() -> None:
    """Stop the cluster; its state is kept, `up` goes on where it was.

    A cluster that is not ours (--backend existing) is only let go.

    \b
    Example:
      cilium-labs down
    """
    home = default_home()
    chosen = home.chosen()
    if describe(home) is None and chosen is None:
        raise NotRunning("no cluster is running", where=str(home.path), try_="cilium-labs up")
    if stop(home):
        click.echo("The twin is stopped; its state is kept.")
    elif chosen is not None and chosen.get("backend") != "twin":
        click.echo(f"Let go of {chosen.get('context')}; nothing in it was changed.")
    else:
        click.echo("The twin was not running.")
    home.forget()


@click.command()
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@_PORT
@_VERSION
def reset(yes: bool, port: int, cilium_version: str) -> None:
    """Start over with a fresh cluster: everything in the twin is forgotten. Progress in the labs is kept.

    \b
    Examples:
      cilium-labs reset
      cilium-labs reset --yes
    """
    home = default_home()
    chosen = home.chosen()
    if chosen is not None and chosen.get("backend") != "twin":
        what = "this cluster is not ours to wipe"
        raise Unsupported(
            what,
            where=str(chosen.get("context")),
            try_="lab.reset() in a notebook cleans up one lab; cilium-labs down lets the cluster go",
        )
    if not yes and describe(home) is not None:
        click.confirm("Everything in the embedded cluster will be forgotten. Go on?", abort=True)
    started = time.monotonic()
    version = playable(cilium_version) if cilium_version else str((describe(home) or {}).get("cilium_version", ""))
    stop(home)
    wipe(home)
    _announce(bring_up(home, "twin", port=port, cilium_version=version), time.monotonic() - started)


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
