"""``kubectl events`` (kubectl pkg/cmd/events)."""

from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.describing.pages import interval
from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.output.tables import Tabwriter
from lab_helpers.tools.kubectl.printing import add_output_flags, as_list, object_text
from lab_helpers.tools.kubectl.sessions import Session


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        "events [(-o|--output=)json|yaml|name|jsonpath] [--for TYPE/NAME] [--watch] [--types=Normal,Warning]",
        short="List events, oldest first",
        example="# Warnings about one pod\nkubectl events --for pod/frontend -n shop --types=Warning",
        run=run,
    )
    flags = command.flags
    flags.bool("all-namespaces", False, "In every namespace", "A")
    flags.number("chunk-size", 500, "How many to fetch at a time; 0: all", kind="int64")
    flags.string("for", "", "Only events about TYPE/NAME")
    flags.bool("no-headers", False, "No header line")
    flags.strings("types", [], "Only Normal or Warning")
    flags.bool("watch", False, "Go on printing", "w")
    add_output_flags(flags)
    return command


def run(invocation: Invocation) -> int:
    """Do it."""
    session = Session(invocation)
    flags = session.flags
    types = {word.capitalize() for word in flags["types"]}
    for word in types:
        if word not in ("Normal", "Warning"):
            raise KubectlError("valid --types are Normal or Warning")
    query: dict[str, Any] = {}
    if flags["for"]:
        kind, slash, name = flags["for"].partition("/")
        if not slash:
            raise KubectlError("--for must be in resource/name form")
        resource = session.catalogue.find(kind)
        query["fieldSelector"] = f"involvedObject.kind={resource.kind},involvedObject.name={name}"
        query["fieldSelector"] += f",involvedObject.apiVersion={resource.api_version}" if resource.group else ""
    events = session.catalogue.find("events")
    path = events.path("" if session.everywhere else session.namespace)
    listing = session.client.list_all(path, query, chunk=flags["chunk-size"])
    found = [
        {"apiVersion": "v1", "kind": "Event", **event}
        for event in listing.get("items") or []
        if not types or event.get("type") in types
    ]
    found.sort(key=_moment)
    text = object_text(session)
    if text:
        session.out.write(text(as_list(found)))
    elif not found and not flags["watch"]:
        session.complain(
            "No events found." if session.everywhere else f"No events found in {session.namespace} namespace."
        )
        return 0
    table = Tabwriter(session.out)
    if not text:
        _table(session, table, found, headers=not flags["no-headers"])
    if flags["watch"]:
        session.out.flush()
        version = (listing.get("metadata") or {}).get("resourceVersion", "")
        for kind_of_event, event in session.client.watch(path, **{**query, "resourceVersion": version}):
            if kind_of_event in ("ADDED", "MODIFIED") and (not types or event.get("type") in types):
                if text:
                    session.out.write(text(event))
                else:
                    _table(session, table, [event], headers=False)
                session.out.flush()
    return 0


def _moment(event: dict[str, Any]) -> str:
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")


def _table(session: Session, table: Tabwriter, events: list[dict[str, Any]], *, headers: bool) -> None:
    if headers:
        head = ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
        table.row(["NAMESPACE", *head] if session.everywhere else head)
    for event in events:
        target = event.get("involvedObject") or {}
        cells = [
            interval(event),
            str(event.get("type") or ""),
            str(event.get("reason") or ""),
            f"{target.get('kind')}/{target.get('name')}",
            str(event.get("message") or "").strip(),
        ]
        table.row([str(event["metadata"].get("namespace", "")), *cells] if session.everywhere else cells)
    table.flush()
