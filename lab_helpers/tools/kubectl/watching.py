"""``kubectl get --watch``: what is there, then every change."""

from typing import Any

from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.output.servertables import TABLE, TablePrinter
from lab_helpers.tools.kubectl.selecting import items_of, selectors
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest import Resource


def watch(session: Session, asked: list[tuple[Resource, tuple[str, ...], str]]) -> int:
    """Print until the server ends the watch (or Ctrl-C)."""
    if len(asked) != 1 or len(asked[0][1]) > 1:
        raise KubectlError(
            "watch is only supported on individual resources and resource collections - more than 1 resource was found"
        )
    resource, names, namespace = asked[0]
    query: dict[str, Any] = dict(selectors(session))
    if names:
        query["fieldSelector"] = ",".join(filter(None, [query.get("fieldSelector", ""), f"metadata.name={names[0]}"]))
    output = str(session.flags["output"]).partition("=")[0]
    if output in ("", "wide"):
        _tables(session, resource, namespace, names, query, wide=output == "wide")
    else:
        _objects(session, resource, namespace, names, query)
    return 0


def _tables(
    session: Session, resource: Resource, namespace: str, names: tuple[str, ...], query: dict[str, Any], *, wide: bool
) -> None:
    flags = session.flags
    events = flags["output-watch-events"]
    printer = TablePrinter(
        session.out,
        wide=wide,
        namespaces=session.everywhere,
        headers=not flags["no-headers"],
        kind=flags["show-kind"],
        labels=flags["label-columns"],
        all_labels=flags["show-labels"],
        events=events,
    )
    if names:
        session.client.get(resource.path(namespace, names[0]))  # a missing object is an error before the watch begins
    path = resource.path(namespace)
    table = session.client.list_all(path, query, accept=TABLE)
    if not flags["watch-only"]:
        printer.add(resource, table, "ADDED")
        printer.finish()
        session.out.flush()
    elif table.get("columnDefinitions"):
        printer.add(resource, {**table, "kind": "Table", "rows": []})
    version = (table.get("metadata") or {}).get("resourceVersion", "")
    for event, body in session.client.watch(path, accept=TABLE, **{**query, "resourceVersion": version}):
        if event == "BOOKMARK":
            continue
        printer.add(resource, body, event)
        printer.finish()
        session.out.flush()


def _objects(
    session: Session, resource: Resource, namespace: str, names: tuple[str, ...], query: dict[str, Any]
) -> None:
    from lab_helpers.tools.kubectl.printing import object_text, split_output

    name, argument = split_output(session)
    text = None if name == "custom-columns" else object_text(session)
    if names:
        session.client.get(resource.path(namespace, names[0]))
    path = resource.path(namespace)
    listing = session.client.list_all(path, query)
    header = True

    def show(event: str, body: dict[str, Any]) -> None:
        nonlocal header
        if name == "name":
            session.say(f"{resource.singular_name}/{body['metadata']['name']}")
        elif text is not None:
            session.out.write(text({"type": event, "object": body} if session.flags["output-watch-events"] else body))
        else:
            _columns(session, body, argument, header=header and not session.flags["no-headers"])
            header = False
        session.out.flush()

    if not session.flags["watch-only"]:
        for item in items_of(listing, resource):
            show("ADDED", item)
    version = (listing.get("metadata") or {}).get("resourceVersion", "")
    for event, body in session.client.watch(path, **{**query, "resourceVersion": version}):
        if event != "BOOKMARK":
            show(event, body)


def _columns(session: Session, body: dict[str, Any], argument: str, *, header: bool) -> None:
    from lab_helpers.tools.kubectl.output.customcolumns import parse_columns, rows
    from lab_helpers.tools.kubectl.output.tables import Tabwriter

    table = Tabwriter(session.out)
    for row in rows(parse_columns(argument), [body], headers=header):
        table.row(row)
    table.flush()
