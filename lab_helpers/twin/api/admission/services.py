"""Services.

Addresses and node ports, and validation (Kubernetes pkg/registry/core/service, pkg/apis/core/validation).
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from lab_helpers.twin.api.admission.names import check_labels, dns_label, dns_subdomain, port_name
from lab_helpers.twin.api.admission.problems import Problems
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Object

__all__ = ["ServiceAddresses", "check_service"]

Item = Mapping[str, Any]
RANGE = ipaddress.ip_network("10.96.0.0/16")
PORTS = range(30000, 32768)
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PORT_RANGE = "must be between 1 and 65535, inclusive"


class ServiceAddresses:
    """Hands out ClusterIPs and node ports.

    What is given depends on the name, so that a lab looks the same every time.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def allocate(self, item: Object, old: Object | None, problems: Problems) -> None:
        """Fill in ``clusterIP``, IP families and node ports, or say why not."""
        spec = item["spec"]
        others = [s for s in self._registry.list("services") if s["metadata"]["uid"] != item["metadata"]["uid"]]
        if old is not None:
            self._carry(spec, old["spec"], problems)
        if spec["type"] == "ExternalName":
            for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                spec.pop(name, None)
        else:
            self._address(item, others, problems)
        if spec["type"] in ("NodePort", "LoadBalancer"):
            self._ports(item, others, problems)
        elif old is not None:
            for port in spec.get("ports") or ():
                port.pop("nodePort", None)

    def _carry(self, spec: Object, before: Object, problems: Problems) -> None:
        """An update keeps the addresses that it does not mention."""
        if spec["type"] != "ExternalName" and before.get("type") != "ExternalName":
            if not spec.get("clusterIP") and before.get("clusterIP"):
                spec["clusterIP"] = before["clusterIP"]
                spec["clusterIPs"] = list(before.get("clusterIPs") or [before["clusterIP"]])
            elif spec.get("clusterIP") != before.get("clusterIP") and before.get("clusterIP"):
                problems.invalid("spec.clusterIPs[0]", [spec.get("clusterIP")], "may not change once set")
        known = {(p.get("port"), p.get("protocol")): p.get("nodePort") for p in before.get("ports") or ()}
        if spec["type"] in ("NodePort", "LoadBalancer"):
            for port in spec.get("ports") or ():
                kept = known.get((port.get("port"), port.get("protocol")))
                if not port.get("nodePort") and kept:
                    port["nodePort"] = kept
        if spec["type"] == "ClusterIP" and before.get("type") != "ClusterIP":
            spec.pop("externalTrafficPolicy", None)
            spec.pop("allocateLoadBalancerNodePorts", None)

    def _address(self, item: Object, others: list[Object], problems: Problems) -> None:
        spec = item["spec"]
        wanted = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or ()), "")
        used = {address for s in others for address in s["spec"].get("clusterIPs") or [s["spec"].get("clusterIP")]}
        if not wanted:
            metadata = item["metadata"]
            wanted = _pick_address(f"{metadata.get('namespace')}/{metadata['name']}", used)
        elif wanted != "None":
            why = _refusal(wanted, used)
            if why:
                problems.invalid("spec.clusterIPs", [wanted], f"failed to allocate IP {wanted}: {why}")
        spec["clusterIP"], spec["clusterIPs"] = wanted, [wanted]
        spec.setdefault("ipFamilies", ["IPv4"])
        headless = wanted == "None" and not spec.get("selector")
        spec.setdefault("ipFamilyPolicy", "RequireDualStack" if headless else "SingleStack")

    def _ports(self, item: Object, others: list[Object], problems: Problems) -> None:
        used = {p["nodePort"] for s in others for p in s["spec"].get("ports") or () if p.get("nodePort")}
        metadata = item["metadata"]
        for position, port in enumerate(item["spec"].get("ports") or ()):
            field = f"spec.ports[{position}].nodePort"
            wanted = port.get("nodePort")
            if not wanted:
                seed = f"{metadata.get('namespace')}/{metadata['name']}/{port.get('port')}/{port.get('protocol')}"
                wanted = next(p for p in _from(seed, len(PORTS)) if PORTS[p] not in used)
                port["nodePort"] = PORTS[wanted]
            elif wanted not in PORTS:
                why = "provided port is not in the valid range. The range of valid ports is 30000-32767"
                problems.invalid(field, wanted, why)
            elif wanted in used:
                problems.invalid(field, wanted, "provided port is already allocated")
            used.add(port["nodePort"])


def _pick_address(seed: str, used: set[str]) -> str:
    free = (str(RANGE[256 + offset]) for offset in _from(seed, RANGE.num_addresses - 257))
    return next(address for address in free if address not in used)


def _refusal(wanted: str, used: set[str]) -> str:
    try:
        address = ipaddress.ip_address(wanted)
    except ValueError:
        return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
    if address not in RANGE:
        return f"the provided IP ({wanted}) is not in the valid range. The range of valid IPs is {RANGE}"
    return "provided IP is already allocated" if wanted in used else ""


def _from(seed: str, size: int) -> Iterable[int]:
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big") % size
    return ((start + step) % size for step in range(size))


def check_service(item: Item, problems: Problems) -> None:
    """Type, ports, selector, external name."""
    spec = item["spec"]
    kind, ports = spec.get("type"), spec.get("ports") or ()
    if kind not in _TYPES:
        problems.unsupported("spec.type", kind, _TYPES)
    if kind == "ExternalName":
        name = spec.get("externalName", "").rstrip(".")
        if not name:
            problems.required("spec.externalName")
        for why in dns_subdomain(name) if name else ():
            problems.invalid("spec.externalName", name, why)
    elif not ports and spec.get("clusterIP") != "None":
        problems.required("spec.ports")
    if kind == "LoadBalancer" and spec.get("clusterIP") == "None":
        problems.invalid("spec.clusterIPs[0]", "None", "may not be set to 'None' for LoadBalancer services")
    check_labels(spec.get("selector") or {}, "spec.selector", problems)
    for name, supported in (
        ("sessionAffinity", ("ClientIP", "None")),
        ("internalTrafficPolicy", ("Cluster", "Local")),
        ("externalTrafficPolicy", ("Cluster", "Local")),
    ):
        if spec.get(name) is not None and spec[name] not in supported:
            problems.unsupported(f"spec.{name}", spec[name], supported)
    if spec.get("externalTrafficPolicy") and kind == "ClusterIP" and not spec.get("externalIPs"):
        why = "may only be set for externally-accessible services"
        problems.invalid("spec.externalTrafficPolicy", spec["externalTrafficPolicy"], why)
    _check_ports(ports, problems)


def _check_ports(ports: Iterable[Item], problems: Problems) -> None:
    names: set[str] = set()
    pairs: set[tuple[Any, Any]] = set()
    listed = list(ports)
    for position, port in enumerate(listed):
        field = f"spec.ports[{position}]"
        name = port.get("name", "")
        if not name and len(listed) > 1:
            problems.required(f"{field}.name")
        elif name:
            for why in dns_label(name):
                problems.invalid(f"{field}.name", name, why)
            if name in names:
                problems.duplicate(f"{field}.name", name)
            names.add(name)
        number = port.get("port", 0)
        if not 1 <= number <= 65535:
            problems.invalid(f"{field}.port", number, _PORT_RANGE)
        if port.get("protocol") not in ("SCTP", "TCP", "UDP"):
            problems.unsupported(f"{field}.protocol", port.get("protocol"), ("SCTP", "TCP", "UDP"))
        target = port.get("targetPort")
        if isinstance(target, int) and not 1 <= target <= 65535 and target != number:
            problems.invalid(f"{field}.targetPort", target, _PORT_RANGE)
        elif isinstance(target, str):
            for why in port_name(target):
                problems.invalid(f"{field}.targetPort", target, why)
        pair = (port.get("protocol"), number)
        if pair in pairs:
            problems.duplicate(field, dict(port))
        pairs.add(pair)
