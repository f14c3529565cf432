"""``cilium-labs doctor``: what this machine has, what is wrong, and the cure."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator

import click

from lab_helpers.cli.choosing import cluster_options
from lab_helpers.clusters import ClusterError, Home, default_home
from lab_helpers.clusters.findings import Finding
from lab_helpers.clusters.twins import describe

__all__ = ["Finding", "doctor", "examine"]

_NEEDED = (
    "jupyterlab",
    "ipywidgets",
    "kubernetes",
    "matplotlib",
    "papermill",
    "uvicorn",
    "websockets",
    "grpc",
    "cryptography",
)
_OLDEST = (3, 11)
_FREE_BYTES = 200 * 1024 * 1024


@click.command()
@cluster_options("What the labs are to run on.")
def doctor(backend: str, context: str, kubeconfig: str) -> None:
    """Check this machine, and say how to cure what is wrong. Exit code 1 when labs will not run.

    \b
    Examples:
      cilium-labs doctor
      cilium-labs doctor --backend kind
      cilium-labs doctor --backend existing --context my-cluster
    """
    home = default_home()
    findings = list(examine(home))
    if backend == "kind":
        findings += _kind(home)
    elif backend == "existing":
        findings += _guard("cluster", lambda: _existing(home, context, kubeconfig))
    for finding in findings:
        mark, colour = {"ok": ("ok  ", "green"), "note": ("note", "yellow"), "bad": ("BAD ", "red")}[finding.level]
        click.echo(f"{click.style(mark, fg=colour)} {finding.what}")
        if finding.cure:
            click.echo(f"     cure: {finding.cure}")
    bad = sum(finding.level == "bad" for finding in findings)
    if bad:
        raise click.ClickException(f"{bad} finding(s) keep the labs from running")


def examine(home: Home) -> Iterator[Finding]:
    """All findings, in the order in which they matter."""
    yield from _python()
    yield from _packages()
    yield from _guard("state folder", lambda: _state(home))
    yield from _loopback()
    yield from _twin(home)
    yield from _tools(home)


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < _OLDEST:
        yield Finding(
            "bad", f"Python {version} is too old", "install Python 3.11 or newer, then remove .venv and start again"
        )
    else:
        yield Finding("ok", f"Python {version}")


def _packages() -> Iterator[Finding]:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        yield Finding("bad", "packages are missing: " + ", ".join(missing), f"{sys.executable} -m pip install -e .")
    else:
        yield Finding("ok", "all packages are there")
    if importlib.util.find_spec("re2") is None:
        yield Finding("note", "google-re2 has no wheel here; a slower, equivalent matcher is used")


def _state(home: Home) -> Iterator[Finding]:
    home.prepare()
    free = shutil.disk_usage(home.path).free
    if free < _FREE_BYTES:
        yield Finding(
            "bad",
            f"only {free // 2**20} MiB are free at {home.path}",
            "free some space, or set CILIUM_LABS_HOME to another disk",
        )
    else:
        yield Finding("ok", f"state folder {home.path} ({free // 2**30} GiB free)")


def _loopback() -> Iterator[Finding]:
    try:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
    except OSError as error:
        yield Finding(
            "bad",
            f"cannot listen on 127.0.0.1: {error}",
            "a firewall or sandbox forbids loopback sockets; allow them for Python",
        )
    else:
        yield Finding("ok", "loopback sockets work")


def _twin(home: Home) -> Iterator[Finding]:
    facts = describe(home)
    if facts is not None:
        yield Finding("ok", f"the twin runs at {facts['server']} (process {facts['pid']})")
    elif (home.chosen() or {}).get("backend") == "twin":
        yield Finding("note", "the twin is not running; its state is kept", "cilium-labs up")


def _tools(home: Home) -> Iterator[Finding]:
    from lab_helpers.tools.shims import TOOLS, real_program

    for tool in TOOLS:
        found = real_program(tool, home.bin)
        if found:
            yield Finding("ok", f"{tool}: {found}" + (" (used when CILIUM_LABS_TOOLS=system)" if not _system() else ""))
        elif _system():
            yield Finding(
                "note",
                f"{tool} is not on PATH; the bundled one is used although CILIUM_LABS_TOOLS=system",
                f"install {tool}",
            )


def _kind(home: Home) -> Iterator[Finding]:
    from lab_helpers.clusters.kind.ledgers import Ledger
    from lab_helpers.clusters.kind.preflights import examine as examine_kind

    yield from examine_kind(home, os.environ, ours=Ledger(home).read() is not None)


def _existing(home: Home, context: str, kubeconfig: str) -> Iterator[Finding]:
    from lab_helpers.clusters.existing import adopt, preflight

    chosen = home.chosen() or {}
    if not context and not kubeconfig and chosen.get("backend") == "existing":
        context, kubeconfig = str(chosen.get("context", "")), str(chosen.get("kubeconfig", ""))
    yield from preflight(adopt(home, context=context, kubeconfig=kubeconfig))


def _system() -> bool:
    return os.environ.get("CILIUM_LABS_TOOLS") == "system"


def _guard(what: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except ClusterError as error:
        yield Finding("bad", f"{what}: {error.what} ({error.where})", error.try_)
