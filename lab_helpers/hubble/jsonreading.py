"""Messages from JSON as Go's protojson reads them.

Original or camelCase names, enum names or numbers, numbers as strings; an unknown field or enum name is an error unless
told to discard it. Errors read like protojson's.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeVar

from google.protobuf.message import Message

from lab_helpers.hubble import times
from lab_helpers.hubble.errors import JsonError

M = TypeVar("M", bound=Message)
_INT32, _INT64, _UINT32, _UINT64, _DOUBLE, _FLOAT, _BOOL, _ENUM, _STRING, _MESSAGE = range(1, 11)
_WRAPPERS = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Bool", "Int32", "Int64", "UInt32", "UInt64", "String", "Double", "Float", "Bytes")
)


class _Members(list[tuple[str, Any]]):
    """A JSON object as its members in order, so that doubles are noticed."""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"invalid value {name}")


_decoder = json.JSONDecoder(object_pairs_hook=_Members, parse_constant=_no_constant)


def loads(text: str, message: M, *, discard_unknown: bool = False) -> M:
    """Fill `message` from a JSON document and return it; JsonError says why not."""
    try:
        document = _decoder.decode(text)
    except (ValueError, RecursionError) as error:
        raise JsonError(_syntax(text, error)) from None
    try:
        _fill(message, document, discard_unknown)
    except JsonError as error:
        raise _located(text, error) from None
    return message


def _located(text: str, error: JsonError) -> JsonError:
    """`error` with the place of the name or value it quotes, as far as that can be told from the text."""
    quoted = re.search(r'"(?:[^"\\]|\\.)*"', str(error))
    place = text.find(quoted[0]) if quoted and not str(error).endswith(f"field {quoted[0]}") else -1
    if quoted and place < 0:
        match = re.search(re.escape(quoted[0]) + r"\s*:", text)
        place = match.start() if match else -1
    if place < 0:
        return error
    line = text.count("\n", 0, place) + 1
    column = place - (text.rfind("\n", 0, place) + 1) + 1
    return JsonError(str(error).replace("(line 1:2)", f"(line {line}:{column})"), unknown=error.unknown)


def documents(text: str) -> Iterator[str]:
    """Split concatenated JSON documents; JsonError with the text of Go's encoding/json for a broken one."""
    position, end = 0, len(text)
    while True:
        while position < end and text[position] in " \t\r\n":
            position += 1
        if position >= end:
            return
        try:
            _, stop = _decoder.raw_decode(text, position)
        except ValueError as error:
            raise JsonError(_go_syntax(text, position, error)) from None
        yield text[position:stop]
        position = stop


def _go_syntax(text: str, start: int, error: ValueError) -> str:
    where = getattr(error, "pos", start)
    if "Unterminated string" in str(error) or where >= len(text.rstrip()):
        return "unexpected EOF"
    char = text[where]
    return f"invalid character '{char}' looking for beginning of value"


def _syntax(text: str, error: Exception) -> str:
    where = getattr(error, "pos", 0)
    if not text.strip() or where >= len(text.rstrip()):
        return "proto: syntax error (line 1:1): unexpected token " if not text.strip() else "proto: unexpected EOF"
    token = re.match(r"[\w.+-]+|.", text[where:], re.DOTALL)
    line = text.count("\n", 0, where) + 1
    column = where - (text.rfind("\n", 0, where) + 1) + 1
    return f"proto: syntax error (line {line}:{column}): invalid value {token[0] if token else ''}"


class _Field:
    """What reading needs to know of a field. Asking a descriptor is slow, so it is asked once."""

    __slots__ = ("descriptor", "enum", "kind", "name", "oneof", "repeated")

    def __init__(self, descriptor: Any) -> None:
        self.descriptor = descriptor
        self.name: str = descriptor.name
        self.kind: int = descriptor.cpp_type
        self.repeated: bool = descriptor.is_repeated
        oneof = descriptor.containing_oneof
        self.oneof: str = oneof.full_name if oneof is not None else ""
        names = descriptor.enum_type.values_by_name if self.kind == _ENUM else {}
        self.enum: dict[str, int] = {name: value.number for name, value in names.items()}


_plans: dict[Any, tuple[dict[str, _Field], Callable[[Any, Any, bool], None] | None]] = {}


def _plan(descriptor: Any) -> tuple[dict[str, _Field], Callable[[Any, Any, bool], None] | None]:
    """Fields of a message by original and by JSON name, and the reader of a well-known type."""
    fields: dict[str, _Field] = {}
    for each in descriptor.fields:
        fields[each.json_name] = fields[each.name] = _Field(each)
    found = _plans[descriptor] = (fields, _PARSERS.get(descriptor.full_name))
    return found


def _fill(message: Any, document: Any, discard: bool) -> None:
    descriptor = message.DESCRIPTOR
    fields, reader = _plans.get(descriptor) or _plan(descriptor)
    if reader:
        reader(message, document, discard)
        return
    if document.__class__ is not _Members:
        raise JsonError(f"proto: syntax error (line 1:1): unexpected token {_token(document)}")
    seen = set()
    for name, value in document:
        field = fields.get(name)
        if field is None:
            if discard:
                continue
            raise JsonError(f'proto: (line 1:2): unknown field "{name}"', unknown=True)
        key = field.name
        if key in seen:
            raise JsonError(f'proto: (line 1:2): duplicate field "{name}"')
        seen.add(key)
        if value is None:
            continue
        if field.oneof:
            if field.oneof in seen:
                raise JsonError(f'proto: (line 1:2): error parsing "{name}", oneof {field.oneof} is already set')
            seen.add(field.oneof)
        if field.repeated:
            _fill_list(message, field, value, discard)
        elif field.kind == _MESSAGE:
            child = getattr(message, key)
            child.SetInParent()
            _fill(child, value, discard)
        elif field.kind == _STRING and value.__class__ is str and value.isascii() and field.descriptor.type == 9:
            setattr(message, key, value)
        else:
            scalar = _scalar(field, value, discard)
            if scalar is not None:
                setattr(message, key, scalar)


def _fill_list(message: Any, field: _Field, value: Any, discard: bool) -> None:
    if isinstance(value, _Members) or not isinstance(value, list):
        raise JsonError(f"proto: syntax error (line 1:1): unexpected token {_token(value)}")
    target = getattr(message, field.name)
    if field.kind == _MESSAGE:
        for item in value:
            _fill(target.add(), item, discard)
    else:
        target.extend(item for item in (_scalar(field, item, discard) for item in value) if item is not None)


_RANGES = {
    _INT32: (-(1 << 31), 1 << 31),
    _UINT32: (0, 1 << 32),
    _INT64: (-(1 << 63), 1 << 63),
    _UINT64: (0, 1 << 64),
}
_KINDS = {1: "int32", 2: "int64", 3: "uint32", 4: "uint64", 5: "double", 6: "float", 7: "bool", 8: "enum", 9: "string"}


def _scalar(field: _Field, value: Any, discard: bool) -> Any:
    """The value of a scalar field; None for an unknown enum name that is to be discarded."""
    kind = field.kind
    if kind == _STRING:
        if isinstance(value, str):
            if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
                raise JsonError("proto: syntax error (line 1:1): invalid escape code in string")
            return value if field.descriptor.type == 9 else _decoded(value)
    elif kind == _BOOL:
        if isinstance(value, bool):
            return value
    elif kind == _ENUM:
        if isinstance(value, str):
            known = field.enum.get(value)
            if known is not None:
                return known
            if discard:
                return None
            raise JsonError(f'proto: (line 1:2): invalid value for enum field {field.name}: "{value}"', unknown=True)
        if not isinstance(value, bool):
            number = _integer(value)
            if number is not None and -(1 << 31) <= number < 1 << 31:
                return number
    elif kind in _RANGES:
        low, high = _RANGES[kind]
        number = _integer(value)
        if number is not None and low <= number < high:
            return number
    elif kind in (_DOUBLE, _FLOAT) and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError:
            pass
    raise JsonError(f"proto: (line 1:2): invalid value for {_KINDS[kind]} field {field.name}: {_token(value)}")


def _decoded(value: str) -> bytes:
    import base64

    return base64.b64decode(value)


def _integer(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        if not re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", value):
            return None
        value = float(value) if re.search("[.eE]", value) else int(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) else None


def _token(value: Any) -> str:
    if isinstance(value, _Members):
        return "{"
    if isinstance(value, list):
        return "["
    return json.dumps(value, ensure_ascii=False)


def _read_stamp(message: Any, value: Any, _discard: bool) -> None:
    parsed = times.parse_rfc3339(value) if isinstance(value, str) and "," not in value else None
    fraction = re.search(r"\.(\d+)", value) if isinstance(value, str) else None
    if parsed is None or (fraction and len(fraction[1]) > 9):
        raise JsonError(f"proto: (line 1:2): invalid google.protobuf.Timestamp value {_token(value)}")
    message.seconds, message.nanos = divmod(parsed, times.SECOND)


def _read_wrapper(message: Any, value: Any, discard: bool) -> None:
    message.value = _scalar(_plans[message.DESCRIPTOR][0]["value"], value, discard)


def _read_mask(message: Any, value: Any, _discard: bool) -> None:
    if not isinstance(value, str):
        raise JsonError(f"proto: (line 1:2): unexpected token {_token(value)}")
    message.paths.extend(
        re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), path) for path in value.split(",") if path
    )


def _read_any(message: Any, value: Any, discard: bool) -> None:
    if not isinstance(value, _Members):
        raise JsonError(f"proto: syntax error (line 1:1): unexpected token {_token(value)}")
    if not value:
        return
    from google.protobuf import symbol_database

    url = next((item for name, item in value if name == "@type"), None)
    try:
        inner = symbol_database.Default().GetSymbol(str(url).rsplit("/", 1)[-1])()
    except KeyError:
        raise JsonError(f"proto: (line 1:2): unable to resolve {_token(url)}: not found") from None
    rest = _Members(item for item in value if item[0] != "@type")
    special = inner.DESCRIPTOR.full_name in _PARSERS
    _fill(inner, rest[0][1] if special and rest else rest, discard)
    message.Pack(inner)
    message.type_url = str(url)


_PARSERS: dict[str, Callable[[Any, Any, bool], None]] = {
    "google.protobuf.Timestamp": _read_stamp,
    "google.protobuf.FieldMask": _read_mask,
    "google.protobuf.Any": _read_any,
}
_PARSERS.update(dict.fromkeys(_WRAPPERS, _read_wrapper))
