"""Schemas of an OpenAPI v3 document, and the text ``kubectl explain`` prints for one (kubectl pkg/explain/v2
plaintext template).
"""

from collections.abc import Sequence
from typing import Any

from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.rest.discovery import Resource

Schema = dict[str, Any]


class Schemas:
    """The schemas of one group and version."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._all: dict[str, Schema] = (document.get("components") or {}).get("schemas") or {}

    def of(self, resource: Resource) -> Schema:
        """The schema of a type. Raises KubectlError."""
        for schema in self._all.values():
            for kind in schema.get("x-kubernetes-group-version-kind") or []:
                if (kind.get("group"), kind.get("version"), kind.get("kind")) == (
                    resource.group,
                    resource.version,
                    resource.kind,
                ):
                    return schema
        raise KubectlError(f'couldn\'t find resource for "{resource.api_version}, Kind={resource.kind}"')

    def resolved(self, schema: Schema) -> Schema:
        """A schema with its reference followed; its own description wins."""
        seen: set[str] = set()
        out = dict(schema)
        while True:
            parts = out.get("allOf") or []
            reference = out.get("$ref") or (parts[0].get("$ref") if len(parts) == 1 else None)
            if not reference or reference in seen:
                return out
            seen.add(reference)
            found = self._all.get(reference.rpartition("/")[2], {})
            rest = {key: value for key, value in out.items() if key not in ("$ref", "allOf", "default")}
            out = {**found, **rest}

    def fields(self, schema: Schema) -> Schema:
        """The properties of an object, of the items of a list, or of the values of a map."""
        schema = self.resolved(schema)
        for key in ("items", "additionalProperties"):
            if isinstance(schema.get(key), dict) and "properties" not in schema:
                return self.fields(schema[key])
        return schema.get("properties") or {}

    def type_of(self, schema: Schema) -> str:
        """``string``, ``Container``, ``[]Container``, ``map[string]string``."""
        reference = schema.get("$ref") or next(
            (part["$ref"] for part in schema.get("allOf") or [] if "$ref" in part), ""
        )
        full = self.resolved(schema)
        if full.get("items") is not None and full.get("type") == "array":
            return f"[]{self.type_of(full['items'])}"
        if isinstance(full.get("additionalProperties"), dict):
            return f"map[string]{self.type_of(full['additionalProperties'])}"
        if reference and full.get("properties"):
            return str(reference.rpartition(".")[2])
        if reference and full.get("type") in (None, "object"):
            return str(reference.rpartition(".")[2])
        return {"": "Object", "object": "Object"}.get(str(full.get("type") or ""), str(full.get("type")))


def wrapped(text: str, indent: int, width: int = 80) -> list[str]:
    """Lines of at most `width` columns, indented; the text's own lines are kept apart."""
    import textwrap

    out: list[str] = []
    for part in text.split("\n"):
        pieces = textwrap.wrap(part, width - indent, break_long_words=False, break_on_hyphens=False) or [""]
        out += [(" " * indent + piece).rstrip() for piece in pieces]
    return out


def _names(schemas: Schemas, schema: Schema, level: int, recursive: bool, seen: tuple[int, ...] = ()) -> list[str]:
    properties = schemas.fields(schema)
    required = set(_required(schemas, schema))
    out: list[str] = []
    for name in sorted(properties):
        field = properties[name]
        mark = " -required-" if name in required else ""
        out.append(f"{'  ' * level}{name}\t<{schemas.type_of(field)}>{mark}")
        if recursive:
            allowed = _enum(schemas.resolved(field))
            if allowed:
                out.append(f"{'  ' * level}{allowed}")
            inner = schemas.fields(field)
            if inner and id(inner) not in seen:
                out += _names(schemas, field, level + 1, True, (*seen, id(inner)))
        else:
            allowed = _enum(schemas.resolved(field))
            if allowed:
                out.append(f"{'  ' * level}{allowed}")
            text = field.get("description") or "<no description>"
            out += wrapped(text, 2 * level + 2)
            out.append("")
    return out


def _enum(schema: Schema) -> str:
    values = schema.get("enum")
    return (
        f"enum: {', '.join(str(value) for value in values[:4])}{', ....' if len(values) > 4 else ''}" if values else ""
    )


def _required(schemas: Schemas, schema: Schema) -> Sequence[str]:
    schema = schemas.resolved(schema)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict) and "properties" not in schema:
            return _required(schemas, schema[key])
    return schema.get("required") or []


class UnknownFieldError(KubectlError):
    """A field the type has not; `head` is what is printed before the complaint."""

    def __init__(self, head: str, name: str) -> None:
        super().__init__(f'field "{name}" does not exist')
        self.head = head


def _descriptions(schemas: Schemas, schema: Schema) -> list[str]:
    """A field's own description, then that of the type it refers to or holds."""
    out = [schema.get("description")]
    bare = {key: value for key, value in schema.items() if key != "description"}
    full = schemas.resolved(bare)
    out.append(full.get("description"))
    inner = full.get("items") or full.get("additionalProperties")
    if isinstance(inner, dict):
        out.append(schemas.resolved(inner).get("description"))
    return list(dict.fromkeys(text for text in out if text))


def explain_text(schemas: Schemas, resource: Resource, path: Sequence[str], *, recursive: bool) -> str:
    """The page. Raises KubectlError for a field that does not exist."""
    schema = schemas.of(resource)
    field = ""
    lines = []
    if resource.group:
        lines.append(f"GROUP:      {resource.group}")
    lines += [f"KIND:       {resource.kind}", f"VERSION:    {resource.version}", ""]
    for name in path:
        properties = schemas.fields(schema)
        if name not in properties:
            raise UnknownFieldError("\n".join(lines) + "\n", name)
        schema, field = properties[name], name
    if field:
        lines += [f"FIELD: {field} <{schemas.type_of(schema)}>", "", ""]
    allowed = _enum(schemas.resolved(schema))
    if allowed:
        lines += ["ENUM:", *(f"    {value}" for value in schemas.resolved(schema)["enum"]), ""]
    lines.append("DESCRIPTION:")
    for text in _descriptions(schemas, schema) or ["<empty>"]:
        lines += wrapped(text, 4)
    lines.append("    ")
    if schemas.fields(schema):
        lines.append("FIELDS:")
        lines += _names(schemas, schema, 1, recursive)
    lines.append("")
    return "\n".join(lines) + "\n"
