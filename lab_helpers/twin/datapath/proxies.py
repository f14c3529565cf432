"""The seam between the datapath and the proxies of a node (Envoy for HTTP and TLS, the agent's DNS proxy).

A redirected connection ends at the proxy: it gets the client's byte stream and a function that opens the connection
to the original destination on behalf of the client. The layer-7 rules are in ``Redirection.decision.redirect``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol as Interface

from lab_helpers.policy.decisions import Decision
from lab_helpers.policy.rules import Direction
from lab_helpers.twin.datapath.packets import Packet
from lab_helpers.twin.datapath.tables import Endpoint, NodeTables
from lab_helpers.twin.interfaces import ByteStream

__all__ = ["Proxy", "Redirection"]


@dataclass(frozen=True, slots=True)
class Redirection:
    """One connection that policy of ``endpoint`` sends to a proxy on its node. ``packet`` is its first one (original
    destination); ``source`` and ``destination`` are the numeric identities; ``judge()`` decides again, so that a
    policy change reaches requests of a connection that is already open.
    """

    direction: Direction
    tables: NodeTables
    endpoint: Endpoint
    packet: Packet
    source: int
    destination: int
    decision: Decision

    def judge(self) -> Decision:
        """The endpoint's decision by its policy as it is now (the first one while no policy is loaded)."""
        policy = self.endpoint.policy
        if policy is None:
            return self.decision
        peer = self.source if self.direction is Direction.INGRESS else self.destination
        return policy.decide(self.direction, peer, self.packet.protocol, self.packet.policy_port)


class Proxy(Interface):
    """What runs on a node for one parser (``http``, ``tls``, ``dns`` …)."""

    async def stream(
        self, redirection: Redirection, client: ByteStream, upstream: Callable[[], Awaitable[ByteStream]]
    ) -> None:
        """Serve one TCP connection until both sides are closed. ``upstream`` may raise ConnectionFailed."""

    async def datagram(
        self, redirection: Redirection, payload: bytes, forward: Callable[[bytes], Awaitable[bytes]]
    ) -> bytes | None:
        """Answer one UDP request; None stays silent. ``forward`` may raise ConnectionFailed."""
