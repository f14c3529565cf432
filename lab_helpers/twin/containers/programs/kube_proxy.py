"""kube-proxy in iptables mode: Services and EndpointSlices become rules of its node (Kubernetes pkg/proxy/iptables).

It writes within a second of a change, and again when it finds its chains gone (it looks every ``iptables.syncPeriod``,
30 s). When it ends, its rules stay: ``kube-proxy --cleanup`` removes them.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from lab_helpers.twin.containers.http.serving import serve
from lab_helpers.twin.datapath.netfilter import Netfilter
from lab_helpers.twin.interfaces import Process, Program
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Change

__all__ = ["kube_proxy", "rules_of"]

SLICES: Final = "endpointslices.discovery.k8s.io"
CANARY: Final = "KUBE-PROXY-CANARY"
TABLES: Final = ("mangle", "filter", "nat")
_MASQUERADE: Final = (
    "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000",
    "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
    "-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0",
    '-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully',
)
_PORTALS: Final = '-m comment --comment "kubernetes service portals" -j KUBE-SERVICES'
_NAT: Final = ("KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ", CANARY)
_LOOK: Final = 1.0
_SYNC: Final = 30


class _Port(NamedTuple):
    """One port of a Service with its ready endpoints ("ip:port"); ``name`` is ``namespace/service:port``."""

    name: str
    ip: str
    protocol: str
    number: int
    node_port: int
    endpoints: tuple[str, ...]


def _chain(prefix: str, *parts: str) -> str:
    """``KUBE-SVC-…``: the first 16 letters of the base32 of a SHA-256."""
    return f"{prefix}-{base64.b32encode(hashlib.sha256(''.join(parts).encode()).digest()).decode()[:16]}"


def _ports(services: Iterable[dict[str, Any]], slices: Iterable[dict[str, Any]]) -> Iterator[_Port]:
    by_service: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for item in slices:
        owner = (item["metadata"].get("labels") or {}).get("kubernetes.io/service-name", "")
        by_service.setdefault((item["metadata"]["namespace"], owner), []).append(item)
    for service in services:
        key, spec = (service["metadata"]["namespace"], service["metadata"]["name"]), service.get("spec") or {}
        if spec.get("clusterIP") in (None, "", "None") or spec.get("type") == "ExternalName":
            continue
        for port in spec.get("ports") or ():
            name, protocol = str(port.get("name") or ""), str(port.get("protocol") or "TCP").lower()
            endpoints = sorted(
                f"{address}:{entry['port']}"
                for item in by_service.get(key, ())
                for entry in item.get("ports") or ()
                if (entry.get("name") or "") == name and str(entry.get("protocol") or "TCP").lower() == protocol
                for endpoint in item.get("endpoints") or ()
                if (endpoint.get("conditions") or {}).get("ready") is not False
                for address in endpoint.get("addresses") or ()
            )
            shown = f"{key[0]}/{key[1]}" + (f":{name}" if name else "")
            node_port = int(port.get("nodePort") or 0) if spec.get("type") in ("NodePort", "LoadBalancer") else 0
            yield _Port(shown, spec["clusterIP"], protocol, int(port["port"]), node_port, tuple(endpoints))


def rules_of(services: Iterable[dict[str, Any]], slices: Iterable[dict[str, Any]], cluster_cidr: str) -> str:
    """All of kube-proxy's chains and rules, as input of ``iptables-restore --noflush``."""
    chains, nat, portals, nodes, rejected = list(_NAT), list(_MASQUERADE), [], [], []
    for port in sorted(_ports(services, slices)):
        base = f"-p {port.protocol} -m comment --comment"
        match = f"-m {port.protocol} --dport {port.number}"
        if not port.endpoints:
            reject = "-j REJECT --reject-with icmp-port-unreachable"
            rejected.append(f'-A KUBE-SERVICES -d {port.ip}/32 {base} "{port.name} has no endpoints" {match} {reject}')
            continue
        service = _chain("KUBE-SVC", port.name, port.protocol)
        portal = f'{base} "{port.name} cluster IP" {match}'
        portals.append(f"-A KUBE-SERVICES -d {port.ip}/32 {portal} -j {service}")
        chains.append(service)
        if cluster_cidr:
            nat.append(f"-A {service} ! -s {cluster_cidr} -d {port.ip}/32 {portal} -j KUBE-MARK-MASQ")
        if port.node_port:
            external = _chain("KUBE-EXT", port.name, port.protocol)
            chains.append(external)
            nat.append(
                f'-A {external} -m comment --comment "masquerade traffic for {port.name} external destinations"'
                " -j KUBE-MARK-MASQ"
            )
            nat.append(f"-A {external} -j {service}")
            nodes.append(
                f'-A KUBE-NODEPORTS {base} "{port.name}" -m {port.protocol} --dport {port.node_port} -j {external}'
            )
        nat.extend(_backends(port, service, chains))
    last = '-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in'
    portals.append(f'{last} this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS')
    top = [f"-A PREROUTING {_PORTALS}", f"-A OUTPUT {_PORTALS}"]
    top.append('-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING')
    declared = [f":{name} - [0:0]" for name in dict.fromkeys(chains)]
    first = "-m conntrack --ctstate NEW"
    return "\n".join((
        "*mangle", f":{CANARY} - [0:0]", "COMMIT",
        "*filter", ":KUBE-SERVICES - [0:0]", f":{CANARY} - [0:0]",
        *(f'-A {chain} {first} {_PORTALS}' for chain in ("FORWARD", "OUTPUT")), *rejected, "COMMIT",
        "*nat", *declared, *top, *portals, *nodes, *nat, "COMMIT", "",
    ))  # fmt: skip


def _backends(port: _Port, service: str, chains: list[str]) -> Iterator[str]:
    comment = "-m comment --comment"
    for index, endpoint in enumerate(port.endpoints):
        one = _chain("KUBE-SEP", port.name, port.protocol, endpoint)
        chains.append(one)
        left = len(port.endpoints) - index
        chance = f"-m statistic --mode random --probability {1 / left:.11f} " if left > 1 else ""
        yield f'-A {service} {comment} "{port.name} -> {endpoint}" {chance}-j {one}'
        yield f'-A {one} -s {endpoint.partition(":")[0]}/32 {comment} "{port.name}" -j KUBE-MARK-MASQ'
        yield (
            f'-A {one} -p {port.protocol} {comment} "{port.name}" -m {port.protocol}'
            f" -j DNAT --to-destination {endpoint}"
        )


def without_kube_proxy(lines: Iterable[str]) -> str:
    """What is left of ``iptables-save`` without chains and rules named KUBE."""
    return "".join(f"{line}\n" for line in lines if "KUBE-" not in line)


class _Changes:
    """Counts what happens to Services and EndpointSlices."""

    def __init__(self, registry: Registry) -> None:
        self.count = 0
        registry.listen(self._note)

    def _note(self, change: Change) -> None:
        self.count += change.key.resource in ("services", SLICES)


def kube_proxy(registry: Registry, netfilter: Callable[[str], Netfilter]) -> Program:
    """The program; ``netfilter`` has the tables of a node by its name."""
    changes: list[_Changes] = []

    async def run(process: Process) -> int:
        if not changes:
            changes.append(_Changes(registry))
        try:
            settings = _settings(process)
        except (OSError, ValueError) as error:
            return await _fail(process, f'"command failed" err="{error}"')
        tables = netfilter(process.node)
        if "--cleanup" in process.argv:
            for table in TABLES:
                tables.restore(without_kube_proxy(tables.save(table)))
            return 0
        if not _privileged(process):
            return await _fail(process, '"Error running ProxyServer" err="iptables is not available on this host"')
        await _log(process, '"Using iptables Proxier"')
        page = b'{"status":"Healthy"}'
        process.network.listen(10256, serve(process.clock, {"/healthz": page, "/livez": page}))
        process.ready()
        await _keep(process, registry, tables, changes[0], settings)
        return 0

    return run


async def _keep(process: Process, registry: Registry, tables: Netfilter, changes: _Changes, cidr: str) -> None:
    """Write when something changed, so that the counters of what stays go on; look for the canary now and then."""
    seen, written, waited = -1, "", 0
    while True:
        gone = waited >= _SYNC and CANARY not in tables.chains("nat")
        if gone:
            await _log(process, '"iptables canary deleted, reloading" table="nat" chain="KUBE-PROXY-CANARY"')
            written = ""
        if gone or seen != changes.count:
            seen = changes.count
            text = rules_of(registry.list("services"), registry.list(SLICES), cidr)
            if text != written:
                tables.restore("".join(without_kube_proxy(tables.save(table)) for table in TABLES))
                tables.restore(text, flush=False)
                written = text
        waited = 0 if waited >= _SYNC else waited + 1
        await process.clock.sleep(_LOOK)


def _settings(process: Process) -> str:
    """The cluster's pod range (``clusterCIDR``). Raises OSError, or ValueError for a mode that is not played."""
    options = dict(word.lstrip("-").partition("=")[::2] for word in process.argv[1:])
    mode, cidr = options.get("proxy-mode", ""), options.get("cluster-cidr", "")
    if "config" in options:
        from ruamel.yaml import YAML

        read = YAML(typ="safe", pure=True).load(process.read_file(options["config"]).decode())
        config = read if isinstance(read, dict) else {}
        mode, cidr = str(config.get("mode") or mode), str(config.get("clusterCIDR") or cidr)
    if mode not in ("", "iptables"):
        raise ValueError(f"proxy mode {mode!r} is not played by the embedded cluster, only iptables")
    return cidr


def _privileged(process: Process) -> bool:
    spec = process.pod["spec"]
    own: dict[str, Any] = next((item for item in spec["containers"] if item["name"] == process.container), {})
    return bool(spec.get("hostNetwork") and (own.get("securityContext") or {}).get("privileged"))


async def _log(process: Process, text: str, level: str = "I") -> None:
    await process.err(f"{level}{process.clock.now():%m%d %H:%M:%S.%f}       1 server_linux.go:1] {text}\n")


async def _fail(process: Process, text: str) -> int:
    await _log(process, text, "E")
    return 1
