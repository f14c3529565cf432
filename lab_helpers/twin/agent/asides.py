"""Commands of Cilium's daemons: run with one, a daemon answers and ends instead of starting a second time.

``cilium-operator-generic`` has the troubleshooting commands of ``cilium-dbg`` as well (Cilium operator/cmd). A daemon
proper is started by flags alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from lab_helpers.twin.agent.dbg.builds import build_of
from lab_helpers.twin.agent.processes import image_version
from lab_helpers.twin.interfaces import Process, Program

__all__ = ["OPERATOR_ASIDES", "Aside", "answering"]

Aside = Callable[[Process, Sequence[str]], Awaitable[int]]
"""Answers a command, given the words after it; returns the exit code."""

_NOT_PLAYED: Final = frozenset({"completion", "hive", "metrics", "shell", "status"})
"""First words of commands that the real programs have and that have nothing to show here."""


async def _mesh_status(process: Process, _: Sequence[str]) -> int:
    await process.out("ClusterMesh:\t0/0 clusters ready\n")
    return 0


async def _kvstore(process: Process, words: Sequence[str]) -> int:
    given = [word.partition("=")[2] for word in words if word.startswith("--etcd-config=")]
    path = given[-1] if given else "/var/lib/etcd-config/etcd.config"
    await process.out(
        f"Unable to read etcd configuration: {path}\nThis is expected when Cilium is running in CRD mode\n"
    )
    return 0


async def _mesh(process: Process, words: Sequence[str]) -> int:
    asked = sorted(word for word in words if not word.startswith("-"))
    await process.out("Found 0 cluster configurations\n")
    if asked:
        await process.out(f"Troubleshooting filtered subset of clusters: {', '.join(asked)}\n")
    for name in asked:
        await process.out(f'\nCluster "{name}":\n❌ Configuration not found\n')
    return 0


OPERATOR_ASIDES: Final[Mapping[tuple[str, ...], Aside]] = {
    ("status", "clustermesh"): _mesh_status,
    ("troubleshoot", "kvstore"): _kvstore,
    ("troubleshoot", "clustermesh"): _mesh,
}


def answering(
    name: str, daemon: Program, asides: Mapping[tuple[str, ...], Aside], start: Sequence[str] = ()
) -> Program:
    """A daemon that also knows ``asides`` (by one or two words), ``--version`` and ``--help``. ``start``: commands that
    start it, too.
    """

    async def program(process: Process) -> int:
        words = list(process.argv[1:])
        first = words[0] if words else ""
        aside = asides.get(tuple(words[:2])) or asides.get(tuple(words[:1]))
        if "--help" in words or first in ("-h", "help"):
            await process.out(
                f"Usage:\n  {name} {'serve ' if start else ''}[flags]\n\n"
                "The embedded cluster reads no flags of this program: its options are the keys of ConfigMap "
                "kube-system/cilium-config.\n"
            )
            return 0
        if aside is not None:
            return await aside(process, words[2:])
        if first in ("--version", "version"):
            await process.out(f"{name} {build_of(image_version(process)).line}\n")
            return 0
        if not first or first.startswith("-") or first in start:
            return await daemon(process)
        known = " ".join(words[:2] if any(first == known[0] for known in asides) else words[:1])
        if first in _NOT_PLAYED or any(first == known[0] for known in asides):
            await process.err(
                f"Error: {name} {known} is not part of the embedded cluster: it has nothing that this command could "
                "show. Run it on a real cluster\n"
            )
        else:
            await process.err(f'Error: unknown command "{first}" for "{name}"\n')
        return 1

    return program
