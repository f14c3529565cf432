"""``peer.Peer``: which nodes there are, and changes of that. A relay learns its nodes here."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, NamedTuple

from lab_helpers.hubble.protos import peer_pb2, peer_pb2_grpc


class Peer(NamedTuple):
    """A node's name, the address its Hubble server listens on, and the name in its certificate ("" without TLS)."""

    name: str
    address: str
    tls_server_name: str = ""

    def notification(self, kind: int) -> peer_pb2.ChangeNotification:
        """What is said about the peer."""
        message = peer_pb2.ChangeNotification(name=self.name, address=self.address, type=kind)  # type: ignore[arg-type]
        if self.tls_server_name:
            message.tls.server_name = self.tls_server_name
        return message


class PeerService(peer_pb2_grpc.PeerServicer):
    """Serves Notify from `peers`; call `changed` when what it returns has changed."""

    def __init__(self, peers: Callable[[], Iterable[Peer]]) -> None:
        self._peers = peers
        self._listeners: set[asyncio.Event] = set()

    def changed(self) -> None:
        """Wake the streams."""
        for listener in self._listeners:
            listener.set()

    async def Notify(self, _request: Any, _context: Any) -> AsyncIterator[Any]:
        """The peers that exist, then changes."""
        wake = asyncio.Event()
        self._listeners.add(wake)
        known: dict[str, Peer] = {}
        try:
            while True:
                wake.clear()
                current = {peer.name: peer for peer in self._peers()}
                for name in sorted(known.keys() - current.keys()):
                    yield known[name].notification(peer_pb2.PEER_DELETED)
                for name in sorted(current):
                    if name not in known:
                        yield current[name].notification(peer_pb2.PEER_ADDED)
                    elif known[name] != current[name]:
                        yield current[name].notification(peer_pb2.PEER_UPDATED)
                known = current
                await wake.wait()
        finally:
            self._listeners.discard(wake)
