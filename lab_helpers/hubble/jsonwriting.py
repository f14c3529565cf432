"""Messages to JSON as Go's protojson writes them for Hubble.

Members come in the order of *declaration* in the schema (protobuf's own Python writer uses field numbers), with
original names, defaults omitted, set but empty messages kept, 64-bit integers as strings, enums by name, ``<>&`` and
U+2028/9 escaped as Go's encoding/json does.
"""

import base64
import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from google.protobuf.message import Message

from lab_helpers.hubble import times
from lab_helpers.hubble.errors import JsonError

_INT32, _INT64, _UINT32, _UINT64, _DOUBLE, _FLOAT, _BOOL, _ENUM, _STRING, _MESSAGE = range(1, 11)
_WRAPPERS = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Bool", "Int32", "Int64", "UInt32", "UInt64", "String", "Double", "Float", "Bytes")
)
_HTML = re.compile("[<>&\u2028\u2029]")
_encode = json.encoder.encode_basestring


def quote(text: str) -> str:
    """A JSON string with Go's HTML-safe escapes."""
    out = _encode(text)
    return _HTML.sub(lambda match: f"\\u{ord(match[0]):04x}", out) if _HTML.search(out) else out


def go_float(number: float) -> str:
    """A float as Go writes it in JSON: shortest digits, an exponent below 1e-6 and from 1e21 on."""
    if not math.isfinite(number):
        return '"NaN"' if math.isnan(number) else f'"{"-" if number < 0 else ""}Infinity"'
    text = repr(number)
    mantissa, exponential, exponent = text.partition("e")
    if not exponential:
        return text.removesuffix(".0")
    if 1e-6 <= abs(number) < 1e21:
        return format(Decimal(text), "f")
    sign = "-" if exponent.startswith("-") else "+"
    return f"{mantissa.removesuffix('.0')}e{sign}{exponent.lstrip('+-0')}"


def dumps(message: Message) -> str:
    """`message` as one line of JSON."""
    special = _SPECIAL.get(message.DESCRIPTOR.full_name)
    return special(message) if special else _object(message)


def _object(message: Any) -> str:
    members = []
    for field, value in message.ListFields():
        plan = _plans.get(field)
        if plan is None:
            plan = _plans[field] = _plan(field)
        index, prefix, write, repeated = plan
        if repeated:
            members.append((index, f"{prefix}[{','.join([write(item) for item in value])}]"))
        else:
            members.append((index, prefix + write(value)))
    if len(members) > 1:
        members.sort(key=_first)
    return "{" + ",".join([text for _, text in members]) + "}"


_Plan = tuple[int, str, Callable[[Any], str], bool]
_plans: dict[Any, _Plan] = {}
"""How to write each field: place in the declaration, name, function of a value, whether there are many. Asking a
field's descriptor is slow, so it is asked once."""


def _first(member: tuple[int, str]) -> int:
    return member[0]


def _plan(field: Any) -> _Plan:
    if field.cpp_type == _ENUM:
        write = _enum_writer(field)
    elif field.cpp_type == _MESSAGE:
        write = _SPECIAL.get(field.message_type.full_name, _object)
    else:
        write = _WRITERS[field.cpp_type]
    return field.index, f'"{field.name}":', write, field.is_repeated


def _enum_writer(field: Any) -> Callable[[int], str]:
    names = {value.number: f'"{value.name}"' for value in reversed(field.enum_type.values)}
    return lambda number: names.get(number) or str(number)


def _write_any(message: Any) -> str:
    if not message.type_url:
        return "{}"
    from google.protobuf import symbol_database

    try:
        inner = symbol_database.Default().GetSymbol(message.TypeName())()
    except KeyError:
        raise JsonError(f'google.protobuf.Any: unable to resolve "{message.type_url}"') from None
    inner.ParseFromString(message.value)
    body = dumps(inner)
    head = f'{{"@type":{quote(message.type_url)}'
    if inner.DESCRIPTOR.full_name in _SPECIAL:
        return f'{head},"value":{body}}}'
    return head + ("," + body[1:] if body != "{}" else "}")


def _camel(path: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), path)


_WRITERS: dict[int, Callable[[Any], str]] = {
    _INT32: str,
    _UINT32: str,
    _INT64: lambda value: f'"{value}"',
    _UINT64: lambda value: f'"{value}"',
    _DOUBLE: go_float,
    _FLOAT: go_float,
    _BOOL: lambda value: "true" if value else "false",
    _STRING: lambda value: quote(value) if isinstance(value, str) else f'"{base64.b64encode(value).decode()}"',
}
_SPECIAL: dict[str, Callable[[Any], str]] = {
    "google.protobuf.Timestamp": lambda message: f'"{times.json_stamp(message)}"',
    "google.protobuf.FieldMask": lambda message: quote(",".join(_camel(path) for path in message.paths)),
    "google.protobuf.Any": _write_any,
}
_SPECIAL.update(
    {name: lambda message: _WRITERS[message.DESCRIPTOR.fields[0].cpp_type](message.value) for name in _WRAPPERS}
)
