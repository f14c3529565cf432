"""The datapath's state of one node: local endpoints, ipcache, settings, conntrack, and who listens to its events.

Like pinned BPF maps it stays when the agent stops; the agent fills it while it runs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from lab_helpers.policy.decisions import Decision
from lab_helpers.policy.identities import ReservedIdentity
from lab_helpers.policy.rules import Direction
from lab_helpers.twin.datapath.conntrack import Conntrack
from lab_helpers.twin.datapath.netfilter import Netfilter
from lab_helpers.twin.datapath.options import Options
from lab_helpers.twin.datapath.packets import Packet
from lab_helpers.twin.datapath.settings import Settings

if TYPE_CHECKING:
    from lab_helpers.twin.datapath.services import ServiceTable

__all__ = ["Capture", "Endpoint", "EndpointPolicy", "Ipcache", "IpcacheEntry", "NodeTables", "PolicyName", "ProxyKey"]

WORLD = int(ReservedIdentity.WORLD)


class PolicyName(NamedTuple):
    """A policy as flows name it in ``*_allowed_by`` and ``*_denied_by``."""

    kind: str
    namespace: str
    name: str
    labels: tuple[str, ...]
    revision: int


class ProxyKey(NamedTuple):
    """``parser`` is ``http`` or ``dns``; ``port`` the one that policy redirects; ``kind`` requests or responses."""

    endpoint: int
    direction: Direction
    parser: str
    port: int
    kind: str


class EndpointPolicy(Protocol):
    """The realized policy of an endpoint: its policy map. Immutable; a regeneration replaces it."""

    revision: int

    def decide(self, direction: Direction, peer: int, protocol: int, port: int) -> Decision:
        """Judge the first packet of a connection with the peer's numeric identity."""

    def names(self, decision: Decision) -> Sequence[PolicyName]:
        """The policies behind a decision."""


@dataclass(slots=True, eq=False)
class Endpoint:
    """A local endpoint as BPF programs know it. ``policy`` None: its program is not loaded yet (packets are dropped,
    reason 203).
    """

    id: int
    ip: str
    identity: int
    labels: tuple[str, ...]
    namespace: str = ""
    pod: str = ""
    workload: tuple[str, str] | None = None
    mac: str = ""
    host_mac: str = ""
    interface: str = ""
    ifindex: int = 0
    policy: EndpointPolicy | None = None
    options: Options = field(default_factory=Options)


class IpcacheEntry(NamedTuple):
    """What an address means. ``tunnel`` is the node to send it to ("" own node or outside); pod names serve Hubble."""

    identity: int
    tunnel: str = ""
    namespace: str = ""
    pod: str = ""
    workload: tuple[str, str] | None = None


class Ipcache:
    """Longest-prefix lookup of addresses. Everything unknown is the world."""

    def __init__(self) -> None:
        self._exact: dict[str, IpcacheEntry] = {}
        self._prefixes: dict[int, dict[int, IpcacheEntry]] = {}
        self._lengths: tuple[int, ...] = ()
        self.world = IpcacheEntry(WORLD)
        self.version = 0

    def lookup(self, ip: str) -> IpcacheEntry:
        """The entry of the longest prefix that contains ``ip``."""
        found = self._exact.get(ip)
        if found is not None:
            return found
        if self._lengths:
            number = int(ipaddress.IPv4Address(ip))
            for length in self._lengths:
                entry = self._prefixes[length].get(number >> (32 - length))
                if entry is not None:
                    return entry
        return self.world

    def get(self, prefix: str) -> IpcacheEntry | None:
        """The entry of exactly this address or prefix."""
        address, _, length = prefix.partition("/")
        if not length or length == "32":
            return self._exact.get(address)
        bits = int(length)
        return self._prefixes.get(bits, {}).get(int(ipaddress.IPv4Address(address)) >> (32 - bits))

    def upsert(self, prefix: str, entry: IpcacheEntry) -> None:
        """Set the entry of an address or prefix."""
        address, _, length = prefix.partition("/")
        if not length or length == "32":
            self._exact[address] = entry
        else:
            bits = int(length)
            self._prefixes.setdefault(bits, {})[int(ipaddress.IPv4Address(address)) >> (32 - bits)] = entry
            self._lengths = tuple(sorted(self._prefixes, reverse=True))
        self.version += 1

    def remove(self, prefix: str) -> None:
        """Forget an address or prefix; harmless when unknown."""
        address, _, length = prefix.partition("/")
        if not length or length == "32":
            self._exact.pop(address, None)
        else:
            bits = int(length)
            entries = self._prefixes.get(bits, {})
            entries.pop(int(ipaddress.IPv4Address(address)) >> (32 - bits), None)
            if not entries:
                self._prefixes.pop(bits, None)
            self._lengths = tuple(sorted(self._prefixes, reverse=True))
        self.version += 1

    def __iter__(self) -> Iterator[tuple[str, IpcacheEntry]]:
        """(prefix, entry) of everything known, addresses first."""
        for ip, entry in self._exact.items():
            yield f"{ip}/32", entry
        for bits in self._lengths:
            for number, entry in self._prefixes[bits].items():
                yield f"{ipaddress.IPv4Address(number << (32 - bits))}/{bits}", entry


class Capture(NamedTuple):
    """What a monitor sees besides the flow: the packet, and the endpoint whose program reports it (0: the host's)."""

    packet: Packet
    endpoint: int


Observer = Callable[[Any], None]
Monitor = Callable[[Any, Capture | None], None]


def _no_labels(_: int) -> tuple[str, ...]:
    return ()


def _no_names(_: int, __: str) -> Sequence[str]:
    return ()


@dataclass(slots=True, eq=False)
class NodeTables:
    """One node. ``observers`` get every ``flow_pb2.Flow`` (Hubble's ring, metrics), ``monitors`` the packet as well
    (``cilium-dbg monitor``); where there are none, nothing is built.

    ``loaded``: Cilium's programs are attached. ``names(endpoint id, ip)``: DNS names the endpoint learned for an
    address. ``proxy_sockets``: (address, port) of connections that the node's proxies opened on behalf of pods.
    """

    name: str
    ip: str
    conntrack: Conntrack
    apiserver: bool = False
    settings: Settings = field(default_factory=Settings)
    router_ip: str = ""
    loaded: bool = False
    labels: tuple[str, ...] = ()
    ipcache: Ipcache = field(default_factory=Ipcache)
    by_ip: dict[str, Endpoint] = field(default_factory=dict)
    services: ServiceTable | None = None
    observers: list[Observer] = field(default_factory=list)
    monitors: list[Monitor] = field(default_factory=list)
    identity_labels: Callable[[int], tuple[str, ...]] = _no_labels
    names: Callable[[int, str], Sequence[str]] = _no_names
    proxy_ports: dict[str, int] = field(default_factory=dict)
    proxy_sockets: set[tuple[str, int]] = field(default_factory=set)
    version: int = 0
    drops: dict[tuple[int, str], tuple[int, int]] = field(default_factory=dict)
    """(reason, direction) → packets, bytes: the drop part of ``cilium-dbg bpf metrics list``."""
    policy_stats: dict[tuple[int, Direction, int, int, int], tuple[int, int]] = field(default_factory=dict)
    """(endpoint id, direction, peer identity, protocol, port) → packets, bytes that policy judged."""
    forwards: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    """(direction, where: a trace point) → packets, bytes that went on."""
    proxied: dict[ProxyKey, tuple[int, ...]] = field(default_factory=dict)
    """What proxies did with requests and responses: received, forwarded, denied, failed."""
    agent_version: str = ""
    """The version of the agent that watches this datapath, as flows name their emitter."""
    netfilter: Netfilter = field(default_factory=Netfilter)
    """The node's iptables: empty unless somebody like kube-proxy fills them."""

    @property
    def observed(self) -> bool:
        """Does anybody want to know what happens?"""
        return bool(self.observers or self.monitors)

    def add(self, endpoint: Endpoint) -> None:
        """Attach a local endpoint."""
        self.by_ip[endpoint.ip] = endpoint
        self.version += 1

    def drop(self, endpoint: Endpoint) -> None:
        """Detach it; connections of its address are forgotten."""
        if self.by_ip.get(endpoint.ip) is endpoint:
            del self.by_ip[endpoint.ip]
        self.conntrack.forget(endpoint.ip)
        self.version += 1

    def touch(self) -> None:
        """Something that flows show has changed (labels, names of identities)."""
        self.version += 1

    def proxy_port(self, parser: str, direction: Direction) -> int:
        """The port on which the node's proxy takes redirected connections of one kind."""
        key = parser if parser == "dns" else f"{parser}-{direction}"
        port = self.proxy_ports.get(key)
        if port is None:
            low, high = (33000, 47000) if parser == "dns" else (10000, 20000)
            port = low + hash_text(f"{self.name}/{key}") % (high - low)
            self.proxy_ports[key] = port
        return port

    def count_policy(self, endpoint: int, direction: Direction, peer: int, packet: Packet) -> None:
        """Count a packet that policy judged."""
        key = (endpoint, direction, peer, int(packet.protocol), packet.policy_port)
        packets, total = self.policy_stats.get(key, (0, 0))
        self.policy_stats[key] = packets + packet.segments, total + packet.bytes

    def count_proxied(self, key: ProxyKey, outcome: str) -> None:
        """Count a request or response that a proxy saw; ``outcome``: forwarded, denied or error."""
        found = list(self.proxied.get(key, (0, 0, 0, 0)))
        found[0] += 1
        found[("forwarded", "denied", "error").index(outcome) + 1] += 1
        self.proxied[key] = tuple(found)

    def count_drop(self, reason: int, direction: str, packet: Packet) -> None:
        """Count a dropped packet for the metrics map."""
        packets, total = self.drops.get((reason, direction), (0, 0))
        self.drops[reason, direction] = packets + packet.segments, total + packet.bytes

    def count_forward(self, direction: str, point: int, packet: Packet) -> None:
        """Count a packet that went on at ``point`` (``TracePoint``; FROM_ENDPOINT: to an endpoint of the same node)."""
        packets, total = self.forwards.get((direction, point), (0, 0))
        self.forwards[direction, point] = packets + packet.segments, total + packet.bytes

    def forwarded(self, direction: str) -> tuple[int, int]:
        """Packets and bytes that went on in one direction."""
        found = [counts for (way, _), counts in self.forwards.items() if way == direction]
        return sum(packets for packets, _ in found), sum(total for _, total in found)


def hash_text(text: str) -> int:
    """A number that is the same in every process (unlike ``hash``)."""
    value = 2166136261
    for byte in text.encode():
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value
