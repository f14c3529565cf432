"""What the policy engine is asked about on a cluster: its objects by the API, its flows by Hubble.

Works on any cluster with Cilium; kinds that the cluster does not have are left out.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lab_helpers.clusters.cluster import Cluster
from lab_helpers.clusters.documents import get_document, version_by
from lab_helpers.clusters.errors import ClusterError
from lab_helpers.policy.configs import PolicyConfig, Version
from lab_helpers.policy.identities import NamedPort
from lab_helpers.policy.inventories import Inventory, Object, build_inventory
from lab_helpers.policy.labels import parse_labels
from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.recorded_flows import FlowEnd, FlowRecord
from lab_helpers.policy.requests import HTTPRequest

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

    from lab_helpers.hubble.protos import flow_pb2

__all__ = [
    "cilium_version",
    "cluster_config",
    "cluster_objects",
    "config_by",
    "flow_record",
    "flows_of_text",
    "get_document",
    "objects_by",
    "read_cluster",
    "read_flows",
]

_LISTS: Final = (
    "/api/v1/namespaces",
    "/api/v1/pods",
    "/api/v1/services",
    "/apis/discovery.k8s.io/v1/endpointslices",
    "/apis/networking.k8s.io/v1/networkpolicies",
    "/apis/cilium.io/v2/ciliumnetworkpolicies",
    "/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies",
    "/apis/cilium.io/v2/ciliumcidrgroups",
    "/apis/cilium.io/v2/ciliumendpoints",
    "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies",
)
_TRACE: Final = 4
"""The event type of trace points (Cilium pkg/monitor/api, MessageTypeTrace)."""


def cluster_objects(cluster: Cluster) -> Iterator[Object]:
    """Every object that matters to policies. Raises ClusterError when the cluster does not answer."""
    with cluster.api() as api:
        yield from objects_by(api)


def objects_by(api: ApiClient) -> Iterator[Object]:
    """The same, by a client that is there already."""
    for path in _LISTS:
        listed = get_document(api, path)
        if listed is None:
            continue
        kind = str(listed.get("kind", "")).removesuffix("List")
        for item in listed.get("items") or ():
            yield Object({"kind": kind, "apiVersion": listed.get("apiVersion"), **item})


def cilium_version(cluster: Cluster) -> str:
    """Of the agents' image, such as ``1.20.2``; empty where Cilium is not installed."""
    with cluster.api() as api:
        return version_by(api)


def cluster_config(cluster: Cluster) -> PolicyConfig:
    """The agents' configuration, from ``cilium-config`` and the version of the image. Raises ClusterError on a
    value nobody takes.
    """
    with cluster.api() as api:
        return config_by(api)


def config_by(api: ApiClient) -> PolicyConfig:
    """The same, by a client that is there already."""
    version = Version.of(version_by(api))
    found = get_document(api, "/api/v1/namespaces/kube-system/configmaps/cilium-config")
    try:
        return PolicyConfig.from_config_map((found or {}).get("data") or {}, version=version)
    except ValueError as error:
        raise ClusterError(str(error), where="ConfigMap kube-system/cilium-config") from error


def read_cluster(cluster: Cluster, extra: Iterable[Object] = ()) -> Inventory:
    """The cluster as it is, with more objects on top (which replace those of the same name)."""
    return build_inventory([*cluster_objects(cluster), *extra], cluster_config(cluster))


def _port(flow: flow_pb2.Flow) -> tuple[Protocol, int] | None:
    l4 = flow.l4
    name = l4.WhichOneof("protocol")
    if name in ("TCP", "UDP", "SCTP"):
        return Protocol[name], int(getattr(l4, name).destination_port)
    if name == "ICMPv4":
        return Protocol.ICMP, int(l4.ICMPv4.type)
    if name == "ICMPv6":
        return Protocol.ICMPV6, int(l4.ICMPv6.type)
    return None


def _end(
    endpoint: flow_pb2.Endpoint, ip: str, names: Iterable[str], ports: dict[str, tuple[NamedPort, ...]]
) -> FlowEnd:
    workload = endpoint.workloads[0].name if endpoint.workloads else ""
    return FlowEnd(
        int(endpoint.identity),
        parse_labels(endpoint.labels),
        endpoint.namespace,
        endpoint.pod_name,
        workload,
        ip,
        tuple(names),
        ports.get(f"{endpoint.namespace}/{endpoint.pod_name}", ()),
    )


def flow_record(flow: flow_pb2.Flow, ports: dict[str, tuple[NamedPort, ...]] | None = None) -> FlowRecord | None:
    """A Hubble flow as the engine sees it. ``ports``: named ports by pod.

    None for what policy does not decide: flows without ports, L7 responses, socket events (their address is the
    Service's, before translation), and trace points that do not know which side began.
    """
    where = _port(flow)
    if where is None or not flow.source.labels or not flow.destination.labels:
        return None
    from lab_helpers.hubble.protos import flow_pb2

    if flow.Type == flow_pb2.SOCK or (flow.event_type.type == _TRACE and not flow.HasField("is_reply")):
        return None
    http, query = None, ""
    if flow.HasField("l7"):
        if flow.l7.type == flow_pb2.RESPONSE:
            return None
        if flow.l7.HasField("http"):
            http = _request(flow.l7.http)
        query = flow.l7.dns.query.rstrip(".")
    known = ports or {}
    return FlowRecord(
        _end(flow.source, flow.IP.source, flow.source_names, known),
        _end(flow.destination, flow.IP.destination, flow.destination_names, known),
        *where,
        dropped=flow.verdict in (flow_pb2.DROPPED, flow_pb2.ERROR),
        reply=flow.is_reply.value,
        http=http,
        dns=query,
    )


def _records(flows: Iterable[flow_pb2.Flow], ports: dict[str, tuple[NamedPort, ...]]) -> list[FlowRecord]:
    """Flows as records. What one end let go and the other dropped did not get through: all of it counts as dropped."""
    found: list[tuple[tuple[object, ...], FlowRecord]] = []
    lost: set[tuple[object, ...]] = set()
    for flow in flows:
        record = flow_record(flow, ports)
        if record is None:
            continue
        packet = getattr(flow.l4, record.protocol.name, None)
        key = (record.source.ip, getattr(packet, "source_port", 0), record.target.ip, record.protocol, record.port)
        if record.dropped and record.http is None and not record.dns:
            lost.add(key)
        found.append((key, record))
    return [replace(record, dropped=True) if key in lost else record for key, record in found]


def _request(http: flow_pb2.HTTP) -> HTTPRequest:
    parts = urllib.parse.urlsplit(http.url)
    path = parts.path or "/"
    headers = tuple((header.key, header.value) for header in http.headers)
    return HTTPRequest(http.method, f"{path}?{parts.query}" if parts.query else path, parts.netloc, headers)


def _named_ports(inventory: Inventory | None) -> dict[str, tuple[NamedPort, ...]]:
    members = inventory.members if inventory is not None else ()
    return {f"{member.namespace}/{member.name}": member.endpoint.named_ports for member in members}


def read_flows(cluster: Cluster, *, since: int, inventory: Inventory | None = None) -> list[FlowRecord]:
    """The flows that Hubble saw since a moment (nanoseconds since 1970). Raises ClusterError when Relay does not
    answer.
    """
    from lab_helpers.hubble.errors import CallError

    ports = _named_ports(inventory)
    try:
        with cluster.hubble() as hubble:
            return _records((response.flow for response in hubble.flows(since=since)), ports)
    except (CallError, OSError) as error:
        told = error.details if isinstance(error, CallError) else str(error)
        raise ClusterError(
            f"Hubble Relay does not answer: {told}",
            where=cluster.hubble_address,
            try_="cilium status; or cilium hubble enable, if Relay is not installed",
        ) from error


def flows_of_text(text: str, inventory: Inventory | None = None) -> list[FlowRecord]:
    """Flows as ``hubble observe -o jsonpb`` (or ``-o json``) wrote them. Raises ClusterError with the number of a
    bad record.
    """
    from lab_helpers.hubble import jsonpb
    from lab_helpers.hubble.errors import JsonError
    from lab_helpers.hubble.protos import flow_pb2, observer_pb2

    found, number = [], 0
    try:
        for document in jsonpb.documents(text):
            number += 1
            if '"flow"' in document:
                response = jsonpb.loads(document, observer_pb2.GetFlowsResponse(), discard_unknown=True)
                flow = response.flow
            else:
                flow = jsonpb.loads(document, flow_pb2.Flow(), discard_unknown=True)
            found.append(flow)
    except (JsonError, ValueError) as error:
        raise ClusterError(f"flow {number} cannot be read: {error}", try_="hubble observe -o jsonpb") from error
    return _records(found, _named_ports(inventory))
