"""``cilium-dbg monitor`` (pkg/monitor/datapath_*.go, pkg/monitor/agent): events as they happen, in the monitor's own
words.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import Any

from lab_helpers.hubble.events import DROP_TEXTS, trace_point
from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.twin.agent.dbg.hosts import host
from lab_helpers.twin.agent.dbg.identities import identity_name
from lab_helpers.twin.agent.dbg.sessions import Arguments, Command, CommandError, Session

__all__ = ["COMMANDS", "monitor_line", "monitor_model"]

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
_TOPIC_DENIED = 29
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
        auth = "spire" if flow.auth_type == flow_pb2.SPIRE else "disabled"
        return (
            f"Policy verdict log: flow {_hash(flow)} local EP ID {local.ID}, "
            f"remote ID {_identity(remote, numeric=numeric)}, "
            f"proto {protocol}, {'ingress' if ingress else 'egress'}, action {_action(flow)}, auth: {auth}, "
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
    return _layer7(flow)


def _action(flow: Any) -> str:
    return {flow_pb2.DROPPED: "deny", flow_pb2.REDIRECTED: "redirect", flow_pb2.AUDIT: "audit"}.get(
        flow.verdict, "allow"
    )


def _l7_verdict(flow: Any) -> str:
    return {flow_pb2.DROPPED: "Denied", flow_pb2.ERROR: "Error"}.get(flow.verdict, "Forwarded")


def _kafka_code(flow: Any) -> int:
    """The error code of the access log: a denied request's is the one that its client is told."""
    return _TOPIC_DENIED if flow.verdict == flow_pb2.DROPPED else int(flow.l7.kafka.error_code)


def _layer7(flow: Any) -> str:
    response = flow.l7.type == flow_pb2.RESPONSE
    arrow = {flow_pb2.INGRESS: "<-", flow_pb2.EGRESS: "->"}.get(flow.traffic_direction, "??")
    record = flow.l7.WhichOneof("record") or "unknown-l7"
    source, destination = (f"{end.ID} ([{' '.join(end.labels)}])" for end in (flow.source, flow.destination))
    ends = f"to {destination} from {source}" if response else f"from {source} to {destination}"
    head = (
        f"{arrow} {'Response' if response else 'Request'} {record} {ends}, "
        f"identity {flow.source.identity}->{flow.destination.identity}, verdict {_l7_verdict(flow)}"
    )
    if record == "http":
        return f"{head} {flow.l7.http.method} {flow.l7.http.url} => {flow.l7.http.code}"
    if record == "kafka":
        return f"{head} {flow.l7.kafka.api_key} topic {flow.l7.kafka.topic} => {_kafka_code(flow)}"
    dns = flow.l7.dns
    asked = f"{head} DNS {dns.observation_source}: {dns.query} {','.join(dns.qtypes)}"
    if not response:
        return asked
    names = f" CNAMEs: {','.join(dns.cnames)}" if dns.cnames else ""
    return f"{asked} TTL: {dns.ttl} Answer: '{','.join(dns.ips)}'{names}"


def monitor_model(flow: Any) -> dict[str, Any]:
    """One event as ``-j`` prints it; its summary has the addresses of the layers, not the packet's bytes."""
    kind, source, destination = flow.event_type.type, flow.source, flow.destination
    if kind == 129:
        return _layer7_model(flow)
    model: dict[str, Any] = {"cpu": "CPU 00:"}
    if kind == 7:
        layer = flow.l4.WhichOneof("protocol")
        return model | {
            "type": "trace-sock",
            "xlatePoint": _SOCK[flow.event_type.sub_type],
            "cgroup_id": flow.cgroup_id,
            "sockCookie": flow.socket_cookie,
            "dstIP": flow.IP.destination,
            "dstPort": getattr(flow.l4, layer).destination_port,
            "l4Proto": layer.lower(),
        }
    ingress = flow.traffic_direction == flow_pb2.INGRESS
    local = destination if ingress else source
    model |= {"type": {1: "drop", 4: "trace", 5: "policy-verdict"}[kind], "mark": _hash(flow)}
    if kind == 4:
        point = flow.event_type.sub_type
        model |= {
            "ifindex": flow.interface.name or "0",
            "state": _STATES.get(flow.trace_reason, "unknown"),
            "observationPoint": trace_point(point),
            "traceSummary": _POINTS.get(point, "->") + (f" {destination.ID}" if point == 0 else ""),
        }
    if kind == 1:
        model["reason"] = DROP_TEXTS.get(flow.event_type.sub_type, str(flow.event_type.sub_type))
    if kind == 5:
        model |= {"match": _MATCHES[flow.policy_match_type], "action": _action(flow), "ingress": ingress}
    model |= {
        "source": local.ID,
        "srcLabel": source.identity,
        "dstLabel": destination.identity,
        "dstID": destination.ID if ingress else 0,
    }
    if kind == 1:
        model |= {"Line": flow.file.line, "File": flow.file.name, "ExtError": 0, "Ifindex": flow.interface.index}
    return model | {"summary": _summary(flow)}


def _summary(flow: Any) -> dict[str, Any]:
    layers: dict[str, Any] = {
        "l2": {"src": flow.ethernet.source, "dst": flow.ethernet.destination},
        "l3": {"src": flow.IP.source, "dst": flow.IP.destination},
    }
    detail = getattr(flow.l4, flow.l4.WhichOneof("protocol"))
    if hasattr(detail, "source_port"):
        layers["l4"] = {"src": str(detail.source_port), "dst": str(detail.destination_port)}
    return layers


def _layer7_model(flow: Any) -> dict[str, Any]:
    record = flow.l7.WhichOneof("record") or ""
    response = flow.l7.type == flow_pb2.RESPONSE
    model: dict[str, Any] = {
        "type": "logRecord",
        "observationPoint": "Ingress" if flow.traffic_direction == flow_pb2.INGRESS else "Egress",
        "flowType": "Response" if response else "Request",
        "l7Proto": record,
        "srcEpID": flow.source.ID,
        "srcEpLabels": list(flow.source.labels),
        "srcIdentity": flow.source.identity,
        "dstEpID": flow.destination.ID,
        "dstEpLabels": list(flow.destination.labels),
        "dstIdentity": flow.destination.identity,
        "verdict": _l7_verdict(flow),
    }
    if record == "http":
        http = flow.l7.http
        model["http"] = {"Code": http.code, "Method": http.method, "URL": http.url, "Protocol": http.protocol}
    elif record == "kafka":
        kafka = flow.l7.kafka
        model["kafka"] = {
            "ErrorCode": _kafka_code(flow),
            "APIVersion": kafka.api_version,
            "APIKey": kafka.api_key,
            "CorrelationID": kafka.correlation_id,
            "Topic": {"Topic": kafka.topic} if kafka.topic else {},
        }
    elif record == "dns":
        dns = flow.l7.dns
        model["dns"] = {"Query": dns.query, "IPs": list(dns.ips), "TTL": dns.ttl, "QTypes": list(dns.qtypes)}
    return model


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
    for name in ("hex", "dissect"):
        if name in arguments.switches and "json" not in arguments.switches:
            raise CommandError(
                "Error: packets have no bytes in the embedded cluster, so no sequence numbers, checksums and options "
                "either: --hex and -vv have nothing to print. Leave them out, or use -j"
            )
    _need_endpoints(session, wanted)
    numeric, as_json = "numeric" in arguments.switches, "json" in arguments.switches
    queue: asyncio.Queue[Any] = asyncio.Queue()
    observers = agent.tables.observers
    listeners = agent.notifier.listeners
    observers.append(queue.put_nowait)
    listeners.append(queue.put_nowait)
    try:
        await session.process.err(f"{host(agent).monitor_line}\nPress Ctrl-C to quit\n")
        while agent.running:
            flow = await queue.get()
            if isinstance(flow, flow_pb2.AgentEvent):
                if (not kinds or _TYPES["agent"] in kinds) and not any(wanted.values()):
                    await session.out(_agent_json(flow) if as_json else _agent_line(flow))
                continue
            if (kinds and flow.event_type.type not in kinds) or not _concerns(flow, wanted):
                continue
            if as_json:
                await session.out(json.dumps(monitor_model(flow), separators=(",", ":")))
            else:
                await session.out(monitor_line(flow, numeric=numeric))
    finally:
        for receivers in (observers, listeners):
            if queue.put_nowait in receivers:
                receivers.remove(queue.put_nowait)
    raise CommandError("EOF")


def _agent_parts(event: Any) -> tuple[str, str]:
    from google.protobuf.json_format import MessageToDict

    name = flow_pb2.AgentEventType.Name(event.type).replace("_", " ").capitalize()
    which = event.WhichOneof("notification")
    detail = MessageToDict(getattr(event, which), preserving_proto_field_name=True) if which else {}
    return name, json.dumps(detail)


def _agent_line(event: Any) -> str:
    """``>> Policy updated: {…}``: what the agent says about itself."""
    name, detail = _agent_parts(event)
    return f">> {name}: {detail}"


def _agent_json(event: Any) -> str:
    """The same with ``-j``."""
    name, detail = _agent_parts(event)
    return json.dumps({"type": "agent", "subtype": name, "message": json.loads(detail)}, separators=(",", ":"))


def _need_endpoints(session: Session, wanted: dict[str, set[int]]) -> None:
    """Raises CommandError when all three filters are given and no endpoint of them exists, as the real one does."""
    if not all(wanted.values()):
        return
    missing = sorted(number for numbers in wanted.values() for number in numbers - set(session.agent.endpoints))
    if len(missing) == sum(map(len, wanted.values())):
        raise CommandError("\n".join(f"endpoint {number} not found" for number in missing))


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
        {
            "-t": "type",
            "--type": "type",
            "--from": "from",
            "--to": "to",
            "--related-to": "related",
            "--monitor-socket": "socket",
        },
        {
            "-n": "numeric",
            "--numeric": "numeric",
            "-j": "json",
            "--json": "json",
            "-v": "verbose",
            "-vv": "dissect",
            "--verbose": "verbose",
            "--hex": "hex",
        },
    ),
)
