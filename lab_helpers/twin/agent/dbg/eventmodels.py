"""Events as ``monitor -j`` prints them: the ``…Verbose`` structures of pkg/monitor, one JSON object per line."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import urlsplit

from lab_helpers.hubble.events import trace_point
from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.twin.agent.dbg.dissecting import layers
from lab_helpers.twin.agent.dbg.eventlines import STATES, kafka_code, layer7_verdict, trace_summary
from lab_helpers.twin.agent.dbg.events import ACCESS_LOG, DROP, Event

__all__ = ["agent_json", "agent_line", "event_json"]

_FILES: Final = {"bpf_host.c": 1, "bpf_lxc.c": 2, "bpf_overlay.c": 3}
_QUERY_TYPES: Final = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33}
_AGENT_EVENTS: Final = {
    "AGENT_STARTED": "Cilium agent started",
    "POLICY_UPDATED": "Policy updated",
    "POLICY_DELETED": "Policy deleted",
    "ENDPOINT_REGENERATE_SUCCESS": "Endpoint regenerated",
    "ENDPOINT_REGENERATE_FAILURE": "Failed endpoint regeneration",
    "ENDPOINT_CREATED": "Endpoint created",
    "ENDPOINT_DELETED": "Endpoint deleted",
    "IPCACHE_UPSERTED": "IPCache entry upserted",
    "IPCACHE_DELETED": "IPCache entry deleted",
}


def _line(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def event_json(event: Event) -> str:
    """A drop, a trace or a proxy's record; the others have no such form."""
    if event.kind == ACCESS_LOG:
        return _line(_record(event.flow))
    flow = event.flow
    source, destination = event.identities
    model: dict[str, Any] = {"cpu": event.cpu}
    common = {"source": event.source, "bytes": event.length, "srcLabel": source, "dstLabel": destination}
    if event.kind == DROP:
        model |= {"type": "drop", "mark": f"{event.hash:#x}", "reason": event.reason}
        model |= common
        model |= {"dstID": event.destination, "Line": flow.file.line, "File": _FILES.get(flow.file.name, 0)}
        model |= {"ExtError": 0, "Ifindex": flow.interface.index}
    else:
        model |= {"type": "trace", "mark": f"{event.hash:#x}", "ifindex": flow.interface.name or "0"}
        model |= {"state": STATES.get(flow.trace_reason, "unknown"), "observationPoint": trace_point(event.point)}
        model |= {"traceSummary": trace_summary(event)}
        model |= common
        model |= {"dstID": event.destination, "IpTraceID": 0}
    return _line(model | {"summary": _summary(event)})


def _summary(event: Event) -> dict[str, Any]:
    flow, data = event.flow, event.data
    found: dict[str, Any] = {name.lower(): text for name, text in layers(data).items()}
    macs = [":".join(f"{byte:02x}" for byte in data[at : at + 6]) for at in (6, 0)]
    found["l2"] = dict(zip(("src", "dst"), macs, strict=True))
    found["l3"] = {"src": flow.IP.source, "dst": flow.IP.destination}
    detail = getattr(flow.l4, flow.l4.WhichOneof("protocol"))
    if hasattr(detail, "source_port"):
        found["l4"] = {"src": str(detail.source_port), "dst": str(detail.destination_port)}
    return found


def _record(flow: Any) -> dict[str, Any]:
    record = flow.l7.WhichOneof("record") or ""
    model: dict[str, Any] = {
        "type": "logRecord",
        "observationPoint": "Ingress" if flow.traffic_direction == flow_pb2.INGRESS else "Egress",
        "flowType": "Response" if flow.l7.type == flow_pb2.RESPONSE else "Request",
        "l7Proto": record,
        "srcEpID": flow.source.ID,
        "srcEpLabels": list(flow.source.labels),
        "srcIdentity": flow.source.identity,
        "dstEpID": flow.destination.ID,
        "dstEpLabels": list(flow.destination.labels),
        "dstIdentity": flow.destination.identity,
        "verdict": layer7_verdict(flow),
    }
    if record == "http":
        model["http"] = _http(flow.l7.http)
    elif record == "kafka":
        kafka = flow.l7.kafka
        model["kafka"] = {
            "ErrorCode": kafka_code(flow),
            "APIVersion": kafka.api_version,
            "APIKey": kafka.api_key,
            "CorrelationID": kafka.correlation_id,
            "Topic": {"Topic": kafka.topic} if kafka.topic else {},
        }
    elif record == "dns":
        dns = flow.l7.dns
        fields = {
            "Query": dns.query,
            "IPs": list(dns.ips),
            "TTL": dns.ttl,
            "CNAMEs": list(dns.cnames),
            "ObservationSource": dns.observation_source,
            "RCode": dns.rcode,
            "QTypes": [_QUERY_TYPES.get(name, 0) for name in dns.qtypes],
            "AnswerTypes": [_QUERY_TYPES.get(name, 0) for name in dns.rrtypes],
        }
        model["dns"] = {name: value for name, value in fields.items() if value}
    return model


def _http(http: Any) -> dict[str, Any]:
    parts = urlsplit(http.url)
    headers: dict[str, list[str]] = {}
    for header in http.headers:
        headers.setdefault(header.key.title(), []).append(header.value)
    url = {
        "Scheme": parts.scheme,
        "Opaque": "",
        "User": None,
        "Host": parts.netloc,
        "Path": parts.path,
        "Fragment": "",
        "RawQuery": parts.query,
        "RawPath": "",
        "RawFragment": "",
        "ForceQuery": False,
        "OmitHost": False,
    }
    return {
        "Code": http.code,
        "Method": http.method,
        "URL": url,
        "Protocol": http.protocol,
        "Headers": headers,
        "MissingHeaders": None,
        "RejectedHeaders": None,
    }


def _agent(event: Any) -> tuple[str, dict[str, Any]]:
    """The name of what the agent says about itself, and its message."""
    name = flow_pb2.AgentEventType.Name(event.type)
    which = event.WhichOneof("notification")
    message: dict[str, Any] = {}
    if which == "agent_start":
        message = {"time": event.agent_start.time.ToJsonString()}
    elif which == "policy_update":
        update = event.policy_update
        message = _known({"labels": list(update.labels), "revision": update.revision})
        message["rule_count"] = update.rule_count
    elif which in ("endpoint_regenerate", "endpoint_update"):
        detail = getattr(event, which)
        message = {"id": detail.id, "labels": list(detail.labels), "error": detail.error}
        if which == "endpoint_update":
            message |= {"pod-name": detail.pod_name, "namespace": detail.namespace}
        message = _known(message)
    return _AGENT_EVENTS.get(name, name), message


def _known(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if value}


def agent_line(event: Any) -> str:
    """``>> Policy updated: {…}``."""
    name, message = _agent(event)
    return f">> {name}: {_line(message)}"


def agent_json(event: Any) -> str:
    """The same with ``-j``."""
    name, message = _agent(event)
    return _line({"type": "agent", "subtype": name, "message": message})
