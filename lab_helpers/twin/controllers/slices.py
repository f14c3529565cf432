"""The forms in which endpoints are written: EndpointSlices of at most a hundred, and the older Endpoints.

Existing slices are filled again before new ones are made, so that an endpoint tends to stay where it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lab_helpers.twin.objects.storage import Object

__all__ = ["Endpoint", "Port", "endpoints_body", "slice_bodies"]

CAPACITY = 100
TRUNCATED = 1_000


class Port(NamedTuple):
    """One port of a slice."""

    name: str
    protocol: str
    port: int
    app_protocol: str


class Endpoint(NamedTuple):
    """One pod behind a Service. ``hostname`` only for pods with the Service's subdomain."""

    address: str
    ready: bool
    serving: bool
    terminating: bool
    node: str
    pod: str
    namespace: str
    uid: str
    hostname: str


def slice_bodies(
    groups: Mapping[tuple[Port, ...], Sequence[Endpoint]], have: Sequence[Object]
) -> list[tuple[Object | None, dict[str, Any]]]:
    """Which slice to write with which body: an existing one of ``have``, or None for a new one."""
    result: list[tuple[Object | None, dict[str, Any]]] = []
    free = list(have)
    for ports, endpoints in groups.items():
        shown = [_slice_port(port) for port in ports]
        fitting = [item for item in free if (item.get("ports") or []) == shown]
        chunks = _chunks(endpoints, fitting)
        for position, chunk in enumerate(chunks):
            found = fitting[position] if position < len(fitting) else None
            if found is not None:
                free.remove(found)
            body: dict[str, Any] = {"addressType": "IPv4", "endpoints": [_slice_endpoint(item) for item in chunk]}
            body["ports"] = shown
            result.append((found, body))
    return result


def _chunks(endpoints: Sequence[Endpoint], have: Sequence[Object]) -> list[list[Endpoint]]:
    """Split into slices; endpoints stay in the slice they are in."""
    known = {item.uid: item for item in endpoints}
    chunks: list[list[Endpoint]] = []
    for item in have:
        uids = [(entry.get("targetRef") or {}).get("uid") for entry in item.get("endpoints") or ()]
        chunks.append([known.pop(uid) for uid in uids if uid in known][:CAPACITY])
    rest = list(known.values())
    for chunk in chunks:
        room = CAPACITY - len(chunk)
        chunk.extend(rest[:room])
        rest = rest[room:]
    while rest:
        chunks.append(rest[:CAPACITY])
        rest = rest[CAPACITY:]
    filled = [chunk for chunk in chunks if chunk]
    return chunks if len(filled) == len(chunks) and chunks else (filled or [[]])


def _slice_port(port: Port) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": port.name, "port": port.port, "protocol": port.protocol}
    if port.app_protocol:
        shown["appProtocol"] = port.app_protocol
    return shown


def _slice_endpoint(item: Endpoint) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "addresses": [item.address],
        "conditions": {"ready": item.ready, "serving": item.serving, "terminating": item.terminating},
        "nodeName": item.node,
        "targetRef": _reference(item),
    }
    if item.hostname:
        shown["hostname"] = item.hostname
    return shown


def _reference(item: Endpoint) -> dict[str, str]:
    return {"kind": "Pod", "name": item.pod, "namespace": item.namespace, "uid": item.uid}


def endpoints_body(groups: Mapping[tuple[Port, ...], Sequence[Endpoint]]) -> dict[str, Any]:
    """``subsets`` of the Endpoints object; terminating pods are not in it."""
    subsets = []
    for ports, endpoints in groups.items():
        subset: dict[str, Any] = {}
        for field, ready in (("addresses", True), ("notReadyAddresses", False)):
            chosen = [item for item in endpoints if item.ready == ready and not (item.terminating and not item.ready)]
            addresses = [_address(item) for item in sorted(chosen)[:TRUNCATED]]
            if addresses:
                subset[field] = addresses
        if subset:
            subset["ports"] = [
                {**({"name": port.name} if port.name else {}), "port": port.port, "protocol": port.protocol}
                | ({"appProtocol": port.app_protocol} if port.app_protocol else {})
                for port in ports
            ]
            subsets.append(subset)
    return {"subsets": subsets} if subsets else {}


def _address(item: Endpoint) -> dict[str, Any]:
    shown: dict[str, Any] = {"ip": item.address, "nodeName": item.node, "targetRef": _reference(item)}
    if item.hostname:
        shown["hostname"] = item.hostname
    return shown
