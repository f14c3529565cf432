"""``cilium-dbg monitor`` (pkg/monitor/datapath_*.go, pkg/monitor/agent): events as they happen, in the monitor's own
words.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import Any

from lab_helpers.hubble.events import DROP_TEXTS
from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.twin.agent.dbg.identities import identity_name
from lab_helpers.twin.agent.dbg.sessions import Arguments, Command, CommandError, Session

__all__ = ["COMMANDS", "monitor_line"]

_TYPES = {
    "drop": 1,
    "debug": 2,
    "capture": 3,
    "trace": 4,
    "policy-verdict": 5,
    "trace-sock": 7,
    "l7": 129,
    "agent": 130,
}
_POINTS = {0: "-> endpoint", 1: "-> proxy", 2: "-> host from", 3: "-> stack", 4: "-> overlay", 11: "-> network"}
_STATES = {0: "unknown", 1: "new", 2: "established", 3: "reply", 4: "related", 5: "reopened"}
_MATCHES = ("none", "L3-Only", "L3-L4", "L4-Only", "all", "L3-Proto", "Proto-Only")
_SOCK = {1: "pre-xlate-fwd", 2: "post-xlate-fwd", 3: "pre-xlate-rev", 4: "post-xlate-rev"}


def _hash(flow: Any) -> str:
    layer = flow.l4.WhichOneof("protocol")
    detail = getattr(flow.l4, layer) if layer else None
    ports = sorted((getattr(detail, "source_port", 0), getattr(detail, "destination_port", 0)))
    ends = sorted((flow.IP.source, flow.IP.destination))
    return f"0x{zlib.crc32(repr((ends, ports)).encode()):x}"


def _connection(flow: Any) -> str:
    layer = flow.l4.WhichOneof("protocol")
    source, destination = flow.IP.source, flow.IP.destination
    if layer == "ICMPv4":
        return f"{source} -> {destination} {flow.Summary.removeprefix('ICMPv4 ')}"
    detail = getattr(flow.l4, layer)
    ends = f"{source}:{detail.source_port} -> {destination}:{detail.destination_port}"
    if layer == "TCP":
        return f"{ends} tcp {flow.Summary.removeprefix('TCP Flags: ')}"
    return f"{ends} {layer.lower()}"


def _identity(endpoint: Any, *, numeric: bool) -> str:
    return str(endpoint.identity) if numeric else identity_name(endpoint.identity)


def monitor_line(flow: Any, *, numeric: bool = False) -> str:
    """One event as the monitor prints it."""
    kind, source, destination = flow.event_type.type, flow.source, flow.destination
    pair = f"{_identity(source, numeric=numeric)}->{_identity(destination, numeric=numeric)}"
    if kind == 1:
        target = destination.ID if flow.traffic_direction == flow_pb2.INGRESS else 0
        reason = DROP_TEXTS.get(flow.event_type.sub_type, str(flow.event_type.sub_type))
        return (
            f"xx drop ({reason}) flow {_hash(flow)} to endpoint {target}, ifindex {flow.interface.index}, "
            f"file {flow.file.name}:{flow.file.line}, , identity {pair}: {_connection(flow)}"
        )
    if kind == 5:
        ingress = flow.traffic_direction == flow_pb2.INGRESS
        local, remote = (destination, source) if ingress else (source, destination)
        protocol = {"TCP": 6, "UDP": 17, "ICMPv4": 1}.get(flow.l4.WhichOneof("protocol"), 0)
        action = {flow_pb2.DROPPED: "deny", flow_pb2.REDIRECTED: "redirect", flow_pb2.AUDIT: "audit"}.get(
            flow.verdict, "allow"
        )
        auth = "spire" if flow.auth_type == flow_pb2.SPIRE else "disabled"
        return (
            f"Policy verdict log: flow {_hash(flow)} local EP ID {local.ID}, "
            f"remote ID {_identity(remote, numeric=numeric)}, "
            f"proto {protocol}, {'ingress' if ingress else 'egress'}, action {action}, auth: {auth}, "
            f"match {_MATCHES[flow.policy_match_type]}, {_connection(flow)}"
        )
    if kind == 4:
        what = _POINTS.get(flow.event_type.sub_type, "->")
        if flow.event_type.sub_type == 0:
            what += f" {destination.ID}"
        elif flow.event_type.sub_type == 1:
            what += f" port {flow.proxy_port}" if flow.proxy_port else ""
        interface = flow.interface.name or "0"
        original = flow.IP.source if flow.event_type.sub_type == 0 else "0.0.0.0"
        return (
            f"{what} flow {_hash(flow)} , identity {pair} state {_STATES.get(flow.trace_reason, 'unknown')} "
            f"ifindex {interface} orig-ip {original}: {_connection(flow)}"
        )
    if kind == 7:
        layer = flow.l4.WhichOneof("protocol")
        port = getattr(flow.l4, layer).destination_port
        return (
            f"CPU 00: [{_SOCK[flow.event_type.sub_type]}] cgroup_id: {flow.cgroup_id} "
            f"sock_cookie: {flow.socket_cookie}, "
            f"dst [{flow.IP.destination}]:{port} {layer.lower()}"
        )
    return _layer7(flow, pair)


def _layer7(flow: Any, pair: str) -> str:
    response = flow.l7.type == flow_pb2.RESPONSE
    arrow = "->" if response else "<-"
    what = "Response" if response else "Request"
    verdict = {flow_pb2.DROPPED: "Denied", flow_pb2.ERROR: "Error"}.get(flow.verdict, "Forwarded")
    record = flow.l7.WhichOneof("record") or ""
    source, destination = (f"{end.ID} ([{' '.join(end.labels)}])" for end in (flow.source, flow.destination))
    head = f"{arrow} {what} {record} from {source} to {destination}, identity {pair}, verdict {verdict}"
    if record == "http":
        return f"{head} {flow.l7.http.method} {flow.l7.http.url} => {flow.l7.http.code}"
    dns = flow.l7.dns
    query = f"{dns.query} {','.join(dns.qtypes)}"
    if response:
        return f"{head} DNS Proxy: {query} TTL: {dns.ttl} Answer: '{','.join(dns.ips)}'"
    return f"{head} DNS Query: {query}"


async def _monitor(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    agent = session.agent
    names = [name for text in arguments.values.get("type", []) for name in text.split(",")]
    unknown = [name for name in names if name not in _TYPES]
    if unknown:
        raise CommandError(
            f'Error: invalid argument "{unknown[0]}" for "-t, --type" flag: Unknown type ({unknown[0]}). '
            f"Please use one of the following ones {', '.join(sorted(_TYPES))}"
        )
    kinds = {_TYPES[name] for name in names}
    wanted = {key: _numbers(arguments.values.get(key, [])) for key in ("from", "to", "related")}
    numeric, as_json = "numeric" in arguments.switches, "json" in arguments.switches
    queue: asyncio.Queue[Any] = asyncio.Queue()
    observers = agent.tables.observers
    listeners = agent.notifier.listeners
    observers.append(queue.put_nowait)
    listeners.append(queue.put_nowait)
    try:
        if not as_json:
            await session.out("Listening for events on 2 CPUs with 64x4096 of shared memory\nPress Ctrl-C to quit")
        while agent.running:
            flow = await queue.get()
            if isinstance(flow, flow_pb2.AgentEvent):
                if (not kinds or _TYPES["agent"] in kinds) and not any(wanted.values()):
                    await session.out(_agent_line(flow))
                continue
            if (kinds and flow.event_type.type not in kinds) or not _concerns(flow, wanted):
                continue
            if as_json:
                from lab_helpers.hubble.jsonpb import dumps

                await session.out(dumps(flow))
            else:
                await session.out(monitor_line(flow, numeric=numeric))
    finally:
        for receivers in (observers, listeners):
            if queue.put_nowait in receivers:
                receivers.remove(queue.put_nowait)
    raise CommandError("EOF")


def _agent_line(event: Any) -> str:
    """``>> Policy updated: {…}``: what the agent says about itself."""
    from google.protobuf.json_format import MessageToDict

    name = flow_pb2.AgentEventType.Name(event.type).replace("_", " ").capitalize()
    which = event.WhichOneof("notification")
    detail = MessageToDict(getattr(event, which), preserving_proto_field_name=True) if which else {}
    return f">> {name}: {json.dumps(detail)}"


def _numbers(texts: list[str]) -> set[int]:
    try:
        return {int(number) for text in texts for number in text.split(",")}
    except ValueError as error:
        raise CommandError(f"Error: endpoint ids are numbers: {error}") from error


def _concerns(flow: Any, wanted: dict[str, set[int]]) -> bool:
    if wanted["from"] and flow.source.ID not in wanted["from"]:
        return False
    if wanted["to"] and flow.destination.ID not in wanted["to"]:
        return False
    return not wanted["related"] or bool({flow.source.ID, flow.destination.ID} & wanted["related"])


COMMANDS = (
    Command(
        ("monitor",),
        "Display BPF program events",
        _monitor,
        {"-t": "type", "--type": "type", "--from": "from", "--to": "to", "--related-to": "related"},
        {
            "-n": "numeric",
            "--numeric": "numeric",
            "-j": "json",
            "--json": "json",
            "-v": "verbose",
            "-vv": "verbose",
            "--verbose": "verbose",
            "-D": "hex",
            "--hex": "hex",
        },
    ),
)
