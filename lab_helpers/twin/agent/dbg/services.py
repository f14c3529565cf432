"""``cilium-dbg service list`` and ``cilium-dbg bpf lb list`` (service_list.go, bpf_lb_list.go)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from lab_helpers.twin.agent.dbg.sessions import OUTPUT, Arguments, Command, Session, table
from lab_helpers.twin.datapath.services import Frontend, FrontendType

__all__ = ["COMMANDS", "BalancerMaps", "balancer_maps", "frontends", "lb_rows"]


def frontends(session: Session) -> Iterator[tuple[str, Frontend]]:
    """(address, frontend) as this node's tables have them: a NodePort once for every address of the node and for
    0.0.0.0.
    """
    tables = session.agent.tables
    kpr = session.agent.settings.kube_proxy_replacement
    for frontend in tables.services or ():
        if not kpr and frontend.type is not FrontendType.CLUSTER_IP:
            continue
        if frontend.node and frontend.node != tables.name:
            continue
        ips = ("0.0.0.0", tables.ip) if frontend.key.ip == "*" else (frontend.key.ip,)
        for ip in ips:
            yield f"{ip}:{frontend.key.port}/{frontend.key.protocol.text}", frontend


async def _list(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    found = list(frontends(session))
    if arguments.value("output"):
        models: list[dict[str, Any]] = [
            {
                "spec": {
                    "backend-addresses": [
                        {
                            "ip": b.ip,
                            "nodeName": b.node,
                            "port": b.port,
                            "protocol": f.key.protocol.text,
                            "state": b.state,
                        }
                        for b in f.backends
                    ],
                    "flags": {"name": f.name, "namespace": f.namespace, "type": f.type.value},
                    "frontend-address": {
                        "ip": address.rpartition(":")[0],
                        "port": f.key.port,
                        "protocol": f.key.protocol.text,
                        "scope": "external",
                    },
                    "id": f.id,
                }
            }
            for address, f in found
        ]
        await session.data(models, arguments.value("output"))
        return 0
    rows: list[tuple[object, ...]] = [("ID", "Frontend", "Service Type", "Backend")]
    for address, frontend in found:
        cells = [
            f"{number} => {backend.ip}:{backend.port}/{frontend.key.protocol.text} ({backend.state})"
            for number, backend in enumerate(frontend.backends, 1)
        ] or [""]
        rows.append((frontend.id, address, frontend.type, cells[0]))
        rows += [("", "", "", cell) for cell in cells[1:]]
    await session.out(table(rows))
    return 0


def lb_rows(session: Session) -> list[tuple[object, ...]]:
    """The rows of the load-balancer map."""
    rows: list[tuple[object, ...]] = [("SERVICE ADDRESS", "BACKEND ADDRESS (REVNAT_ID) (SLOT)")]
    for address, frontend in frontends(session):
        kind = f"{frontend.type}, non-routable" if frontend.type is FrontendType.CLUSTER_IP else str(frontend.type)
        flags = ", sessionAffinity" if frontend.affinity else ""
        rows.append((f"{address} (0)", f"0.0.0.0:0 ({frontend.id}) (0) [{kind}{flags}]"))
        rows += [
            (
                f"{address} ({slot})",
                f"{backend.ip}:{backend.port}/{frontend.key.protocol.text} ({frontend.id}) ({slot})",
            )
            for slot, backend in enumerate(frontend.backends, 1)
        ]
    return rows


class BalancerMaps(NamedTuple):
    """Keys and values of the load balancer's maps, as the agent writes them."""

    services: dict[str, str]
    backends: dict[str, str]
    reverse: dict[str, str]
    affinity: dict[str, str]


def balancer_maps(session: Session) -> BalancerMaps:
    """What this node's maps hold now."""
    maps = BalancerMaps({}, {}, {}, {})
    for address, frontend in frontends(session):
        plain, protocol = address.partition("/")[0], frontend.key.protocol.text
        maps.services[f"{plain}/{protocol} (0)"] = f"0 {len(frontend.backends)} ({frontend.id})"
        maps.reverse[str(frontend.id)] = plain
        for slot, backend in enumerate(frontend.backends, 1):
            maps.services[f"{plain}/{protocol} ({slot})"] = f"{backend.id} 0 ({frontend.id})"
            maps.backends[str(backend.id)] = f"{protocol.upper()}://{backend.ip}:{backend.port}"
            if frontend.affinity:
                maps.affinity[f"{frontend.id} {backend.id}"] = "0"
    return maps


COMMANDS = (
    Command(
        ("service", "list"), "List services", _list, OUTPUT, {"--clustermesh-affinity": "affinity"}
    ),  # no mesh here
)
