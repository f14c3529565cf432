"""``hubble list nodes`` and ``hubble list namespaces``."""

import json
from typing import Any

from lab_helpers.hubble.errors import CallError
from lab_helpers.tools.goflags import Command, ExitError, FlagSet, Invocation, duration_text
from lab_helpers.tools.hubble import connecting, helping
from lab_helpers.tools.hubble.flags import server_flags
from lab_helpers.tools.hubble.settings import Settings

_SECOND = 1_000_000_000
_STATES = {1: "Connected", 2: "Unavailable", 3: "Gone", 4: "Error"}


def list_command() -> Command:
    """The command and its two sub-commands."""
    command = Command("list", short="List what a Hubble server knows")
    helping.register(command, server_flags())
    nodes = Command("nodes", short="List the nodes behind a relay", aliases=("node",), run=_nodes)
    namespaces = Command("namespaces", short="List the namespaces that had flows lately", run=_namespaces)
    for child in (nodes, namespaces):
        formatting = FlagSet("Formatting")
        formatting.string("output", "table", "Form of the output: table, wide or json", shorthand="o")
        child.flags.add_all(formatting)
        helping.register(child, formatting, server_flags())
        command.add(child)
    return command


def _ask(invocation: Invocation, method: str) -> list[Any]:
    settings = Settings(invocation.flags)
    client = connecting.connect(settings)
    try:
        answer: list[Any] = getattr(client, method)(timeout=connecting.request_timeout(settings))
    except CallError as error:
        raise connecting.call_failure(error) from None
    finally:
        client.close()
    return answer


def _table(rows: list[list[str]]) -> str:
    from lab_helpers.hubble.printing.tabwriter import TabWriter

    writer = TabWriter(minimum=2, padding=3)
    for row in rows:
        writer.write("\t".join(row) + "\n")
    return writer.flush()


def _json(messages: list[Any]) -> str:
    from lab_helpers.hubble.jsonpb import dumps

    if not messages:
        return "null\n"
    return json.dumps([json.loads(dumps(message)) for message in messages], indent=2, ensure_ascii=False) + "\n"


def _unknown(output: str) -> ExitError:
    return ExitError(f"unknown output format: {output}")


def _nodes(invocation: Invocation) -> int:
    nodes = sorted(_ask(invocation, "nodes"), key=lambda node: node.name)
    output = invocation.flags["output"]
    if output == "json":
        invocation.stdout.write(_json(nodes))
        return 0
    if output not in ("table", "wide"):
        raise _unknown(output)
    header = ["NAME", "STATUS", "AGE", "FLOWS/S", "CURRENT/MAX-FLOWS"]
    rows = [header + (["VERSION", "ADDRESS", "TLS"] if output == "wide" else [])]
    for node in nodes:
        row = [node.name, _STATES.get(node.state, "Unknown"), _age(node), _rate(node), _share(node)]
        if output == "wide":
            tls = ("Enabled" if node.tls.enabled else "Disabled") if node.HasField("tls") else "N/A"
            row += [node.version or "N/A", node.address, tls]
        rows.append(row)
    invocation.stdout.write(_table(rows))
    return 0


def _age(node: Any) -> str:
    rounded = (node.uptime_ns + _SECOND // 2) // _SECOND * _SECOND
    return duration_text(rounded) if rounded else "N/A"


def _rate(node: Any) -> str:
    return f"{node.seen_flows / (node.uptime_ns / _SECOND):.2f}" if node.uptime_ns and node.seen_flows else "N/A"


def _share(node: Any) -> str:
    if not node.max_flows:
        return "N/A"
    return f"{node.num_flows}/{node.max_flows} ({node.num_flows / node.max_flows * 100:6.2f}%)"


def _namespaces(invocation: Invocation) -> int:
    namespaces = _ask(invocation, "namespaces")
    output = invocation.flags["output"]
    if output == "json":
        invocation.stdout.write(_json(namespaces))
        return 0
    if output not in ("table", "wide"):
        raise _unknown(output)
    rows = [["NAMESPACE", "CLUSTER"] if output == "wide" else ["NAMESPACE"]]
    rows += [
        [entry.namespace, entry.cluster] if output == "wide" and entry.cluster else [entry.namespace]
        for entry in namespaces
    ]
    invocation.stdout.write(_table(rows))
    return 0
