"""``hubble observe``: flows, agent events, debug events."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, TextIO

from lab_helpers.hubble.errors import CallError, HubbleError, JsonError
from lab_helpers.hubble.protos import flow_pb2, observer_pb2
from lab_helpers.tools.goflags import Command, ExitError, FlagSet, Invocation, go_quote
from lab_helpers.tools.hubble import connecting, filterflags, helping, selectorflags
from lab_helpers.tools.hubble.filtertable import FILTERS
from lab_helpers.tools.hubble.flags import formatting_flags, other_flags, server_flags
from lab_helpers.tools.hubble.settings import Settings

_JSON_NAMES = ("json", "jsonpb", "JSON")
_TEXT_NAMES = ("compact", "dict", "tab", "table")
_FLOWS_LONG = """\
Flows are what Cilium saw happen on the network and in its proxies. Filters find those
of certain pods, services, connections, DNS queries, HTTP requests and so on.

A filter given several times matches when one of its values does. Different filters must
all match. '--not' turns the filter that follows it round."""
_FLOWS_EXAMPLE = """\
* Dropped in the namespace 'shop', as it happens

    hubble observe --namespace shop --verdict DROPPED --follow

* PUT or GET requests to the namespaces 'foo' or 'bar'

    hubble observe --http-method put --http-method get --to-namespace foo --to-namespace bar

* Everything except DNS

    hubble observe --not --protocol dns

* Keep flows in a file, look at them later

    hubble observe -o jsonpb --last 1000 > flows.json
    hubble observe --input-file flows.json --verdict DROPPED"""


def _filter_flags(filters: filterflags.FilterFlags) -> FlagSet:
    flags = FlagSet("Filters")
    for name, shorthand, implied, usage in FILTERS:
        flags.callback(name, filters.setter(name), usage, shorthand, kind="filter", implied=implied)
    return flags


def _flow_format_flags() -> FlagSet:
    flags = FlagSet("Flow Format")
    flags.bool("ip-translation", True, "Print names of pods, services and domains instead of addresses")
    flags.string("color", "auto", "Colours in compact and dict output: auto, always, never")
    flags.bool("numeric", False, "Print addresses as numbers")
    return flags


def _raw_filter_flags() -> FlagSet:
    flags = FlagSet("Raw-Filters")
    flags.array("allowlist", [], "FlowFilter messages in JSON; flows must match one of them")
    flags.array("denylist", [], "FlowFilter messages in JSON; flows must match none of them")
    return flags


def observe_command() -> Command:
    """``observe`` and what is below it."""
    command = _flows_command("observe", "Look at flows and events of a Hubble server", "", "")
    command.add(
        _flows_command("flows", "Look at flows of a Hubble server", _FLOWS_LONG, _FLOWS_EXAMPLE),
        _events_command("agent-events", "Look at events of Cilium's agents", _agent_events),
        _events_command("debug-events", "Look at debug events of the datapath", _debug_events),
    )
    return command


def _flows_command(use: str, short: str, long: str, example: str) -> Command:
    filters = filterflags.FilterFlags()
    groups = [
        selectorflags.selector_flags(),
        _filter_flags(filters),
        _raw_filter_flags(),
        formatting_flags(),
        _flow_format_flags(),
        server_flags(),
        other_flags(),
    ]
    command = Command(use, short=short, long=long, example=example, run=lambda invocation: _flows(invocation, filters))
    for group in groups:
        if group.name != "Server":
            command.flags.add_all(group)
    helping.register(command, *groups)
    return command


def _events_command(use: str, short: str, run: Callable[[Invocation], int]) -> Command:
    groups = [selectorflags.selector_flags(), formatting_flags(), server_flags(), other_flags()]
    command = Command(use, short=short, run=run)
    for group in groups:
        if group.name != "Server":
            command.flags.add_all(group)
    helping.register(command, *groups)
    return command


def _check_output(flags: FlagSet) -> None:
    output = flags["output"]
    if output not in (*_JSON_NAMES, *_TEXT_NAMES):
        raise ExitError(f"invalid output format: {output}")
    if output in ("tab", "table") and flags["follow"]:
        raise ExitError("table output format is not compatible with follow mode")


def _printer(invocation: Invocation, settings: Settings, *, color: bool = False) -> Any:
    from lab_helpers.hubble.printing import Options, Output, Printer
    from lab_helpers.hubble.times import layout_name

    flags = invocation.flags
    name = flags["output"]
    output = {"compact": Output.COMPACT, "dict": Output.DICT}.get(name, Output.TABLE)
    if name in _JSON_NAMES:
        output = Output.LEGACY_JSON if name != "jsonpb" and _legacy_json(settings) else Output.JSON
    has_format = "numeric" in flags
    options = Options(
        output=output,
        layout=layout_name(flags["time-format"]),
        color=color,
        node_names=flags["print-node-name"],
        policy_names=flags["print-policy-names"],
        ip_translation=not has_format or flags["ip-translation"],
        numeric=has_format and flags["numeric"],
        debug=settings.switch("debug"),
    )
    silent = flags["silent-errors"]
    return Printer(options, invocation.stdout, None if silent else invocation.stderr, go_quote)


def _legacy_json(settings: Settings) -> bool:
    words = settings.environ.get("HUBBLE_COMPAT", "").lower().split(",")
    return "legacy-json-output" in words


def _colored(invocation: Invocation, settings: Settings) -> bool:
    flags = invocation.flags
    if flags["output"] not in ("compact", "dict"):
        return False
    choice = flags["color"].lower()
    if choice in ("always", "never"):
        return bool(choice == "always")
    environ = settings.environ
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    return _is_terminal(invocation.stdout)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:
        return False


def _raw_filters(documents: Iterable[str], name: str) -> list[Any]:
    out: list[Any] = []
    for text in documents:
        from lab_helpers.hubble import jsonpb  # only raw filters need it

        try:
            out += [jsonpb.loads(document, flow_pb2.FlowFilter()) for document in jsonpb.documents(text)]
        except JsonError as error:
            raise ExitError(f"invalid --{name} flag: failed to decode '{text}': {error}") from None
    return out


def _mask_paths(flags: FlagSet) -> list[str]:
    from lab_helpers.hubble.masks import DEFAULT_PATHS, check_path

    output = flags["output"]
    is_json = output in _JSON_NAMES
    chosen: list[str] = flags["field-mask"]
    for path in chosen:
        if not check_path(path):
            raise ExitError(
                f'failed to construct field mask: proto: invalid path {go_quote(path)} for message "flow.Flow"'
            )
    if chosen:
        return chosen
    return [] if is_json or not flags["use-default-field-masks"] else list(DEFAULT_PATHS)


def _flows(invocation: Invocation, filters: filterflags.FilterFlags) -> int:
    flags = invocation.flags
    settings = Settings(flags)
    if filters.dangling:
        raise ExitError("trailing --not found in the arguments")
    _check_output(flags)
    masked_json = flags["output"] in ("json", "jsonpb", "JSON") and not (
        flags["output"] != "jsonpb" and _legacy_json(settings)
    )
    if flags["field-mask"] and not masked_json:
        raise ExitError(f"{flags['output']} output format is not compatible with custom field mask")
    selectorflags.check_combinations(flags)
    request = observer_pb2.GetFlowsRequest()
    input_file = flags["input-file"]
    selectorflags.fill(request, flags, is_file=bool(input_file))
    request.whitelist.extend(filters.allow.filters() + _raw_filters(settings.words("allowlist"), "allowlist"))
    request.blacklist.extend(filters.deny.filters() + _raw_filters(settings.words("denylist"), "denylist"))
    paths = _mask_paths(flags)
    if paths:
        request.field_mask.paths.extend(paths)
    if flags["print-raw-filters"]:
        invocation.stdout.write(_filters_yaml(request))
        return 0
    if input_file:
        if settings.switch("port-forward"):
            raise ExitError("cannot use --input-file and --auto-port-forward together")
        return _from_file(invocation, settings, request, input_file)
    return _from_server(invocation, settings, request)


def _debug_request(settings: Settings, name: str, request: Any) -> None:
    if settings.switch("debug"):
        from lab_helpers.tools.hubble.requesttexts import request_text

        connecting.debug(settings, f"Sending {name} request", req=request_text(request))


def _filters_yaml(request: Any) -> str:
    from lab_helpers.hubble import jsonpb
    from lab_helpers.tools.hubble import yamltext

    document = {}
    for key, messages in (("allowlist", request.whitelist), ("denylist", request.blacklist)):
        if messages:
            document[key] = [jsonpb.dumps(message) for message in messages]
    return yamltext.document(document)


def _from_file(invocation: Invocation, settings: Settings, request: Any, path: str) -> int:
    from pathlib import Path

    from lab_helpers.tools.hubble.reading import flows_from

    printer = _printer(invocation, settings, color=_colored(invocation, settings))
    _debug_request(settings, "GetFlows", request)
    try:
        with contextlib.ExitStack() as stack:
            if path == "-":
                source = sys.stdin.buffer
            else:
                try:
                    source = stack.enter_context(Path(path).open("rb"))
                except OSError as error:
                    raise ExitError(f"open {path}: {os.strerror(error.errno or 0).lower()}") from None
            for response in flows_from(source, request, invocation.stderr):
                printer.response(response)
    except HubbleError as error:
        raise ExitError(str(error)) from None
    finally:
        printer.close()
    return 0


def _from_server(invocation: Invocation, settings: Settings, request: Any) -> int:
    printer = _printer(invocation, settings, color=_colored(invocation, settings))
    client = connecting.connect(settings)
    connecting.debug(settings, "connected to Hubble API", server="server")
    _debug_request(settings, "GetFlows", request)
    return _print_stream(
        invocation, client, lambda: client.get_flows(request), printer.response, printer.close, request.follow
    )


def _print_stream(
    invocation: Invocation,
    client: Any,
    call: Callable[[], Any],
    show: Callable[[Any], None],
    close: Callable[[], None],
    follow: bool,
) -> int:
    """Print a stream to its end. CANCELLED ends quietly, UNKNOWN shows only its message, Ctrl-C is a normal end."""
    out = invocation.stdout
    try:
        stream = call()
        connecting.warn_of_newer(stream.wait_headers(), invocation.stderr)
        for response in stream:
            show(response)
            if follow and stream.waiting:
                out.flush()
    except CallError as error:
        if error.code == "Canceled":
            return 0
        raise ExitError(error.details if error.code == "Unknown" else str(error)) from None
    except KeyboardInterrupt:
        return 0
    except HubbleError as error:
        raise ExitError(str(error)) from None
    finally:
        close()
        client.close()
    return 0


def _agent_events(invocation: Invocation) -> int:
    return _events(invocation, observer_pb2.GetAgentEventsRequest(), "agent_event")


def _debug_events(invocation: Invocation) -> int:
    return _events(invocation, observer_pb2.GetDebugEventsRequest(), "debug_event")


def _events(invocation: Invocation, request: Any, method: str) -> int:
    flags = invocation.flags
    settings = Settings(flags)
    _check_output(flags)
    selectorflags.fill(request, flags, events=True)
    printer = _printer(invocation, settings)
    client = connecting.connect(settings)
    _debug_request(settings, "GetAgentEvents" if method == "agent_event" else "GetDebugEvents", request)
    return _print_stream(
        invocation,
        client,
        lambda: getattr(client, f"{method}s")(request),
        getattr(printer, method),
        printer.close,
        request.follow,
    )
