"""Where Envoy runs, and the connections it carries: they end with it.

With ``external-envoy-proxy`` Envoy is a DaemonSet's program and outlives the agent; without, it is a part of the agent.
While no Envoy listens on a node, what policy redirects there meets TPROXY without a socket, and is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lab_helpers.twin.agent.nodeagents import NodeAgent
from lab_helpers.twin.interfaces import ByteStream

__all__ = ["Envoys"]


class Envoys:
    """Of all nodes. ``agent`` finds the agent of a node."""

    def __init__(self, agent: Callable[[str], NodeAgent]) -> None:
        self._agent = agent
        self._apart: set[str] = set()
        self._carried: dict[str, set[ByteStream]] = {}

    def started(self, node: str) -> None:
        """The DaemonSet's program is ready on ``node``."""
        self._apart.add(node)

    def ended(self, node: str) -> None:
        """The DaemonSet's program is gone: so are the connections, unless the agent carries them itself."""
        self._apart.discard(node)
        if self.apart(node):
            self.cut(node)

    def cut(self, node: str) -> None:
        """Reset what is carried on ``node``."""
        for stream in self._carried.pop(node, set()):
            stream.abort()

    def apart(self, node: str) -> bool:
        """Does the agent of ``node`` leave HTTP and TLS to the DaemonSet?"""
        return self._agent(node).settings.raw.get("external-envoy-proxy", "false") == "true"

    def listening(self, node: str) -> bool:
        """Does an Envoy take connections there?"""
        return node in self._apart if self.apart(node) else self._agent(node).running

    @contextmanager
    def carrying(self, node: str, stream: ByteStream) -> Iterator[None]:
        """Reset ``stream`` when Envoy ends within."""
        carried = self._carried.setdefault(node, set())
        carried.add(stream)
        try:
            yield
        finally:
            carried.discard(stream)
