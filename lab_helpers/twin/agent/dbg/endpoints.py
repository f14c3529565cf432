"""``cilium-dbg endpoint …`` (cilium-dbg/cmd/endpoint_*.go)."""

from __future__ import annotations

from lab_helpers.twin.agent.dbg.configuring import listed_options, parsed_options, shown_options
from lab_helpers.twin.agent.dbg.endpointmodels import endpoint_model, health_model, option_values
from lab_helpers.twin.agent.dbg.sessions import OUTPUT, Arguments, Command, CommandError, Session, table
from lab_helpers.twin.agent.endpoints import ManagedEndpoint
from lab_helpers.twin.agent.nodeagents import NodeAgent
from lab_helpers.twin.datapath.options import OptionError, option_names

__all__ = ["COMMANDS", "find_endpoint", "ordered"]

_HEADER = (
    "ENDPOINT",
    "POLICY (ingress)",
    "POLICY (egress)",
    "IDENTITY",
    "LABELS (source:key[=value])",
    "IPv6",
    "IPv4",
    "STATUS",
)
_SECOND = ("", "ENFORCEMENT", "ENFORCEMENT", "", "", "", "", "")


def ordered(agent: NodeAgent) -> list[ManagedEndpoint]:
    """All endpoints by id."""
    return [agent.endpoints[number] for number in sorted(agent.endpoints)]


def find_endpoint(agent: NodeAgent, text: str) -> ManagedEndpoint:
    """By id, ``cilium-local:id``, ``pod-name:ns/name``, ``cep-name:ns/name``, ``ipv4:address``. Raises CommandError."""
    prefix, colon, value = text.partition(":")
    if not colon:
        prefix, value = "cilium-local", text
    for endpoint in ordered(agent):
        inner = endpoint.datapath
        if (
            (prefix == "cilium-local" and value == str(endpoint.id))
            or (prefix in ("pod-name", "cep-name") and value == f"{inner.namespace}/{inner.pod}")
            or (prefix == "ipv4" and value == inner.ip)
            or (prefix == "container-id" and value and endpoint.container_id.startswith(value))
        ):
            return endpoint
    if prefix == "cilium-local" and not value.isdigit():
        raise CommandError(f'Error: Cannot parse endpoint id "{text}"')
    raise CommandError(f"Error: Cannot get endpoint {text}: [GET /endpoint/{{id}}][404] getEndpointIdNotFound")


async def _list(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    agent = session.agent
    wanted = arguments.values.get("labels", [])
    shown = [e for e in ordered(agent) if all(any(_has(label, text) for label in e.datapath.labels) for text in wanted)]
    if arguments.value("output"):
        await session.data([endpoint_model(agent, endpoint) for endpoint in shown], arguments.value("output"))
        return 0
    rows: list[tuple[object, ...]] = [] if "no-headers" in arguments.switches else [_HEADER, _SECOND]
    for endpoint in shown:
        inner = endpoint.datapath
        found = agent.enforcement(endpoint)
        audit = " (Audit)" if inner.options.audit else ""
        cells = [
            f"Disabled{audit}" if audit and on else "Enabled" if on else "Disabled"
            for on in (found.ingress, found.egress)
        ]
        labels = list(inner.labels) or ["no labels"]
        identity: object = inner.identity or "<no label id>"
        rows.append(
            (
                endpoint.id,
                cells[0],
                cells[1],
                identity,
                labels[0],
                "",
                inner.ip if endpoint.kind != "host" else "",
                endpoint.state,
            )
        )
        rows += [("", "", "", "", label, "", "", "") for label in labels[1:]]
    await session.out(table(rows))
    return 0


def _has(label: str, text: str) -> bool:
    return text in (label, label.partition(":")[2])


async def _get(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    agent = session.agent
    wanted = arguments.values.get("labels", [])
    if wanted:
        found = [
            e for e in ordered(agent) if all(any(_has(label, text) for label in e.datapath.labels) for text in wanted)
        ]
        if not found:
            raise CommandError(
                "Error: Cannot get endpoints for given list of labels: [GET /endpoint][404] getEndpointNotFound"
            )
    elif arguments.words:
        found = [find_endpoint(agent, arguments.words[0])]
    else:
        raise CommandError("Error: Requires either endpoint id or -l option to specify a label set")
    await session.data([endpoint_model(agent, endpoint) for endpoint in found], arguments.value("output", "json"))
    return 0


async def _log(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    endpoint = find_endpoint(session.agent, arguments.words[0])
    entries = list(reversed(endpoint.log))
    if arguments.value("output"):
        await session.data([entry._asdict() for entry in entries], arguments.value("output"))
        return 0
    rows: list[tuple[object, ...]] = [("Timestamp", "Status", "State", "Message")]
    rows += [(entry.timestamp, entry.code, entry.state, entry.message) for entry in entries]
    await session.out(table(rows, minimum=2, closed=False))
    return 0


async def _labels(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    endpoint = find_endpoint(session.agent, arguments.words[0])
    if arguments.values:
        raise CommandError(
            "Error: Cannot modifying labels: in the embedded cluster an endpoint's labels are those of its pod: "
            "use kubectl label"
        )
    rows = [(label, "Enabled") for label in sorted(endpoint.datapath.labels)]
    await session.out(table(rows, minimum=2, closed=False))
    return 0


async def _health(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    health = health_model(find_endpoint(session.agent, arguments.words[0]).state)
    if arguments.value("output"):
        await session.data(health, arguments.value("output"))
        return 0
    await session.out(
        f"Overall Health:   {health['overallHealth']}\nBPF Health:       {health['bpf']}\n"
        f"Policy Health:    {health['policy']}\nConnected:        {'yes' if health['connected'] else 'no'}"
    )
    return 0


async def _config(session: Session, arguments: Arguments) -> int:
    agent = session.agent
    names = option_names(agent.settings.policy.version, endpoint=True)
    if "list" in arguments.switches:
        await session.out(listed_options(names))
        return 0
    session.need_agent()
    if not arguments.words:
        raise CommandError("Error: Missing endpoint id argument")
    endpoint = find_endpoint(agent, arguments.words[0])
    if len(arguments.words) == 1:
        options = option_values(agent, endpoint)
        if arguments.value("output"):
            await session.data({"realized": {"label-configuration": {}, "options": options}}, arguments.value("output"))
            return 0
        await session.out(shown_options(options))
        return 0
    values: dict[str, str] = {}
    for setting in arguments.words[1:]:
        try:
            found = parsed_options([setting], names)
            endpoint.datapath.options.changed(found)
        except OptionError as error:
            raise CommandError(f"Error: Cannot parse option {setting}: {error}") from error
        values |= found
    agent.change_endpoint_options(endpoint, values)
    await session.out(f"Endpoint {endpoint.id} configuration updated successfully")
    return 0


async def _regenerate(session: Session, arguments: Arguments) -> int:
    session.need_agent()
    endpoint = find_endpoint(session.agent, arguments.words[0])
    session.agent.regenerate_endpoint(endpoint, "regeneration requested by the command line")
    await session.out(f"Endpoint {endpoint.id} successfully regenerated")
    return 0


_LABELS = {"-l": "labels", "--labels": "labels"}
COMMANDS = (
    Command(("endpoint", "list"), "List all endpoints", _list, {**OUTPUT, **_LABELS}, {"--no-headers": "no-headers"}),
    Command(
        ("endpoint", "get"),
        "Display endpoint information",
        _get,
        {**OUTPUT, **_LABELS},
        arguments=(0, 1),
        usage="( <endpoint identifier> | -l <endpoint labels> )",
    ),
    Command(("endpoint", "log"), "View endpoint status log", _log, OUTPUT, arguments=(1, 1), usage="<endpoint id>"),
    Command(
        ("endpoint", "labels"),
        "Manage label configuration of endpoint",
        _labels,
        {"-a": "add", "--add": "add", "-d": "delete", "--delete": "delete"},
        arguments=(1, 1),
        usage="<endpoint id>",
    ),
    Command(("endpoint", "health"), "View endpoint health", _health, OUTPUT, arguments=(1, 1), usage="<endpoint id>"),
    Command(
        ("endpoint", "config"),
        "View & modify endpoint configuration",
        _config,
        OUTPUT,
        {"--list-options": "list"},
        (0, -1),
        "<endpoint id> [<option>=(enable|disable) ...]",
    ),
    Command(
        ("endpoint", "regenerate"),
        "Force regeneration of endpoint program",
        _regenerate,
        arguments=(1, 1),
        usage="<endpoint id>",
    ),
)
