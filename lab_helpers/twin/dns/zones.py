"""The cluster's zone, from Services and EndpointSlices (Kubernetes DNS specification 1.1.0; CoreDNS plugin/kubernetes).

``ClusterZone.answer(name, type)`` is a pure function of the registry. Records are (owner, type, value) texts, with the
zone's TTL.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lab_helpers.twin.objects.registry import Registry

__all__ = ["Answer", "ClusterZone", "Record"]

SCHEMA_VERSION = "1.1.0"


class Record(NamedTuple):
    """One resource record; ``name`` and names in ``value`` end with a dot."""

    name: str
    kind: str
    value: str
    ttl: int


class Answer(NamedTuple):
    """What to say. ``code`` is NOERROR or NXDOMAIN; an empty NOERROR is "no such type"."""

    code: str
    records: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()


_NXDOMAIN = Answer("NXDOMAIN")
_NODATA = Answer("NOERROR")


class ClusterZone:
    """Names under ``domain`` (``cluster.local``), and reverse names of Services and endpoints."""

    def __init__(
        self, registry: Registry, domain: str = "cluster.local", ttl: int = 30, *, pods: str = "insecure"
    ) -> None:
        self._registry = registry
        self.domain = domain
        self._ttl = ttl
        self._pods = pods

    def soa(self, serial: int) -> Record:
        """The zone's SOA, for negative answers."""
        zone = f"{self.domain}."
        return Record(zone, "SOA", f"ns.dns.{zone} hostmaster.{zone} {serial} 7200 1800 86400 {self._ttl}", self._ttl)

    def owns(self, name: str) -> bool:
        """Is ``name`` (with its dot) in the zone?"""
        lower = name.lower()
        return lower == f"{self.domain}." or lower.endswith(f".{self.domain}.")

    def answer(self, name: str, kind: str) -> Answer | None:
        """None when the question is not for this zone (reverse names of other addresses included)."""
        lower = name.lower()
        if lower.endswith((".in-addr.arpa.", ".ip6.arpa.")):
            return self._reverse(lower, kind)
        if not self.owns(lower):
            return None
        labels = lower[: -len(self.domain) - 1].rstrip(".").split(".") if lower != f"{self.domain}." else []
        if not labels:
            return Answer("NOERROR", (self._record(name, "NS", f"ns.dns.{self.domain}."),)) if kind == "NS" else _NODATA
        if labels == ["dns-version"]:
            return Answer("NOERROR", (self._record(name, "TXT", f'"{SCHEMA_VERSION}"'),)) if kind == "TXT" else _NODATA
        if labels == ["ns", "dns"]:
            service = self._registry.find("services", "kube-dns", "kube-system")
            address = service["spec"].get("clusterIP", "") if service else ""
            return Answer("NOERROR", (self._record(name, "A", address),)) if kind == "A" and address else _NODATA
        if labels[-1] == "pod":
            return self._pod(name, labels[:-1], kind)
        if labels[-1] != "svc":
            return _NXDOMAIN
        return self._service(name, labels[:-1], kind)

    # --- services ---

    def _service(self, name: str, labels: list[str], kind: str) -> Answer:
        if not labels:
            return _NODATA
        namespace = labels[-1]
        if len(labels) == 1:
            return _NODATA if self._registry.find("namespaces", namespace) else _NXDOMAIN
        service = self._registry.find("services", labels[-2], namespace)
        if service is None:
            return _NXDOMAIN
        spec = service["spec"]
        rest = labels[:-2]
        if spec.get("type") == "ExternalName":
            if rest:
                return _NXDOMAIN
            target = spec.get("externalName", "").rstrip(".") + "."
            return (
                Answer("NOERROR", (self._record(name, "CNAME", target),)) if kind in ("A", "AAAA", "CNAME") else _NODATA
            )
        headless = spec.get("clusterIP") == "None"
        if not rest:
            addresses = (
                [e.address for e in self._endpoints(service)]
                if headless
                else list(spec.get("clusterIPs") or [spec.get("clusterIP")])
            )
            addresses = [address for address in dict.fromkeys(addresses) if address]
            if not addresses:
                return _NXDOMAIN if headless else _NODATA
            if kind == "SRV":
                return self._all_ports(name, service, headless=headless)
            return self._addresses(name, addresses, kind)
        if len(rest) == 2 and rest[0].startswith("_") and rest[1].startswith("_"):
            return self._port(name, service, rest[0][1:], rest[1][1:], kind, headless=headless)
        if len(rest) == 1:
            found = [e.address for e in self._endpoints(service) if rest[0] in (e.hostname, e.dashed)]
            return self._addresses(name, found, kind) if found else _NXDOMAIN
        return _NXDOMAIN

    def _addresses(self, name: str, addresses: list[str], kind: str) -> Answer:
        version = {"A": 4, "AAAA": 6}.get(kind, 0)
        return Answer(
            "NOERROR",
            tuple(self._record(name, kind, a) for a in addresses if ipaddress.ip_address(a).version == version),
        )

    def _endpoints(self, service: Mapping[str, Any]) -> Iterator[_Endpoint]:
        metadata = service["metadata"]
        everything = bool(service["spec"].get("publishNotReadyAddresses"))
        for part in self._registry.list("endpointslices.discovery.k8s.io", metadata["namespace"]):
            if (part["metadata"].get("labels") or {}).get("kubernetes.io/service-name") != metadata["name"]:
                continue
            ports = [
                (port.get("name") or "", port.get("protocol", "TCP"), port.get("port") or 0)
                for port in part.get("ports") or []
            ]
            for endpoint in part.get("endpoints") or []:
                ready = (endpoint.get("conditions") or {}).get("ready", True)
                if ready is False and not everything:
                    continue
                for address in endpoint.get("addresses") or []:
                    yield _Endpoint(address, endpoint.get("hostname") or "", ports)

    def _ports(self, service: Mapping[str, Any], *, headless: bool) -> Iterator[tuple[str, str, int, str, str]]:
        """(name, protocol, port, target host label, address) for SRV records."""
        if headless:
            for endpoint in self._endpoints(service):
                for port_name, protocol, port in endpoint.ports:
                    yield port_name, protocol.lower(), port, endpoint.hostname or endpoint.dashed, endpoint.address
            return
        for one in service["spec"].get("ports") or []:
            yield (
                one.get("name") or "",
                one.get("protocol", "TCP").lower(),
                int(one["port"]),
                "",
                service["spec"]["clusterIP"],
            )

    def _port(
        self, name: str, service: Mapping[str, Any], port: str, protocol: str, kind: str, *, headless: bool
    ) -> Answer:
        chosen = [p for p in self._ports(service, headless=headless) if p[0].lower() == port and p[1] == protocol]
        if not chosen:
            return _NXDOMAIN
        return self._srv(name, service, chosen) if kind == "SRV" else _NODATA

    def _all_ports(self, name: str, service: Mapping[str, Any], *, headless: bool) -> Answer:
        return self._srv(name, service, list(self._ports(service, headless=headless)))

    def _srv(self, name: str, service: Mapping[str, Any], ports: list[tuple[str, str, int, str, str]]) -> Answer:
        base = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc.{self.domain}."
        weight = 100 // max(len(ports), 1) or 1
        records, additional = [], {}
        for _, _, number, host, address in ports:
            target = f"{host}.{base}" if host else base
            records.append(self._record(name, "SRV", f"0 {weight} {number} {target}"))
            additional[target, address] = self._record(target, "A", address)
        return Answer("NOERROR", tuple(records), tuple(additional.values()))

    # --- pods and reverse names ---

    def _pod(self, name: str, labels: list[str], kind: str) -> Answer:
        if not labels:
            return _NODATA
        if len(labels) == 1:
            return _NODATA if self._registry.find("namespaces", labels[0]) else _NXDOMAIN
        if len(labels) != 2 or self._pods == "disabled":
            return _NXDOMAIN
        try:
            address = str(ipaddress.ip_address(labels[0].replace("-", ".")))
        except ValueError:
            return _NXDOMAIN
        if self._registry.find("namespaces", labels[1]) is None:
            return _NXDOMAIN
        if self._pods == "verified":
            addresses = {(pod.get("status") or {}).get("podIP") for pod in self._registry.list("pods", labels[1])}
            if address not in addresses:
                return _NXDOMAIN
        return self._addresses(name, [address], kind)

    def _reverse(self, name: str, kind: str) -> Answer | None:
        if not name.endswith(".in-addr.arpa."):
            return None
        address = ".".join(reversed(name.removesuffix(".in-addr.arpa.").split(".")))
        targets = []
        for service in self._registry.list("services"):
            metadata, spec = service["metadata"], service["spec"]
            base = f"{metadata['name']}.{metadata['namespace']}.svc.{self.domain}."
            if address in (spec.get("clusterIPs") or [spec.get("clusterIP")]):
                targets = [base]
                break
            if spec.get("clusterIP") == "None" or any(e.hostname for e in self._endpoints(service)):
                targets += [
                    f"{e.hostname or e.dashed}.{base}" for e in self._endpoints(service) if e.address == address
                ]
        if not targets:
            return None
        return (
            Answer("NOERROR", tuple(self._record(name, "PTR", target) for target in dict.fromkeys(targets)))
            if kind == "PTR"
            else _NODATA
        )

    def _record(self, name: str, kind: str, value: str) -> Record:
        return Record(name, kind, value, self._ttl)


class _Endpoint(NamedTuple):
    address: str
    hostname: str
    ports: list[tuple[str, str, int]]

    @property
    def dashed(self) -> str:
        """The host label CoreDNS makes for an endpoint without a host name."""
        return self.address.replace(".", "-").replace(":", "-")
