"""What the programs of Cilium's images have in common: their version, their log on standard error, their ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lab_helpers.releases import CILIUM_VERSION
from lab_helpers.twin.agent.logs import AgentLog
from lab_helpers.twin.interfaces import ConnectionFailed, Process, StreamHandler

__all__ = ["image_version", "listening", "writing"]


def image_version(process: Process) -> str:
    """The tag of the container's image without ``v``; the course's version when it has none."""
    spec = process.pod.get("spec") or {}
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        if container.get("name") == process.container:
            image = str(container.get("image") or "").partition("@")[0]
            _, colon, tag = image.rpartition(":")
            if colon and "/" not in tag:
                return tag.removeprefix("v")
    return CILIUM_VERSION


@asynccontextmanager
async def writing(process: Process, journal: AgentLog) -> AsyncIterator[None]:
    """Write a log to the container's output while the body runs, and what is left at its end."""

    async def pump() -> None:
        while True:
            await process.err(await journal.next() + "\n")

    task = asyncio.get_running_loop().create_task(pump())
    try:
        yield
    finally:
        task.cancel()
        for line in journal.drain():
            await process.err(line + "\n")


@asynccontextmanager
async def listening(process: Process, ports: dict[int, StreamHandler]) -> AsyncIterator[None]:
    """Listen while the body runs. A port in use is left to whoever has it (two replicas on one node)."""
    stops = []
    for port, handler in ports.items():
        try:
            stops.append(process.network.listen(port, handler))
        except ConnectionFailed as error:
            await process.err(f"listen tcp 127.0.0.1:{port}: bind: {error}\n")
    try:
        yield
    finally:
        for stop in stops:
            stop()
