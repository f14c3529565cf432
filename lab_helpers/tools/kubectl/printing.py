"""``-o``: from an object to text, for every command that can print objects (cli-runtime's printers)."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from lab_helpers.tools.goflags import FlagSet
from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest.discovery import Resource

_GO_TEMPLATES = ("go-template", "go-template-file", "template", "templatefile")
_JSONPATHS = ("jsonpath", "jsonpath-as-json", "jsonpath-file")
_COLUMNS = ("custom-columns", "custom-columns-file")
_ALL = (*_COLUMNS, *_GO_TEMPLATES[:2], "json", *_JSONPATHS, "name", *_GO_TEMPLATES[2:])

Text = Callable[[dict[str, Any]], str]


def add_output_flags(flags: FlagSet, *, get: bool = False) -> None:
    """Define ``-o`` and what goes with it."""
    flags.string(
        "output", "", "Output format: json, yaml, name, jsonpath=…" + (", custom-columns=…, wide" if get else ""), "o"
    )
    flags.string("template", "", "The template, where -o=jsonpath has none", hidden=True)
    flags.bool("show-managed-fields", False, "Keep metadata.managedFields in JSON and YAML")
    flags.bool("allow-missing-template-keys", True, "Print nothing for fields that are missing")


def without_managed_fields(body: dict[str, Any]) -> dict[str, Any]:
    """A copy that lacks metadata.managedFields, items included."""
    out = dict(body)
    if isinstance(out.get("metadata"), dict) and "managedFields" in out["metadata"]:
        out["metadata"] = {key: value for key, value in out["metadata"].items() if key != "managedFields"}
    if isinstance(out.get("items"), list):
        out["items"] = [without_managed_fields(item) for item in out["items"]]
    return out


def _file(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise KubectlError(f"error reading --template {path}, {(error.strerror or str(error)).lower()}") from error


def split_output(session: Session) -> tuple[str, str]:
    """Format and its argument: ``jsonpath={.x}`` is ("jsonpath", "{.x}")."""
    name, equals, argument = str(session.flag("output", "")).partition("=")
    if not equals:
        argument = session.flag("template", "") or ""
    return name, argument


def unknown_format(output: str, *, get: bool) -> KubectlError:
    """The complaint about a format that does not exist."""
    allowed = [name for name in _ALL if get or name not in _COLUMNS]
    if get:
        allowed.append("wide")
    allowed.append("yaml")
    return KubectlError(
        f'unable to match a printer suitable for the output format "{output}", allowed formats are: '
        f"{','.join(sorted(allowed))}"
    )


def object_text(session: Session, resource_of: Callable[[dict[str, Any]], Resource] | None = None) -> Text | None:
    """The function that turns an object into the text ``-o`` asks for; None when no object format was asked for.

    `resource_of` names an object's type (for ``-o name``). YAML documents after the first begin with ``---``.
    """
    name, argument = split_output(session)
    keep = bool(session.flag("show-managed-fields"))
    if name in ("", "wide"):
        return None
    if name == "json":
        from lab_helpers.tools.kubectl.output.jsontexts import json_text

        return lambda body: json_text(body if keep else without_managed_fields(body)) + "\n"
    if name == "yaml":
        return _yaml(keep)
    if name == "name":
        return lambda body: "".join(f"{line}\n" for line in names_of(body, resource_of))
    if name in _JSONPATHS:
        return _jsonpath(name, argument, session)
    if name in _GO_TEMPLATES:
        from lab_helpers.tools.kubectl.errors import not_bundled

        raise not_bundled(f"-o {name}", "use -o jsonpath=… or -o custom-columns=…")
    raise unknown_format(name, get=False)


def _yaml(keep: bool) -> Text:
    from lab_helpers.tools.kubectl.output.yamltexts import yaml_text

    count = 0

    def text(body: dict[str, Any]) -> str:
        nonlocal count
        count += 1
        return ("---\n" if count > 1 else "") + yaml_text(body if keep else without_managed_fields(body))

    return text


def _reason(error: Exception) -> str:
    """Without the words that come before it anyway."""
    return re.sub(r"^error parsing jsonpath(?:: | .*, )", "", str(error), flags=re.DOTALL)


def _jsonpath(name: str, argument: str, session: Session) -> Text:
    from lab_helpers.tools.kubectl.output import jsonpaths

    if not argument:
        raise KubectlError("template format specified but no template given")
    template = _file(argument) if name == "jsonpath-file" else argument
    try:
        nodes = jsonpaths.parse(template)
    except jsonpaths.JsonPathError as error:
        raise KubectlError(f"error parsing jsonpath {template}, {_reason(error)}") from error
    strict = not session.flag("allow-missing-template-keys", True)

    def text(body: dict[str, Any]) -> str:
        if name == "jsonpath-as-json":
            from lab_helpers.tools.kubectl.output import pathsteps
            from lab_helpers.tools.kubectl.output.jsontexts import json_text

            values = [
                value
                for node in nodes
                if not isinstance(node, (pathsteps.Text, pathsteps.Range))
                for value in jsonpaths.evaluate(node, body, body, strict)
            ]
            return json_text(values) + "\n"
        try:
            return jsonpaths.render(nodes, body, strict=strict)
        except jsonpaths.JsonPathError as error:
            from lab_helpers.tools.kubectl.output.gosyntax import go_value

            raise KubectlError(
                f'error executing jsonpath "{template}": Error executing template: {error}. Printing more '
                "information for "
                f"debugging the template:\n\ttemplate was:\n\t\t{template}\n\tobject given to jsonpath engine was:\n"
                f"\t\t{go_value(body)}\n\n"
            ) from error

    return text


def names_of(body: dict[str, Any], resource_of: Callable[[dict[str, Any]], Resource] | None) -> Sequence[str]:
    """``pod/x`` for an object, or for each item of a list."""
    if "items" in body and str(body.get("kind", "")).endswith("List"):
        return [line for item in body["items"] for line in names_of(item, resource_of)]
    name = (body.get("metadata") or {}).get("name") or ""
    if resource_of:
        return [f"{resource_of(body).singular_name}/{name}"]
    group = str(body.get("apiVersion", "")).rpartition("/")[0]
    kind = str(body.get("kind", "")).lower()
    return [f"{kind}.{group}/{name}" if group else f"{kind}/{name}"]


def as_list(items: list[dict[str, Any]]) -> dict[str, Any]:
    """The ``List`` kubectl wraps several objects in."""
    return {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": items}


class Reporter:
    """Tells what happened to an object: ``pod/x created``, or the object itself in the format of ``-o``."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._text = object_text(session)
        self._bodies: list[dict[str, Any]] = []
        mode = session.flag("dry-run", "none")
        self._suffix = {"client": " (dry run)", "server": " (server dry run)"}.get(mode, "")

    def tell(self, shown: str, operation: str, body: dict[str, Any]) -> None:
        """`shown` is ``pod/x``; `operation` ``created``, ``configured`` … Objects are printed by `finish`."""
        if self._text is None:
            self._session.say(f"{shown} {operation}{self._suffix}")
        elif split_output(self._session)[0] == "name":
            self._session.say(shown)
        else:
            self._bodies.append(body)

    def finish(self) -> None:
        """Print the objects kept so far: one by itself, several as a list."""
        if self._text is not None and self._bodies:
            listed = {**as_list(self._bodies), "metadata": {}}
            self._session.out.write(self._text(self._bodies[0] if len(self._bodies) == 1 else listed))
        self._bodies = []


def dry_run(session: Session) -> str:
    """``none``, ``client`` or ``server``. Raises KubectlError."""
    mode = str(session.flag("dry-run", "none"))
    if mode in ("none", "false"):
        return "none"
    if mode in ("client", "server"):
        return mode
    if mode == "unchanged":
        session.complain("W: --dry-run is deprecated and can be replaced with --dry-run=client.")
        return "client"
    raise KubectlError(f'Invalid dry-run value ({mode}). Must be "none", "server", or "client".')


def dry_run_query(session: Session) -> dict[str, Any]:
    """The query of a write that the server checks and does not store; {} for any other. Raises KubectlError."""
    return {"dryRun": "All"} if dry_run(session) == "server" else {}


def add_dry_run_flag(flags: FlagSet) -> None:
    """Define ``--dry-run``; without a value it means client."""
    flag = flags.string("dry-run", "none", "none, client (only print) or server (check there, store nothing)")
    flag.implied = "unchanged"
