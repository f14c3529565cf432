"""``cilium-dbg bpf …``: the maps (cilium-dbg/cmd/bpf_*.go, pkg/maps)."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from typing import Any

from lab_helpers.hubble.events import DROP_TEXTS
from lab_helpers.policy.configs import Version
from lab_helpers.policy.decisions import MapEntry
from lab_helpers.policy.rules import Direction
from lab_helpers.twin.agent.dbg.endpointmodels import policy_entries
from lab_helpers.twin.agent.dbg.endpoints import find_endpoint, ordered
from lab_helpers.twin.agent.dbg.nodes import other_pod_cidrs
from lab_helpers.twin.agent.dbg.services import balancer_maps, lb_rows
from lab_helpers.twin.agent.dbg.sessions import OUTPUT, Arguments, Command, CommandError, Session, table
from lab_helpers.twin.agent.endpoints import ManagedEndpoint
from lab_helpers.twin.agent.nodeagents import NodeAgent
from lab_helpers.twin.datapath.points import TracePoint
from lab_helpers.twin.datapath.settings import Routing

__all__ = ["COMMANDS", "endpoint_entries", "ipcache_entries", "policy_map_name", "policy_rows"]

_GLOBALS = "/sys/fs/bpf/tc/globals"
_DROPPING = {"EGRESS": (1352, "bpf_lxc.c"), "INGRESS": (2107, "bpf_lxc.c")}
_PLACES = {
    TracePoint.TO_ENDPOINT: (2315, "bpf_lxc.c"),
    TracePoint.FROM_ENDPOINT: (152, "local_delivery.h"),
    TracePoint.TO_STACK: (1387, "bpf_lxc.c"),
    TracePoint.TO_OVERLAY: (33, "encap.h"),
    TracePoint.TO_NETWORK: (1357, "bpf_lxc.c"),
}
"""Where in the sources of the datapath (1.20.0) packets are counted."""
_NOT_COUNTED = (1 << 64) - 1
_BACKEND = "BACKEND ADDRESS (REVNAT_ID) (SLOT)"
_HEADER = (
    "POLICY",
    "DIRECTION",
    "LABELS (source:key[=value])",
    "PORT/PROTO",
    "PROXY PORT",
    "AUTH TYPE",
    "BYTES",
    "PACKETS",
    "PREFIX",
    "COOKIE",
)


def _policy_rows(session: Session, endpoint: ManagedEndpoint, *, numeric: bool) -> Iterator[tuple[object, ...]]:
    agent = session.agent
    cookies: dict[Any, int] = {}
    entries = policy_entries(endpoint)
    counts = _counts(session, endpoint, entries)
    counting = endpoint.datapath.options.policy_accounting
    for number, entry in enumerate(entries):
        labels: tuple[object, ...]
        if numeric:
            labels = (entry.identity,)
        elif not entry.identity:
            labels = ("ANY",)
        else:
            labels = agent.labels_of(entry.identity) or (entry.identity,)
        port = "ANY"
        if entry.protocol:
            suffix = f"/{entry.port_bits}" if 0 < entry.port_bits < 16 else ""
            port = f"{entry.port}{suffix}/{entry.protocol.text}" if entry.port else f"ANY/{entry.protocol.text}"
        proxy: object = "NONE"
        if entry.parser and not entry.deny:
            proxy = agent.tables.proxy_port(entry.parser.value, entry.direction)
        cookie = cookies.setdefault(tuple(rule.policy for rule in entry.rules), len(cookies) + 1) if entry.rules else 0
        counted: tuple[object, object] = counts.get(number, (0, 0)) if counting else ("-", "-")
        yield (
            "Deny" if entry.deny else "Allow",
            "Ingress" if entry.direction is Direction.INGRESS else "Egress",
            labels[0],
            port,
            proxy,
            entry.authentication or "disabled",
            counted[1],
            counted[0],
            entry.prefix_length,
            cookie,
        )
        for label in labels[1:]:
            yield ("", "", label, *([""] * 7))


def _counts(session: Session, endpoint: ManagedEndpoint, entries: list[MapEntry]) -> dict[int, tuple[int, int]]:
    """Packets and bytes by number of the entry that judged them: the most specific one."""
    found: dict[int, tuple[int, int]] = {}
    for (owner, direction, peer, protocol, port), (packets, total) in session.agent.tables.policy_stats.items():
        if owner != endpoint.id:
            continue
        fitting = [
            (entry.precedence, entry.prefix_length, bool(entry.identity), number)
            for number, entry in enumerate(entries)
            if entry.direction is direction
            and entry.identity in (0, peer)
            and int(entry.protocol) in (0, protocol)
            and (not entry.port_bits or entry.port >> (16 - entry.port_bits) == port >> (16 - entry.port_bits))
        ]
        if fitting:
            number = max(fitting)[3]
            before = found.get(number, (0, 0))
            found[number] = before[0] + packets, before[1] + total
    return found


def _policy_models(session: Session, endpoint: ManagedEndpoint) -> Iterator[dict[str, Any]]:
    """The entries of a policy map with their counters, as ``-o json`` prints them."""
    entries = policy_entries(endpoint)
    counts = _counts(session, endpoint, entries)
    for number, entry in enumerate(entries):
        proxied = bool(entry.parser) and not entry.deny
        counting = endpoint.datapath.options.policy_accounting
        packets, total = counts.get(number, (0, 0)) if counting else (_NOT_COUNTED, _NOT_COUNTED)
        yield {
            "AuthRequirement": 0 if entry.authentication in ("", "disabled") else 1,
            "Bytes": total,
            "Flags": int(entry.deny),
            "Key": {
                "DestPortNetwork": entry.port,
                "Identity": entry.identity,
                "Nexthdr": int(entry.protocol),
                "Prefixlen": entry.prefix_length,
                "TrafficDirection": 0 if entry.direction is Direction.INGRESS else 1,
            },
            "Packets": packets,
            "ProxyPort": session.agent.tables.proxy_port(entry.parser.value, entry.direction) if proxied else 0,
        }


def policy_map_name(agent: NodeAgent, endpoint: ManagedEndpoint) -> str:
    """The endpoint's policy map, by the layout of the release."""
    layout = "v2" if agent.settings.policy.version is Version.V1_19 else "v3"
    return f"cilium_policy_{layout}_{endpoint.id:05d}"


async def _policy(session: Session, arguments: Arguments) -> int:
    numeric = "numeric" in arguments.switches
    header = (*_HEADER[:2], "IDENTITY", *_HEADER[3:]) if numeric else _HEADER
    if "all" in arguments.switches:
        chosen = ordered(session.agent)
    elif arguments.words:
        chosen = [find_endpoint(session.agent, arguments.words[0])]
    else:
        raise CommandError("Error: Need to specify an endpoint, or --all")
    paths = {endpoint.id: f"{_GLOBALS}/{policy_map_name(session.agent, endpoint)}" for endpoint in chosen}
    if arguments.value("output"):
        contents = {endpoint.id: list(_policy_models(session, endpoint)) for endpoint in chosen}
        every = [
            {"EndpointID": str(number), "Path": paths[number], "Content": content}
            for number, content in contents.items()
        ]
        model = every if "all" in arguments.switches else contents[chosen[0].id]
        await session.data(model, arguments.value("output"))
        return 0
    for endpoint in chosen:
        if "all" in arguments.switches:
            await session.out(f"Endpoint ID: {endpoint.id}\nPath: {paths[endpoint.id]}\n\n")
        rows = list(_policy_rows(session, endpoint, numeric=numeric))
        await session.out(table([header, *rows], closed=False))
        if not rows:
            await session.out("Policy stats empty. Perhaps the policy enforcement is disabled?")
        if "all" in arguments.switches:
            await session.out("\n\n")
    return 0


def policy_rows(session: Session, endpoint: ManagedEndpoint) -> Iterator[tuple[str, str]]:
    """The policy map of an endpoint as keys and values, for ``map get``."""
    entries = policy_entries(endpoint)
    counts = _counts(session, endpoint, entries)
    for number, entry in enumerate(entries):
        way = "Ingress" if entry.direction is Direction.INGRESS else "Egress"
        proxy = 0
        if entry.parser and not entry.deny:
            proxy = session.agent.tables.proxy_port(entry.parser.value, entry.direction)
        packets, total = counts.get(number, (0, 0))
        yield f"{way}: {entry.identity} {entry.port}/{int(entry.protocol)}", f"{proxy} {packets} {total}"


def ipcache_entries(session: Session) -> list[tuple[str, str]]:
    """(prefix, value), by address."""
    rows = [("0.0.0.0/0", _ipcache_value(2, "0.0.0.0"))]
    rows += [
        (prefix, _ipcache_value(entry.identity, entry.tunnel or "0.0.0.0"))
        for prefix, entry in session.agent.tables.ipcache
    ]
    return sorted(rows, key=lambda row: [int(part) for part in row[0].replace("/", ".").split(".")])


def _ipcache_value(identity: int, tunnel: str) -> str:
    flags = "hastunnel" if tunnel != "0.0.0.0" else "<none>"
    return f"identity={identity} encryptkey=0 tunnelendpoint={tunnel} flags={flags}"


async def _ipcache_list(session: Session, arguments: Arguments) -> int:
    rows = ipcache_entries(session)
    if arguments.value("output"):
        await session.data({prefix: [value] for prefix, value in rows}, arguments.value("output"))
        return 0
    await session.out(table([("IP PREFIX/ADDRESS", "IDENTITY"), *rows]))
    return 0


async def _ipcache_get(session: Session, arguments: Arguments) -> int:
    ip = arguments.words[0]
    parts = ip.split(".")
    if len(parts) != 4 or not all(part.isdigit() and int(part) < 256 for part in parts):
        raise CommandError(f"Error: Invalid ip address {ip}")
    entry = session.agent.tables.ipcache.lookup(ip)
    await session.out(f"{ip} maps to identity {_ipcache_value(entry.identity, entry.tunnel or '0.0.0.0')}")
    return 0


async def _ipcache_match(session: Session, arguments: Arguments) -> int:
    text = arguments.words[0]
    try:
        prefix = str(ipaddress.IPv4Network(text if "/" in text else "", strict=True))
    except ValueError as error:
        raise CommandError(f"Error: Invalid prefix: netip.ParsePrefix({json.dumps(text)}): {error}") from error
    value = dict(ipcache_entries(session)).get(prefix)
    if value is None:
        await session.out(f"{text} does not match to any ipcache entry")
        return 1
    await session.out(f"key {prefix} has value {json.dumps(value)}")
    return 0


async def _lb_list(session: Session, arguments: Arguments) -> int:
    given = arguments.switches
    rows = lb_rows(session)
    if given & {"revnat", "frontends", "backends", "ranges"}:
        maps = balancer_maps(session)
        # the first that is given counts; Services' source ranges are not enforced here, so their map is empty
        if "revnat" in given:
            rows = [("ID", _BACKEND), *maps.reverse.items()]
        elif "frontends" in given:
            rows = [("SERVICE ADDRESS", "BACKEND ID"), *maps.services.items()]
        elif "backends" in given:
            rows = [("ID", _BACKEND), *maps.backends.items()]
        else:
            rows = [("SOURCE RANGE (REVNAT_ID)", "")]
    if arguments.value("output"):
        await session.data({str(row[0]): [str(row[1])] for row in rows[1:]}, arguments.value("output"))
        return 0
    await session.out(table(rows))
    return 0


def endpoint_entries(session: Session) -> list[tuple[str, str]]:
    """The node's own addresses and its endpoints."""
    agent = session.agent
    own = (agent.tables.ip, agent.tables.router_ip)
    rows = [(f"{ip}:0", "(localhost)") for ip in own if ip]
    for endpoint in ordered(agent):
        inner = endpoint.datapath
        if endpoint.kind == "host":
            continue
        info = (
            f"id={inner.id:<5} sec_id={inner.identity:<5} flags=0x0000 ifindex={inner.ifindex:<3} "
            f"mac={inner.mac.upper()} nodemac={inner.host_mac.upper()} parent_ifindex={0:<3}"
            f"{'' if agent.settings.policy.version is Version.V1_19 else ' rt_info:0'}"
        )
        rows.append((f"{inner.ip}:0", info))
    return rows


async def _endpoint_list(session: Session, arguments: Arguments) -> int:
    rows = endpoint_entries(session)
    if arguments.value("output"):
        await session.data({ip: [info] for ip, info in rows}, arguments.value("output"))
        return 0
    await session.out(table([("IP ADDRESS", "LOCAL ENDPOINT INFO"), *rows]))
    return 0


async def _metrics(session: Session, arguments: Arguments) -> int:
    tables = session.agent.tables
    found = [
        (
            DROP_TEXTS.get(reason, str(reason)),
            direction,
            packets,
            total,
            *_DROPPING[direction],
        )
        for (reason, direction), (packets, total) in tables.drops.items()
    ]
    found += [
        ("Success", direction, packets, total, *_PLACES[point])
        for (direction, point), (packets, total) in tables.forwards.items()
    ]
    found.sort()
    if not found:
        await session.process.err("No entries found.\n")
        return 0
    if arguments.value("output"):
        models = [
            {
                "reason": reason,
                "direction": direction.lower(),
                "packets": packets,
                "bytes": total,
                "line": line,
                "file": file,
            }
            for reason, direction, packets, total, line, file in found
        ]
        await session.data(models, arguments.value("output"))
        return 0
    header = ("REASON", "DIRECTION", "PACKETS", "BYTES", "LINE", "FILE")
    await session.out(table([header, *found], closed=False))
    return 0


async def _tunnel(session: Session, arguments: Arguments) -> int:
    tunnels = other_pod_cidrs(session) if session.agent.settings.routing is Routing.TUNNEL else []
    rows = [(f"{cidr.partition('/')[0]}:0", f"{ip}:0") for cidr, ip in tunnels]
    if arguments.value("output"):
        await session.data({network: [node] for network, node in rows}, arguments.value("output"))
        return 0
    await session.out(table([("TUNNEL", "VALUE"), *rows]))
    return 0


COMMANDS = (
    Command(
        ("bpf", "policy", "get"),
        "List contents of a policy BPF map",
        _policy,
        OUTPUT,
        {"--all": "all", "-n": "numeric", "--numeric": "numeric"},
        (0, 1),
        "<endpoint id>",
    ),
    Command(
        ("bpf", "ipcache", "list"),
        "List endpoint IPs (local and remote) and their corresponding security identities",
        _ipcache_list,
        OUTPUT,
    ),
    Command(("bpf", "ipcache", "get"), "Retrieve identity for an ip", _ipcache_get, arguments=(1, 1), usage="<ip>"),
    Command(
        ("bpf", "ipcache", "match"),
        "Retrieve identity for a prefix using an exact match",
        _ipcache_match,
        arguments=(1, 1),
        usage="<prefix>",
    ),
    Command(
        ("bpf", "lb", "list"),
        "List load-balancing configuration",
        _lb_list,
        OUTPUT,
        {"--revnat": "revnat", "--frontends": "frontends", "--backends": "backends", "--source-ranges": "ranges"},
    ),
    Command(("bpf", "endpoint", "list"), "List local endpoint entries", _endpoint_list, OUTPUT),
    Command(("bpf", "metrics", "list"), "List BPF datapath traffic metrics", _metrics, OUTPUT),
    Command(("bpf", "tunnel", "list"), "List tunnel endpoint entries", _tunnel, OUTPUT),
)
