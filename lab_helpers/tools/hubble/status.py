"""``hubble status``."""

from typing import Any

from lab_helpers.hubble.errors import CallError
from lab_helpers.tools.goflags import Command, ExitError, Invocation, duration_text
from lab_helpers.tools.hubble import connecting, helping
from lab_helpers.tools.hubble.flags import server_flags
from lab_helpers.tools.hubble.settings import Settings

_OUTPUTS = {
    "compact": "compact",
    "dict": "dict",
    "json": "json",
    "JSON": "json",
    "jsonpb": "json",
    "tab": "table",
    "table": "table",
}


def status_command() -> Command:
    """The command."""
    command = Command("status", short="Show the state of a Hubble server", run=_run)
    command.flags.string("output", "compact", "Form of the output: compact, dict, json or table", shorthand="o")
    helping.register(command, server_flags())  # the real page does not show --output either
    return command


def _run(invocation: Invocation) -> int:
    output = _OUTPUTS.get(invocation.flags["output"])
    settings = Settings(invocation.flags)
    client = connecting.connect(settings)
    timeout = connecting.request_timeout(settings)
    try:
        try:
            serving = client.health(timeout=timeout)
        except CallError as error:
            raise connecting.call_failure(error, "failed getting status: ") from None
        healthy = serving == 1
        if output == "compact":
            word = {0: "UNKNOWN", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}.get(serving, str(serving))
            state = "Ok" if healthy else f"Unavailable: {word}"
            invocation.stdout.write(f"Healthcheck (via {client.channel.address}): {state}\n")
        if not healthy:
            raise ExitError("not healthy")
        try:
            status, headers = client.status_with_headers(timeout=timeout)
        except CallError as error:
            raise connecting.call_failure(error, "failed to get hubble server status: ") from None
        connecting.warn_of_newer(headers, invocation.stderr)
    except KeyboardInterrupt:
        return 130
    finally:
        client.close()
    if output is None:  # found out only now, as by the real command
        raise ExitError(f"invalid output format: {invocation.flags['output']}")
    invocation.stdout.write(_PRINTERS[output](status))
    return 0


def _rate(status: Any) -> str:
    return f"{status.flows_rate:.2f}" if status.flows_rate > 0 else "N/A"


def _compact(status: Any) -> str:
    share = f" ({status.num_flows / status.max_flows * 100:.2f}%)" if status.max_flows else ""
    lines = [f"Current/Max Flows: {status.num_flows:,}/{status.max_flows:,}{share}"]
    rate = _rate(status)
    if rate == "N/A" and status.uptime_ns:
        rate = f"{status.seen_flows / (status.uptime_ns / 1e9):.2f}"
    lines.append(f"Flows/s: {rate}")
    if status.HasField("num_connected_nodes"):
        connected = status.num_connected_nodes.value
        total = f"/{connected + status.num_unavailable_nodes.value}" if status.HasField("num_unavailable_nodes") else ""
        lines.append(f"Connected Nodes: {connected}{total}")
    missing = status.num_unavailable_nodes.value
    if missing:
        lines.append(f"Unavailable Nodes: {missing}")
        names = sorted(status.unavailable_nodes)
        lines += [f"  - {name}" for name in names]
        if missing > len(names):
            lines.append(f"  - and {missing - len(names)} more...")
    return "\n".join(lines) + "\n"


def _uptime(status: Any) -> str:
    return duration_text(status.uptime_ns) if status.uptime_ns < 1 << 63 else f"{status.uptime_ns}ns"


def _cells(status: Any) -> list[str]:
    return [
        f"{status.num_flows:,}",
        f"{status.max_flows:,}",
        f"{status.seen_flows:,}",
        _rate(status),
        _uptime(status),
        f"{status.num_connected_nodes.value:,}" if status.HasField("num_connected_nodes") else "N/A",
        f"{status.num_unavailable_nodes.value:,}" if status.HasField("num_unavailable_nodes") else "N/A",
        status.version,
    ]


def _dict(status: Any) -> str:
    keys = (
        "NUM FLOWS",
        "MAX FLOWS",
        "SEEN FLOWS",
        "FLOWS PER SECOND",
        "UPTIME",
        "NUM CONNECTED NODES",
        "NUM UNAVAIL. NODES",
        "VERSION",
    )
    return "".join(f"{key:>19}: {value}\n" for key, value in zip(keys, _cells(status), strict=True))


def _table(status: Any) -> str:
    from lab_helpers.hubble.printing.tabwriter import TabWriter

    writer = TabWriter(minimum=2, padding=3)
    writer.write(
        "NUM FLOWS\tMAX FLOWS\tSEEN FLOWS\tFLOWS PER SECOND\tUPTIME\t"
        "NUM CONNECTED NODES\tNUM UNAVAILABLE NODES\tVERSION\n"
    )
    writer.write("\t".join(_cells(status)) + "\n")
    return writer.flush()


def _json(status: Any) -> str:
    from lab_helpers.hubble.jsonpb import dumps

    return dumps(status) + "\n"


_PRINTERS = {"compact": _compact, "dict": _dict, "table": _table, "json": _json}
