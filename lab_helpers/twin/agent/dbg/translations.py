"""``cilium-dbg bpf nat list``: addresses that BPF masquerading changes (cilium-dbg/cmd/bpf_nat_list.go, pkg/maps/nat).

Every connection of a pod to the outside, or in tunnel mode to another node, has two entries: one for what leaves, one
for its answers. They follow from connection tracking, because the source port is kept. With iptables masquerading the
map is empty, as on a real node without NodePort traffic: the kernel's own table holds those connections. The
connections of the nodes themselves, which the real map reserves ports for, are not tracked here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any, NamedTuple

from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.rules import Direction
from lab_helpers.twin.agent.dbg.sessions import OUTPUT, Arguments, Command, CommandError, Session
from lab_helpers.twin.datapath.conntrack import Entry
from lab_helpers.twin.datapath.settings import Routing

__all__ = ["COMMANDS"]

_PATH = "/sys/fs/bpf/tc/globals/cilium_snat_v4_external"


class _Translation(NamedTuple):
    entry: Entry
    outward: bool
    source: tuple[str, int]
    destination: tuple[str, int]
    becomes: tuple[str, int]


def _translations(session: Session) -> Iterator[_Translation]:
    tables = session.agent.tables
    pool = ipaddress.ip_network(tables.settings.pool, strict=False)
    plane = session.agent.datapath.plane
    if not (tables.settings.bpf_masquerade and tables.settings.ipv4_masquerade):
        return
    for entry in tables.conntrack:
        key = entry.key
        node = plane.node_of(key.dst)
        outside = ipaddress.ip_address(key.dst) not in pool
        if node is not None:
            outside = node is not tables and tables.settings.routing is Routing.TUNNEL
        if key.direction is not Direction.EGRESS or not outside or key.src not in tables.by_ip or entry.reverse_nat:
            continue
        here, there, shown = (key.src, key.sport), (key.dst, key.dport), (tables.ip, key.sport)
        yield _Translation(entry, True, here, there, shown)
        yield _Translation(entry, False, there, shown, here)


async def _list(session: Session, arguments: Arguments) -> int:
    settings = session.agent.settings
    if not (settings.kube_proxy_replacement or settings.bpf_masquerade):
        await session.process.err(f"Unable to open {_PATH}: no such file or directory. Skipping.\n")
        return 0
    if arguments.words:
        raise CommandError("Invalid argument")
    now = session.agent.clock.monotonic()
    found = list(_translations(session))
    if arguments.value("output"):
        await session.data([_model(item) for item in found], arguments.value("output"))
        return 0
    lines = []
    for item in found:
        protocol = "ICMP" if item.entry.key.protocol is Protocol.ICMP else item.entry.key.protocol.text
        source, destination, becomes = (f"{ip}:{port}" for ip, port in (item.source, item.destination, item.becomes))
        lines.append(
            f"{protocol} {'OUT' if item.outward else 'IN'} {source} -> {destination} "
            f"XLATE_{'SRC' if item.outward else 'DST'} {becomes} "
            f"Created={int(now - item.entry.created)}sec ago NeedsCT=0"
        )
    await session.out("\n".join([*lines, ""]))
    return 0


def _model(item: _Translation) -> dict[str, Any]:
    return {
        "Key": {
            "DestAddr": item.destination[0],
            "SourceAddr": item.source[0],
            "DestPort": item.destination[1],
            "SourcePort": item.source[1],
            "NextHeader": int(item.entry.key.protocol),
            "Flags": 0 if item.outward else 1,
        },
        "Value": {"Created": int(item.entry.created), "NeedsCT": 0, "Addr": item.becomes[0], "Port": item.becomes[1]},
    }


COMMANDS = (
    Command(
        ("bpf", "nat", "list"),
        "List all NAT mapping entries",
        _list,
        OUTPUT,
        arguments=(0, 2),
        usage="[cluster <cluster id>]",
    ),
)
