"""``cilium-dbg node list``, ``ip list`` and ``ip get`` (cilium-dbg/cmd/node_list.go, ip_list.go, ip_get.go)."""

from __future__ import annotations

import ipaddress
from typing import Any, NamedTuple

from lab_helpers.twin.agent.dbg.sessions import OUTPUT, Arguments, Command, CommandError, Session, table
from lab_helpers.twin.agent.publishing import NODES

__all__ = ["COMMANDS", "node_models", "other_pod_cidrs"]


class _Entry(NamedTuple):
    """One line of the ipcache the agent keeps."""

    prefix: str
    identity: int
    source: str
    host: str
    namespace: str
    pod: str


def _spec(obj: dict[str, Any]) -> dict[str, Any]:
    return dict(obj.get("spec") or {})


def other_pod_cidrs(session: Session) -> list[tuple[str, str]]:
    """(pod CIDR, address of the node) of the other nodes, by address."""
    found = []
    for obj in session.agent.registry.list(NODES):
        spec = _spec(obj)
        ip = next((a["ip"] for a in spec.get("addresses") or () if a.get("type") == "InternalIP"), "")
        if ip and ip != session.agent.tables.ip:
            found += [(cidr, ip) for cidr in (spec.get("ipam") or {}).get("podCIDRs") or ()]
    return sorted(found, key=lambda row: ipaddress.ip_network(row[0]))


def node_models(session: Session) -> list[dict[str, Any]]:
    """The nodes of the cluster as the agent's REST API has them (NodeElement), by name."""
    agent = session.agent
    models: list[dict[str, Any]] = []
    for obj in agent.registry.list(NODES):
        name, spec = obj["metadata"]["name"], _spec(obj)
        addresses = {entry.get("type"): entry.get("ip", "") for entry in spec.get("addresses") or ()}
        cidrs = (spec.get("ipam") or {}).get("podCIDRs") or [""]
        cluster = agent.settings.cluster_name
        health = (spec.get("health") or {}).get("ipv4", "")
        models.append(
            {
                "health-endpoint-address": {"ipv4": {"enabled": bool(health), "ip": health}, "ipv6": {}},
                "name": name if cluster == "default" else f"{cluster}/{name}",
                "primary-address": {
                    "ipv4": {
                        "address-type": "InternalIP",
                        "alloc-range": cidrs[0],
                        "enabled": True,
                        "ip": addresses.get("InternalIP", ""),
                    },
                    "ipv6": {},
                },
                "secondary-addresses": [
                    {"address-type": kind, "ip": ip} for kind, ip in addresses.items() if kind != "InternalIP"
                ],
                "source": "local" if name == agent.node else "custom-resource",
            }
        )
    return sorted(models, key=lambda model: str(model["name"]))


async def _nodes(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    models = node_models(session)
    if arguments.value("output"):
        await session.data(models, arguments.value("output"))
        return 0
    rows: list[tuple[object, ...]] = [
        ("Name", "IPv4 Address", "Endpoint CIDR", "IPv6 Address", "Endpoint CIDR", "Source")
    ]
    for model in models:
        first = model["primary-address"]["ipv4"]
        rows.append((model["name"], first["ip"], first["alloc-range"], "", "", model["source"]))
    await session.out(table(rows, minimum=0, closed=False))
    return 0


def _entries(session: Session) -> list[_Entry]:
    tables = session.agent.tables
    known = [_Entry("0.0.0.0/0", tables.ipcache.world.identity, "local", "", "", "")]
    for prefix, entry in tables.ipcache:
        address = prefix.removesuffix("/32")
        if entry.pod:
            source, host = "custom-resource", entry.tunnel or tables.ip
        elif entry.identity >= 1 << 24:
            source, host = "generated", ""
        else:
            own = address in (tables.ip, tables.router_ip, session.agent.health_ip)
            source, host = ("local" if own else "custom-resource"), entry.tunnel
        known.append(_Entry(prefix, entry.identity, source, host, entry.namespace, entry.pod))
    return sorted(known, key=lambda entry: ipaddress.ip_network(entry.prefix))


async def _show(session: Session, arguments: Arguments, entries: list[_Entry]) -> int:
    if arguments.value("output"):
        models = [
            {
                "cidr": entry.prefix,
                "encryptKey": 0,
                "hostIP": entry.host,
                "identity": entry.identity,
                "metadata": {"name": entry.pod, "namespace": entry.namespace, "source": entry.source},
            }
            for entry in entries
        ]
        await session.data(models, arguments.value("output"))
        return 0
    numeric, verbose = "numeric" in arguments.switches, "verbose" in arguments.switches
    rows: list[tuple[object, ...]] = [("IP", "IDENTITY", "SOURCE", *(("HOST", "ENCRYPT_KEY") if verbose else ()))]
    for entry in entries:
        labels = () if numeric else session.agent.labels_of(entry.identity)
        labels = labels or (str(entry.identity),)
        rows.append((entry.prefix, labels[0], entry.source, *((entry.host, 0) if verbose else ())))
        rows += [("", label, "") for label in labels[1:]]
    await session.out(table(rows, closed=False))
    return 0


async def _ips(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    return await _show(session, arguments, _entries(session))


async def _ip(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    wanted = {label for text in arguments.values.get("labels", []) for label in text.split(",")}
    words = arguments.words
    if wanted and words:
        raise CommandError("Error: Cannot provide both cidr and labels arguments concurrently")
    if not wanted and not words:
        raise CommandError("Error: Missing cidr argument")
    if words:
        try:
            cidr = str(ipaddress.ip_interface(words[0] if "/" in words[0] else "").network)
        except ValueError as error:
            why = f"invalid CIDR address: {words[0]}"
            raise CommandError(f'Error: Unable to parse CIDR "{words[0]}": {why}') from error
        found = [entry for entry in _entries(session) if entry.prefix == cidr]
    else:
        known = session.agent.labels_of
        found = [entry for entry in _entries(session) if wanted <= set(known(entry.identity))]
        rule = "=" * 27
        await session.out("\n".join([rule, "Labels:", *(f"    {label}" for label in sorted(wanted)), rule]))
    if not found:
        raise CommandError("Error: Cannot get ipcache entries. err: [GET /ip][404] getIpNotFound")
    if words or arguments.value("output") or "verbose" in arguments.switches:
        return await _show(session, arguments, found)
    rows: list[tuple[object, ...]] = [("IP", "HOST", "IDENTITY", "POD", "NAMESPACE")]
    rows += [(entry.prefix, entry.host, entry.identity, entry.pod, entry.namespace) for entry in found]
    await session.out(table(rows, closed=False))
    return 0


_SWITCHES = {"-n": "numeric", "--numeric": "numeric", "-v": "verbose", "--verbose": "verbose"}
COMMANDS = (
    Command(("node", "list"), "List nodes", _nodes, OUTPUT),
    Command(("ip", "list"), "List IP addresses in the userspace IPcache", _ips, OUTPUT, _SWITCHES),
    Command(
        ("ip", "get"),
        "Display IP Cache information",
        _ip,
        {**OUTPUT, "-l": "labels", "--labels": "labels"},
        {"-v": "verbose", "--verbose": "verbose"},
        arguments=(0, 1),
        usage="( <cidr> |-l <identity labels> )",
    ),
)
