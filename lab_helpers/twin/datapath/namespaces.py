"""Network namespaces: the sockets of one pod, one node, or one host outside."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from lab_helpers.twin.interfaces import DatagramHandler, StreamHandler

if TYPE_CHECKING:
    from lab_helpers.twin.datapath.streams import StreamEnd

__all__ = ["Kind", "Namespace"]

_FIRST_PORT: Final = 32768
_LAST_PORT: Final = 60999


class Kind(Enum):
    """Where the namespace is."""

    POD = "pod"
    NODE = "node"
    OUTSIDE = "outside"


@dataclass(slots=True, eq=False)
class Namespace:
    """``node`` is "" outside. ``gone``: the pod was removed; its sockets are dead."""

    kind: Kind
    ip: str
    node: str = ""
    listeners: dict[int, StreamHandler] = field(default_factory=dict)
    datagrams: dict[int, DatagramHandler] = field(default_factory=dict)
    streams: set[StreamEnd] = field(default_factory=set)
    gone: bool = False
    _next_port: int = field(default_factory=lambda: random.randint(_FIRST_PORT, _LAST_PORT))

    def ephemeral(self) -> int:
        """The next local port for an outgoing connection."""
        self._next_port = self._next_port + 1 if self._next_port < _LAST_PORT else _FIRST_PORT
        return self._next_port
