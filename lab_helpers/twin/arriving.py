"""The containers as the API sees them while the twin is still starting: commands and logs wait until they are there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from lab_helpers.twin.interfaces import ByteStream, Console, ExecResult, PodKey

__all__ = ["ArrivingConsole"]


class ArrivingConsole(Console):
    """Hands every call on to the console that ``arrive`` brings. Make it inside the loop."""

    def __init__(self) -> None:
        self._console: asyncio.Future[Console] = asyncio.get_running_loop().create_future()

    def arrive(self, console: Console) -> None:
        """From now on nobody waits."""
        self._console.set_result(console)

    async def logs(self, *args: Any, **options: Any) -> AsyncIterator[bytes]:
        """As the console's own."""
        console = await asyncio.shield(self._console)
        async for line in console.logs(*args, **options):
            yield line

    async def execute(self, *args: Any, **options: Any) -> ExecResult:
        """As the console's own."""
        console = await asyncio.shield(self._console)
        return await console.execute(*args, **options)

    async def attach(self, *args: Any, **options: Any) -> ExecResult:
        """As the console's own."""
        console = await asyncio.shield(self._console)
        return await console.attach(*args, **options)

    async def port_forward(self, pod: PodKey, port: int) -> ByteStream:
        """As the console's own."""
        console = await asyncio.shield(self._console)
        return await console.port_forward(pod, port)
