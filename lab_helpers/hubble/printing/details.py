"""Texts of lost events, agent events, debug events and node states."""

from typing import Any

from lab_helpers.hubble import times
from lab_helpers.hubble.printing.parts import enum_name
from lab_helpers.hubble.protos import flow_pb2

_LOST_SOURCES = flow_pb2.LostEventSource.DESCRIPTOR.values_by_number
_AGENT_TYPES = flow_pb2.AgentEventType.DESCRIPTOR.values_by_number
_DEBUG_TYPES = flow_pb2.DebugEventType.DESCRIPTOR.values_by_number
_NAMES_WIDTH = 50


def lost_source(lost: Any) -> str:
    """Which buffer overflowed."""
    return enum_name(_LOST_SOURCES, lost.source)


def lost_count(lost: Any, layout: str) -> str:
    """How many events, and when the first and the last of them."""
    text = str(lost.num_events_lost)
    if lost.HasField("first") and lost.HasField("last"):
        text += f" (first: {times.format_stamp(lost.first, layout)}, last: {times.format_stamp(lost.last, layout)})"
    return text


def agent_type(event: Any) -> str:
    """The kind of an agent event."""
    return enum_name(_AGENT_TYPES, event.type)


def _address(address: Any) -> str:
    return f"[{address.ip}]:{address.port}" if ":" in address.ip else f"{address.ip}:{address.port}"


def _endpoint_update(update: Any) -> str:
    text = f"id: {update.id}"
    if update.namespace:
        text += f", namespace: {update.namespace}"
    return text + (f", pod name: {update.pod_name}" if update.pod_name else "")


def _ipcache(update: Any) -> str:
    text = f"cidr: {update.cidr}, identity: {update.identity}"
    if update.HasField("old_identity"):
        text += f", old identity: {update.old_identity.value}"
    if update.host_ip:
        text += f", host ip: {update.host_ip}"
    if update.old_host_ip:
        text += f", old host ip: {update.old_host_ip}"
    return f"{text}, encrypt key: {update.encrypt_key}"


def _service(update: Any) -> str:
    text = f"id: {update.id}"
    if update.HasField("frontend_address"):
        text += f", frontend: {_address(update.frontend_address)}"
    if update.backend_addresses:
        text += f", backends: [{','.join(_address(address) for address in update.backend_addresses)}]"
    for label, value in (
        ("type", update.type),
        ("traffic policy", update.traffic_policy),
        ("namespace", update.namespace),
        ("name", update.name),
    ):
        if value:
            text += f", {label}: {value}"
    return text


def agent_details(event: Any, layout: str) -> str:
    """What an agent event says; ``UNKNOWN`` when its content does not fit its type."""
    content = event.WhichOneof("notification")
    match event.type, content:
        case flow_pb2.AGENT_EVENT_UNKNOWN, "unknown":
            return f"type: {event.unknown.type}, notification: {event.unknown.notification}"
        case flow_pb2.AGENT_STARTED, "agent_start":
            stamp = event.agent_start.time
            return f"start time: {times.format_stamp(stamp, layout) if event.agent_start.HasField('time') else 'N/A'}"
        case ((flow_pb2.POLICY_UPDATED | flow_pb2.POLICY_DELETED), "policy_update"):
            update = event.policy_update
            return f"labels: [{','.join(update.labels)}], revision: {update.revision}, count: {update.rule_count}"
        case ((flow_pb2.ENDPOINT_REGENERATE_SUCCESS | flow_pb2.ENDPOINT_REGENERATE_FAILURE), "endpoint_regenerate"):
            regen = event.endpoint_regenerate
            text = f"id: {regen.id}, labels: [{','.join(regen.labels)}]"
            return text + (f", error: {regen.error}" if regen.error else "")
        case ((flow_pb2.ENDPOINT_CREATED | flow_pb2.ENDPOINT_DELETED), "endpoint_update"):
            return _endpoint_update(event.endpoint_update)
        case ((flow_pb2.IPCACHE_UPSERTED | flow_pb2.IPCACHE_DELETED), "ipcache_update"):
            return _ipcache(event.ipcache_update)
        case flow_pb2.SERVICE_UPSERTED, "service_upsert":
            return _service(event.service_upsert)
        case flow_pb2.SERVICE_DELETED, "service_delete":
            return f"id: {event.service_delete.id}"
    return "UNKNOWN"


def debug_type(event: Any) -> str:
    """The kind of a debug event."""
    return enum_name(_DEBUG_TYPES, event.type)


def debug_source(event: Any) -> str:
    """Which endpoint a debug event is about."""
    if not event.HasField("source"):
        return "N/A"
    endpoint = event.source
    number = f"ID: {endpoint.ID}"
    if endpoint.namespace and endpoint.pod_name:
        return f"{endpoint.namespace}/{endpoint.pod_name} ({number})"
    if len(endpoint.labels) == 1 and endpoint.labels[0].startswith("reserved:"):
        return f"{endpoint.labels[0]} ({number})"
    return number


def debug_mark(event: Any) -> str:
    """The packet's mark in hexadecimal."""
    return f"0x{event.hash.value:x}" if event.HasField("hash") else "N/A"


def debug_cpu(event: Any) -> str:
    """The CPU, two digits."""
    return f"{event.cpu.value:02d}" if event.HasField("cpu") else "N/A"


def shortened(names: list[str]) -> str:
    """Node names, cut at about fifty characters with a count of the rest; the first always fits."""
    shown, width = 0, 0
    for name in names:
        width += len(name) + 2
        if shown and width > _NAMES_WIDTH:
            break
        shown += 1
    text = ", ".join(names[:shown])
    return f"{text} (and {len(names) - shown} more)" if shown < len(names) else text
