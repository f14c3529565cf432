"""``cilium-dbg map list`` and ``map get``: the agent's open maps and its copies of their content (map_list.go,
map_get.go).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lab_helpers.twin.agent.dbg.bpf import endpoint_entries, ipcache_entries, policy_map_name, policy_rows
from lab_helpers.twin.agent.dbg.endpoints import ordered
from lab_helpers.twin.agent.dbg.services import balancer_maps
from lab_helpers.twin.agent.dbg.sessions import OUTPUT, Arguments, Command, CommandError, Session, table

__all__ = ["COMMANDS"]


class _Map(NamedTuple):
    """``entries`` (key, value); None: the agent keeps no copy of this map."""

    name: str
    entries: tuple[tuple[str, str], ...] | None


def _balancing(session: Session) -> list[_Map]:
    maps = balancer_maps(session)
    return [
        _Map("cilium_lb4_affinity", None),
        _Map("cilium_lb4_backends_v3", tuple(maps.backends.items())),
        _Map("cilium_lb4_reverse_nat", tuple(maps.reverse.items())),
        _Map("cilium_lb4_services_v2", tuple(maps.services.items())),
        _Map("cilium_lb_affinity_match", tuple(maps.affinity.items())),
    ]


def _maps(session: Session) -> list[_Map]:
    agent = session.agent
    found = [
        _Map("cilium_ct4_global", None),
        _Map("cilium_ct_any4_global", None),
        _Map("cilium_ipcache_v2", tuple(ipcache_entries(session))),
        _Map("cilium_lxc", tuple(endpoint_entries(session))),
        _Map("cilium_metrics", None),
        _Map("cilium_policystats", None),
        *_balancing(session),
    ]
    if agent.settings.kube_proxy_replacement or agent.settings.bpf_masquerade:
        found.append(_Map("cilium_snat_v4_external", None))
    for endpoint in ordered(agent):
        entries = tuple(policy_rows(session, endpoint))
        found.append(_Map(policy_map_name(agent, endpoint), entries))
    return sorted(found)


def _model(found: _Map) -> dict[str, Any]:
    model: dict[str, Any] = {"path": f"/sys/fs/bpf/tc/globals/{found.name}"}
    if found.entries is not None:
        model["cache"] = [{"desired-action": "sync", "key": key, "value": value} for key, value in found.entries]
    return model


def _content(found: _Map) -> str:
    if found.entries is None:
        return "Cache is disabled\n\n"
    if not found.entries:
        return "Cache is empty\n\n"
    rows = [("Key", "Value", "State", "Error"), *((key, value, "sync", "") for key, value in found.entries)]
    return table(rows, closed=False)


async def _list(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    maps = _maps(session)
    if arguments.value("output"):
        await session.data({"maps": [_model(found) for found in maps]}, arguments.value("output"))
        return 0
    if "verbose" in arguments.switches:
        await session.out("\n".join(f"## Map: {found.name}\n{_content(found)}" for found in maps) + "\n")
        return 0
    rows: list[tuple[object, ...]] = [("Name", "Num entries", "Num errors", "Cache enabled")]
    rows += [
        (found.name, *(("unknown", 0, "false") if found.entries is None else (len(found.entries), 0, "true")))
        for found in maps
    ]
    await session.out(table(rows, closed=False))
    return 0


async def _get(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    if not arguments.words:
        raise CommandError("Error: map name must be specified")
    found = next((item for item in _maps(session) if item.name == arguments.words[0]), None)
    if found is None:
        raise CommandError("Error: [GET /map/{name}][404] getMapNameNotFound")
    if arguments.value("output"):
        await session.data(_model(found), arguments.value("output"))
        return 0
    await session.out(_content(found))
    return 0


COMMANDS = (
    Command(("map", "list"), "List all open BPF maps", _list, OUTPUT, {"--verbose": "verbose"}),
    Command(("map", "get"), "Display cached content of given BPF map", _get, OUTPUT, arguments=(0, 1), usage="<name>"),
)
