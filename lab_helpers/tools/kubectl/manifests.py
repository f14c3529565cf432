"""Objects in files: ``-f`` names files, directories or standard input; YAML or JSON, one or several documents, lists
unfolded.
"""

import os
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from lab_helpers.tools.kubectl.errors import KubectlError, not_bundled
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest.discovery import Resource
from lab_helpers.tools.rest.errors import UnknownKindError, kubectl_text

_EXTENSIONS = (".json", ".yaml", ".yml")


class Manifest(NamedTuple):
    """An object and where it was written; `resource` and `namespace` ("": cluster-wide) say where it belongs."""

    source: str
    body: dict[str, Any]
    resource: Resource
    namespace: str

    @property
    def name(self) -> str:
        """metadata.name or ""."""
        return str((self.body.get("metadata") or {}).get("name") or "")

    @property
    def path(self) -> str:
        """The object's URL path."""
        return self.resource.path(self.namespace, self.name)

    @property
    def collection(self) -> str:
        """The URL path of its collection."""
        return self.resource.path(self.namespace)

    @property
    def shown(self) -> str:
        """``deployment.apps/web``."""
        return f"{self.resource.singular_name}/{self.name}"


def _texts(names: Iterable[str], session: Session, recursive: bool) -> Iterator[tuple[str, str]]:
    for name in names:
        if name == "-":
            yield "STDIN", session.read_input()
        elif re.match(r"https?://", name):
            raise KubectlError(
                f"{name}: the bundled kubectl reads no URLs; download the file first, or use the real kubectl "
                "(CILIUM_LABS_TOOLS=system)"
            )
        elif os.path.isdir(name):
            yield from _folder(name, recursive)
        else:
            yield name, _content(name)


def _folder(name: str, recursive: bool) -> Iterator[tuple[str, str]]:
    found = False
    for folder, folders, files in os.walk(name):
        folders.sort()
        if not recursive:
            folders.clear()
        for file in sorted(files):
            if file.endswith(_EXTENSIONS):
                found = True
                path = os.path.join(folder, file)
                yield path, _content(path)
    if not found:
        raise KubectlError(f"error reading [{name}]: recognized file extensions are [.json .yaml .yml]")


def _content(path: str) -> str:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except FileNotFoundError:
        raise KubectlError(f'the path "{path}" does not exist') from None
    except UnicodeDecodeError as error:
        raise KubectlError(
            f"error parsing {path}: it is no UTF-8 text ({error.reason} at byte {error.start})"
        ) from error
    except OSError as error:
        raise KubectlError(f'the path "{path}" cannot be accessed: {(error.strerror or str(error)).lower()}') from error


def parse_documents(text: str, source: str) -> Iterator[Any]:
    """The documents of a YAML or JSON text, empty ones left out. Raises KubectlError where one is broken."""
    import yaml

    from lab_helpers.tools.kubectl.yamlreading import LOADER

    for document in re.split(r"^---(?:[ \t].*)?(?:\n|\Z)", text, flags=re.MULTILINE):
        if not document.strip():
            continue
        try:
            value = yaml.load(document, Loader=LOADER)  # noqa: S506 - a safe loader with fewer resolvers
        except yaml.YAMLError as error:
            raise KubectlError(
                f"error parsing {source}: error converting YAML to JSON: {_go_yaml_text(error)}"
            ) from error
        if value is not None:
            yield value


def _go_yaml_text(error: Exception) -> str:
    """go-yaml's words; it counts the lines of scanner and parser errors differently."""
    import yaml

    problem = getattr(error, "problem", None)
    mark = getattr(error, "problem_mark", None)
    if problem is None or mark is None:
        return f"yaml: {error}"
    line = mark.line + (1 if isinstance(error, yaml.scanner.ScannerError) and mark.line else 0)
    context = getattr(error, "context_mark", None)
    if not line and context is not None:
        line = context.line
    return f"yaml: line {line}: {problem}" if line else f"yaml: {problem}"


def _unfolded(value: Any, source: str) -> Iterator[dict[str, Any]]:
    from lab_helpers.tools.kubectl.output.jsontexts import json_text

    if not isinstance(value, dict):
        kind = {list: "array", str: "string", bool: "bool"}.get(type(value), "number")
        raise KubectlError(
            f'unable to decode "{source}": json: cannot unmarshal {kind} into Go value of type unstructured.detector'
        )
    if not value.get("kind"):
        raise KubectlError(f"unable to decode \"{source}\": Object 'Kind' is missing in '{json_text(value, None)}'")
    if isinstance(value.get("items"), list) and str(value["kind"]).endswith("List"):
        for item in value["items"]:
            yield from _unfolded(item, source)
    else:
        yield value


Failures = list[Exception]


def _validated(session: Session, source: str, value: Any) -> None:
    """kubectl's check of what it is about to write. Raises KubectlError."""
    if str(session.flag("validate", "ignore")) in ("ignore", "false"):
        return
    if not isinstance(value, dict):
        reason = "invalid object to validate"
    else:
        missing = [f"{key} not set" for key in ("apiVersion", "kind") if not value.get(key)]
        if not missing:
            return
        reason = missing[0] if len(missing) == 1 else f"[{', '.join(missing)}]"
    raise KubectlError(
        f'error validating "{source}": error validating data: {reason}; if you choose to ignore these errors, turn '
        "validation off with --validate=false"
    )


def documents(session: Session) -> tuple[list[tuple[str, dict[str, Any]]], Failures]:
    """What ``-f`` (and ``-R``) of the session name, as (source, object), and what could not be read. ``-k`` is
    refused.
    """
    if session.flag("kustomize"):
        raise not_bundled("-k (kustomize)", "apply plain manifests with -f")
    out: list[tuple[str, dict[str, Any]]] = []
    failures: Failures = []
    texts = list(_texts(session.flag("filename") or [], session, bool(session.flag("recursive"))))
    for source, text in texts:
        try:
            for value in parse_documents(text, source):
                _validated(session, source, value)
                out += [(source, body) for body in _unfolded(value, source)]
        except KubectlError as error:
            failures.append(error)
    return out, failures


def place(session: Session, source: str, body: dict[str, Any]) -> Manifest:
    """Find an object's type and namespace. Raises KubectlError for an unknown type or a namespace that is not the one
    asked for.
    """
    try:
        resource = session.catalogue.of_kind(str(body.get("apiVersion") or ""), str(body["kind"]))
    except UnknownKindError as error:
        name = (body.get("metadata") or {}).get("name") or ""
        namespace = (body.get("metadata") or {}).get("namespace") or ""
        raise KubectlError(
            f'resource mapping not found for name: "{name}" namespace: "{namespace}" from "{source}": {error}\n'
            "ensure CRDs are installed first"
        ) from error
    if not resource.namespaced:
        return Manifest(source, body, resource, "")
    if body.get("metadata") is None:
        body["metadata"] = {}
    own = str(body["metadata"].get("namespace") or "")
    if own and session.namespace_given and own != session.namespace:
        raise KubectlError(
            f'the namespace from the provided object "{own}" does not match the namespace "{session.namespace}". '
            f"You must pass '--namespace={own}' to perform this operation."
        )
    body["metadata"]["namespace"] = own or session.namespace
    return Manifest(source, body, resource, own or session.namespace)


def read_manifests(session: Session) -> tuple[list[Manifest], Failures]:
    """All objects that ``-f`` names, placed, and what could not be read or placed."""
    found, failures = documents(session)
    out = []
    for source, body in found:
        try:
            out.append(place(session, source, body))
        except KubectlError as error:
            failures.append(error)
    return out, failures


def manifests(session: Session) -> list[Manifest]:
    """All objects that ``-f`` names. Raises the first failure."""
    out, failures = read_manifests(session)
    if failures:
        raise failures[0]
    return out


def report(session: Session, failures: Failures) -> int:
    """Print failures as kubectl does (several without ``error: ``) and return the exit status."""
    for failure in failures:
        line = failure.line if isinstance(failure, KubectlError) else kubectl_text(failure)
        session.complain(line.removeprefix("error: ") if len(failures) > 1 else line)
    return 1 if failures else 0
