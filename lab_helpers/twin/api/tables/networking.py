"""Rows of Services, Endpoints, EndpointSlices, Ingresses and NetworkPolicies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lab_helpers.twin.api.tables.columns import Cells, Printer, columns
from lab_helpers.twin.api.tables.formatting import (
    age,
    joined,
    label_selector_text,
    labels_text,
    load_balancer_text,
    more,
)

__all__ = ["NETWORKING"]

Item = Mapping[str, Any]


def _since(item: Item, now: datetime) -> str:
    return age(item["metadata"].get("creationTimestamp"), now)


def _external(item: Item, spec: Item) -> str:
    addresses = list(spec.get("externalIPs") or ())
    match spec.get("type", "ClusterIP"):
        case "ExternalName":
            return str(spec.get("externalName", ""))
        case "LoadBalancer":
            given = load_balancer_text(item.get("status"))
            return joined([*filter(None, [given]), *addresses], "<pending>")
        case _:
            return joined(addresses)


def _ports(spec: Item) -> str:
    return joined(
        f"{port['port']}:{port['nodePort']}/{port.get('protocol', 'TCP')}"
        if port.get("nodePort")
        else f"{port['port']}/{port.get('protocol', 'TCP')}"
        for port in spec.get("ports") or ()
    )


def _service(item: Item, now: datetime) -> Cells:
    spec = item.get("spec") or {}
    addresses = spec.get("clusterIPs") or [spec.get("clusterIP") or "<none>"]
    return [
        item["metadata"]["name"],
        spec.get("type", "ClusterIP"),
        addresses[0] or "<none>",
        _external(item, spec),
        _ports(spec),
        _since(item, now),
        labels_text(spec.get("selector")),
    ]


def _endpoints(item: Item, now: datetime) -> Cells:
    pairs: list[str] = []
    for subset in item.get("subsets") or ():
        addresses = [address["ip"] for address in subset.get("addresses") or ()]
        ports = subset.get("ports") or ()
        if ports:
            pairs += [f"{address}:{port['port']}" for port in ports for address in addresses]
        else:
            pairs += addresses
    return [item["metadata"]["name"], more(pairs, nothing="<none>"), _since(item, now)]


def _endpoint_slice(item: Item, now: datetime) -> Cells:
    ports = []
    for port in item.get("ports") or ():
        number = port.get("port")
        ports.append(str(number) if number is not None else port.get("name") or "*")
    addresses = [a for endpoint in item.get("endpoints") or () for a in endpoint.get("addresses") or ()]
    return [item["metadata"]["name"], item.get("addressType", ""), more(ports), more(addresses), _since(item, now)]


def _ingress(item: Item, now: datetime) -> Cells:
    spec = item.get("spec") or {}
    hosts = [rule["host"] for rule in spec.get("rules") or () if rule.get("host")]
    return [
        item["metadata"]["name"],
        spec.get("ingressClassName") or "<none>",
        more(hosts, nothing="*"),
        load_balancer_text(item.get("status")),
        "80, 443" if spec.get("tls") else "80",
        _since(item, now),
    ]


def _ingress_class(item: Item, now: datetime) -> Cells:
    spec = item.get("spec") or {}
    parameters = spec.get("parameters")
    text = "<none>"
    if parameters:
        text = parameters["kind"]
        if parameters.get("apiGroup"):
            text += f".{parameters['apiGroup']}"
        text += f"/{parameters['name']}"
    return [item["metadata"]["name"], spec.get("controller", ""), text, _since(item, now)]


def _network_policy(item: Item, now: datetime) -> Cells:
    spec = item.get("spec") or {}
    return [item["metadata"]["name"], label_selector_text(spec.get("podSelector")), _since(item, now)]


NETWORKING: Mapping[str, Printer] = {
    "services": Printer(columns("Name Type Cluster-IP External-IP Port(s) Age | Selector"), _service),
    "endpoints": Printer(columns("Name Endpoints Age"), _endpoints),
    "endpointslices.discovery.k8s.io": Printer(columns("Name AddressType Ports Endpoints Age"), _endpoint_slice),
    "ingresses.networking.k8s.io": Printer(columns("Name Class Hosts Address Ports Age"), _ingress),
    "ingressclasses.networking.k8s.io": Printer(columns("Name Controller Parameters Age"), _ingress_class),
    "networkpolicies.networking.k8s.io": Printer(columns("Name Pod-Selector Age"), _network_policy),
}
