"""``kubectl get``: tables as the server makes them, or objects in the format asked for."""

from collections.abc import Iterator
from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.options import add_file_flags
from lab_helpers.tools.kubectl.output.servertables import TABLE, TablePrinter
from lab_helpers.tools.kubectl.selecting import check_words, items_of, selectors, wanted
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest import ApiError, Resource, kubectl_text

_NOTHING_NAMED = """Required resource not specified.
Use "kubectl explain <resource>" for a detailed description of that resource (e.g. kubectl explain pods).
See 'kubectl get -h' for help and examples"""

Item = tuple[Resource, dict[str, Any]]
Asked = tuple[Resource, tuple[str, ...], str]  # type, names (none: all), namespace ("": every one)


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        "get TYPE[.VERSION][.GROUP] [NAME | -l label] | TYPE[.VERSION][.GROUP]/NAME ...",
        short="List objects, or print some of them",
        long="List objects as tables, or print some of them whole or in part.\n\n"
        ' The types a server has: "kubectl api-resources".',
        example="""# The pods of the namespace
kubectl get pods

# With addresses and nodes
kubectl get pods -o wide

# Everything with a label, in every namespace
kubectl get pods,services -A -l app=backend

# One object as YAML
kubectl get deployment backend -n shop -o yaml

# One value
kubectl get pod web -o jsonpath='{.status.podIP}'""",
        run=run,
    )
    flags = command.flags
    flags.bool("all-namespaces", False, "In every namespace", "A")
    flags.number("chunk-size", 500, "How many objects to fetch at a time; 0: all", kind="int64")
    flags.string("field-selector", "", "Only objects whose fields match: key=value, key!=value")
    add_file_flags(flags)
    flags.bool("ignore-not-found", False, "A missing object is no error")
    flags.strings("label-columns", [], "Labels to show as columns", "L")
    flags.bool("no-headers", False, "No header line")
    flags.bool("output-watch-events", False, "With --watch: what happened to each object")
    flags.string("raw", "", "Print the answer to GET this path")
    flags.string("selector", "", "Only objects whose labels match", "l")
    flags.bool("server-print", True, "Let the server make the table")
    flags.bool("show-kind", False, "Put the type before each name")
    flags.bool("show-labels", False, "Labels in a last column")
    flags.string("sort-by", "", "Sort by this jsonpath")
    flags.string("subresource", "", "Read this subresource: status, scale")
    flags.bool("watch", False, "Go on printing changes", "w")
    flags.bool("watch-only", False, "Print changes only")
    from lab_helpers.tools.kubectl.printing import add_output_flags

    add_output_flags(flags, get=True)
    return command


def run(invocation: Invocation) -> int:
    """Do it."""
    session = Session(invocation)
    flags = session.flags
    if flags["raw"]:
        session.out.write(session.client.text(flags["raw"]))
        return 0
    from_files = bool(flags["filename"] or flags["kustomize"])
    if not session.args and not from_files:
        session.complain(
            'You must specify the type of resource to get. Use "kubectl api-resources" for a complete list of '
            "supported "
            "resources.\n"
        )
        raise KubectlError(_NOTHING_NAMED)
    if from_files:
        from lab_helpers.tools.kubectl.manifests import manifests

        asked: list[Asked] = [(entry.resource, (entry.name,), entry.namespace) for entry in manifests(session)]
    else:
        check_words(session, session.args)
        asked = [
            (
                want.resource,
                want.names,
                session.namespace if want.resource.namespaced and not session.everywhere else "",
            )
            for want in wanted(session, session.args)
        ]
    output = str(flags["output"]).partition("=")[0]
    if flags["watch"] or flags["watch-only"]:
        from lab_helpers.tools.kubectl.watching import watch

        return watch(session, asked)
    if output in ("", "wide"):
        return _tables(session, asked, wide=output == "wide")
    return _objects(session, asked)


def _tables(session: Session, asked: list[Asked], *, wide: bool) -> int:
    """Print tables; several types are separated by an empty line and name their kind."""
    flags = session.flags
    errors: list[ApiError] = []
    tables = [
        (resource, table)
        for resource, names, namespace in asked
        for table in _answers(session, resource, names, namespace, errors, flags["sort-by"])
    ]
    several = len({resource for resource, table in tables if table.get("rows", table.get("items", True))}) > 1
    printer = TablePrinter(
        session.out,
        wide=wide,
        namespaces=session.everywhere,
        headers=not flags["no-headers"],
        kind=flags["show-kind"] or several,
        labels=flags["label-columns"],
        all_labels=flags["show-labels"],
    )
    for resource, table in tables:
        if flags["sort-by"]:
            from lab_helpers.tools.kubectl.sorting import sort_rows

            table["rows"] = sort_rows(table.get("rows") or [], flags["sort-by"])
        printer.add(resource, table)
    printer.finish()
    if not printer.printed and not errors and not flags["ignore-not-found"]:
        where = (
            "" if session.everywhere or not any(resource.namespaced for resource, _, _ in asked) else session.namespace
        )
        session.complain(f"No resources found in {where} namespace." if where else "No resources found")
    return _report(session, errors)


def _answers(
    session: Session, resource: Resource, names: tuple[str, ...], namespace: str, errors: list[ApiError], sort: str
) -> Iterator[dict[str, Any]]:
    accept = TABLE if session.flags["server-print"] else "application/json"
    sub = session.flags["subresource"]
    query: dict[str, Any] = {"includeObject": "Object"} if sort else {}
    try:
        if not names:
            path = resource.path(namespace)
            yield session.client.list_all(
                path, {**query, **selectors(session)}, chunk=session.flags["chunk-size"], accept=accept
            )
            return
        for name in names:
            try:
                yield session.client.call("GET", resource.path(namespace, name, sub), query, accept=accept)
            except ApiError as error:
                _keep(session, error, errors)
    except ApiError as error:
        _keep(session, error, errors)


def _keep(session: Session, error: ApiError, errors: list[ApiError]) -> None:
    if not (session.flags["ignore-not-found"] and error.reason == "NotFound"):
        errors.append(error)


def _report(session: Session, errors: list[ApiError]) -> int:
    for error in errors:
        session.complain(kubectl_text(error))
    return 1 if errors else 0


def _objects(session: Session, asked: list[Asked]) -> int:
    """Print objects in the format of -o: one named object by itself, anything else as a list."""
    from lab_helpers.tools.kubectl.printing import as_list, split_output

    name, argument = split_output(session)
    text = None if name.startswith("custom-columns") else _formatter(session)
    found: list[Item] = []
    errors: list[ApiError] = []
    for resource, names, namespace in asked:
        try:
            if not names:
                listing = session.client.list_all(
                    resource.path(namespace), selectors(session), chunk=session.flags["chunk-size"]
                )
                found += [(resource, item) for item in items_of(listing, resource)]
        except ApiError as error:
            _keep(session, error, errors)
        for one in names:
            try:
                path = resource.path(namespace, one, session.flags["subresource"])
                found.append((resource, session.client.get(path)))
            except ApiError as error:
                _keep(session, error, errors)
    if session.flags["sort-by"]:
        from lab_helpers.tools.kubectl.sorting import sort_objects

        found = sort_objects(found, session.flags["sort-by"])
    single = len(asked) == 1 and len(asked[0][1]) == 1
    if text is None:
        _columns(session, [body for _, body in found], name, argument)
    elif name == "name":
        for resource, body in found:
            session.say(f"{resource.singular_name}/{body['metadata']['name']}")
    elif single and found:
        session.out.write(text(found[0][1]))
    elif not (single or (errors and not found)):
        session.out.write(text(as_list([body for _, body in found])))
    return _report(session, errors)


def _formatter(session: Session) -> Any:
    from lab_helpers.tools.kubectl.printing import object_text, split_output, unknown_format

    name, _ = split_output(session)
    try:
        return object_text(session)
    except KubectlError as error:
        if "unable to match a printer" in str(error):
            raise unknown_format(name, get=True) from error
        raise


def _columns(session: Session, bodies: list[dict[str, Any]], name: str, argument: str) -> None:
    from lab_helpers.tools.kubectl.output.customcolumns import parse_columns, parse_columns_file, rows
    from lab_helpers.tools.kubectl.output.tables import Tabwriter

    if name == "custom-columns-file":
        try:
            with open(argument, encoding="utf-8") as file:
                columns = parse_columns_file(file.read())
        except OSError as error:
            raise KubectlError(
                f"error reading template {argument}, {(error.strerror or str(error)).lower()}"
            ) from error
    elif name == "custom-columns":
        columns = parse_columns(argument)
    else:
        from lab_helpers.tools.kubectl.printing import unknown_format

        raise unknown_format(name, get=True)
    table = Tabwriter(session.out)
    for row in rows(columns, bodies, headers=not session.flags["no-headers"]):
        table.row(row)
    table.flush()
