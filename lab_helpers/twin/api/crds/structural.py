"""Validation of custom objects against a structural schema, with the messages of kube-openapi's validation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lab_helpers.policy.regexes import compile_pattern
from lab_helpers.twin.api.crds.formats import matches_format

__all__ = ["Finding", "Result", "apply_defaults", "validate"]

Schema = Mapping[str, Any]
Finding = tuple[str, str, str]
"""Reason, message and field of one error."""


class Result:
    """Errors, and how many checks passed (it chooses which alternative of an ``anyOf`` is explained)."""

    def __init__(self) -> None:
        self.errors: list[Finding] = []
        self.matches = 0

    def merge(self, other: Result) -> None:
        """Take over errors and count."""
        self.errors += other.errors
        self.matches += other.matches

    def invalid(self, path: str, value: Any, why: str) -> None:
        """``Invalid value`` with the body-relative text."""
        self.errors.append(("FieldValueInvalid", f"Invalid value: {_shown(value)}: {why}", path))

    def wrong_type(self, path: str, wanted: str, found: str) -> None:
        """A value of another type or format."""
        text = f"{path} in body must be of type {wanted}: {json.dumps(found)}"
        self.errors.append(("FieldValueTypeInvalid", f"Invalid value: {_shown(found)}: {text}", path))


def validate(value: Any, schema: Schema, path: str = "") -> Result:
    """Check ``value``; ``path`` is where it sits in the object."""
    result = Result()
    if value is None and schema.get("nullable"):
        return result
    if schema.get("type") and not _check_type(value, schema, path, result):
        _check_enum(value, schema, path, result)
        return result
    result.matches += 1
    if schema.get("x-kubernetes-int-or-string") and not (isinstance(value, str) or _is_integer(value)):
        result.wrong_type(path, "integer,string", _type_name(value))
    _combinations(value, schema, path, result)
    if isinstance(value, str):
        _check_text(value, schema, path, result)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _check_number(value, schema, path, result)
    elif isinstance(value, list):
        _check_list(value, schema, path, result)
    _check_enum(value, schema, path, result)
    if isinstance(value, Mapping):
        _check_object(value, schema, path, result)
    return result


def _check_type(value: Any, schema: Schema, path: str, result: Result) -> bool:
    wanted = schema["type"]
    fits = {
        "object": lambda: isinstance(value, Mapping),
        "array": lambda: isinstance(value, list),
        "string": lambda: isinstance(value, str),
        "integer": lambda: _is_integer(value),
        "number": lambda: isinstance(value, int | float) and not isinstance(value, bool),
        "boolean": lambda: isinstance(value, bool),
    }[wanted]()
    if not fits:
        result.wrong_type(path, wanted, _type_name(value))
    return fits


def _is_integer(value: Any) -> bool:
    return not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))


def _type_name(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case Mapping():
            return "object"
        case list():
            return "array"
        case str():
            return "string"
        case int():
            return "integer"
    return "number"


def _check_enum(value: Any, schema: Schema, path: str, result: Result) -> None:
    choices = schema.get("enum")
    if choices is None or value in choices:
        return
    listed = ", ".join(json.dumps(c if isinstance(c, str) else json.dumps(c)) for c in choices)
    message = f"Unsupported value: {_shown(value)}: supported values: {listed}"
    result.errors.append(("FieldValueNotSupported", message, path))


def _check_text(value: str, schema: Schema, path: str, result: Result) -> None:
    limit, least = schema.get("maxLength"), schema.get("minLength")
    if limit is not None and len(value) > limit:
        result.errors.append(("FieldValueTooLong", f"Too long: may not be more than {limit} bytes", path))
    if least is not None and len(value) < least:
        result.invalid(path, value, f"{path} in body should be at least {least} chars long")
    pattern = schema.get("pattern")
    if pattern is not None and not compile_pattern(pattern).search(value):
        result.invalid(path, value, f"{path} in body should match '{pattern}'")
    kind = schema.get("format")
    if kind and not matches_format(kind, value):
        text = f"{path} in body must be of type {kind}: {json.dumps(value)}"
        result.errors.append(("FieldValueTypeInvalid", f"Invalid value: {json.dumps(value)}: {text}", path))


def _check_number(value: float, schema: Schema, path: str, result: Result) -> None:
    most, least, step = schema.get("maximum"), schema.get("minimum"), schema.get("multipleOf")
    if most is not None and (value > most or (schema.get("exclusiveMaximum") and value == most)):
        word = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        result.invalid(path, value, f"{path} in body should be {word} {most}")
    if least is not None and (value < least or (schema.get("exclusiveMinimum") and value == least)):
        word = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        result.invalid(path, value, f"{path} in body should be {word} {least}")
    if step and value % step:
        result.invalid(path, value, f"{path} in body should be a multiple of {step}")
    bits = {"int32": 31, "int64": 63}.get(schema.get("format", ""))
    if bits and schema.get("type") == "integer" and not -(1 << bits) <= value < (1 << bits):
        result.invalid(path, value, f"Checked value must be of type integer with format {schema['format']}")


def _check_list(value: Sequence[Any], schema: Schema, path: str, result: Result) -> None:
    most, least = schema.get("maxItems"), schema.get("minItems")
    if least is not None and len(value) < least:
        result.invalid(path, len(value), f"{path} in body should have at least {least} items")
    if most is not None and len(value) > most:
        message = f"Too many: {len(value)}: must have at most {most} {'item' if most == 1 else 'items'}"
        result.errors.append(("FieldValueTooMany", message, path))
    if schema.get("uniqueItems") and len({_shown(item) for item in value}) < len(value):
        result.invalid(path, "", f"{path} in body shouldn't contain duplicates")
    items = schema.get("items")
    if isinstance(items, Mapping):
        for position, item in enumerate(value):
            result.merge(validate(item, items, f"{path}[{position}]"))
    _check_list_keys(value, schema, path, result)


def _check_list_keys(value: Sequence[Any], schema: Schema, path: str, result: Result) -> None:
    """``x-kubernetes-list-type``: no two elements with the same key."""
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or ()
    if kind not in ("set", "map"):
        return
    seen: set[str] = set()
    for position, item in enumerate(value):
        key = item if kind == "set" else {k: item[k] for k in keys if isinstance(item, Mapping) and k in item}
        text = _shown(key)
        if text in seen:
            result.errors.append(("FieldValueDuplicate", f"Duplicate value: {text}", f"{path}[{position}]"))
        seen.add(text)


def _check_object(value: Mapping[str, Any], schema: Schema, path: str, result: Result) -> None:
    most, least = schema.get("maxProperties"), schema.get("minProperties")
    if least is not None and len(value) < least:
        result.invalid(path, len(value), f"{path} in body should have at least {least} properties")
    if most is not None and len(value) > most:
        message = f"Too many: {len(value)}: must have at most {most} {'item' if most == 1 else 'items'}"
        result.errors.append(("FieldValueTooMany", message, path))
    properties = schema.get("properties") or {}
    extra = schema.get("additionalProperties")
    for key, item in value.items():
        below = properties.get(key, extra if isinstance(extra, Mapping) else None)
        if below is not None:
            result.merge(validate(item, below, f"{path}.{key}" if path else key))
    for key in schema.get("required") or ():
        if key not in value:
            result.errors.append(("FieldValueRequired", "Required value", f"{path}.{key}" if path else key))


def _combinations(value: Any, schema: Schema, path: str, result: Result) -> None:
    name = json.dumps(path)
    if choices := schema.get("anyOf"):
        results = [validate(value, choice, path) for choice in choices]
        if all(one.errors for one in results):
            result.errors.append(_about_all(f"{name} must validate at least one schema (anyOf)"))
            result.merge(_best(results))
    if choices := schema.get("oneOf"):
        results = [validate(value, choice, path) for choice in choices]
        valid = sum(not one.errors for one in results)
        if valid != 1:
            found = "Found none valid" if not valid else f"Found {valid} valid alternatives"
            result.errors.append(_about_all(f"{name} must validate one and only one schema (oneOf). {found}"))
            if not valid:
                result.merge(_best(results))
    if choices := schema.get("allOf"):
        results = [validate(value, choice, path) for choice in choices]
        for one in results:
            result.merge(one)
        valid = sum(not one.errors for one in results)
        if valid != len(results):
            more = ". None validated" if not valid else ""
            result.errors.append(_about_all(f"{name} must validate all the schemas (allOf){more}"))
    if (unwanted := schema.get("not")) is not None and not validate(value, unwanted, path).errors:
        result.errors.append(_about_all(f"{name} must not validate the schema (not)"))


def _about_all(text: str) -> Finding:
    return ("FieldValueInvalid", f'Invalid value: "": {text}', "<nil>")


def _best(results: Sequence[Result]) -> Result:
    return max(results, key=lambda one: one.matches)


def apply_defaults(value: Any, schema: Schema) -> None:
    """Fill in ``default`` values below ``value``, in place; nulls that are not allowed make room for them."""
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        for key, below in properties.items():
            if "default" in below and (key not in value or (value[key] is None and not below.get("nullable"))):
                value[key] = json.loads(json.dumps(below["default"]))
            if key in value:
                apply_defaults(value[key], below)
        extra = schema.get("additionalProperties")
        if isinstance(extra, Mapping):
            for key, item in value.items():
                if key not in properties:
                    apply_defaults(item, extra)
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for item in value:
            apply_defaults(item, schema["items"])


def _shown(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
