"""Messages to and from JSON as Go's protojson does it for Hubble.

Writing: members in the order of *declaration* in the schema (protobuf's own Python writer uses field numbers), original
names, defaults omitted, set but empty messages kept, 64-bit integers as strings, enums by name, ``<>&`` and U+2028/9
escaped as Go's encoding/json does. Reading: original or camelCase names, enum names or numbers, numbers as strings; an
unknown field or enum name is an error unless told to discard it.
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
_HTML = re.compile("[<>&\u2028\u2029]")
_encode = json.encoder.py_encode_basestring


def quote(text: str) -> str:
    """A JSON string with Go's HTML-safe escapes."""
    out = _encode(text)
    return _HTML.sub(lambda match: f"\\u{ord(match[0]):04x}", out) if _HTML.search(out) else out


def go_float(number: float) -> str:
    """A float as Go's encoding/json writes it."""
    if number != number or number in (float("inf"), float("-inf")):
        return '"NaN"' if number != number else f'"{"-" if number < 0 else ""}Infinity"'
    text = repr(number)
    if "e" in text:
        mantissa, exponent = text.split("e")
        if -6 <= int(exponent) < 21:
            return f"{number:.20f}".rstrip("0").rstrip(".") if int(exponent) < 0 else f"{number:.0f}"
        return f"{mantissa.removesuffix('.0')}e{exponent}"
    return text.removesuffix(".0")


def dumps(message: Message) -> str:
    """`message` as one line of JSON."""
    special = _SPECIAL.get(message.DESCRIPTOR.full_name)
    if special:
        return special(message)
    fields = list(message.ListFields())
    if len(fields) > 1:
        fields.sort(key=_declared)
    return "{" + ",".join(f'"{field.name}":{_value(field, value)}' for field, value in fields) + "}"


def _declared(item: tuple[Any, Any]) -> int:
    index: int = item[0].index
    return index


def _value(field: Any, value: Any) -> str:
    if field.is_repeated:
        one = _WRITERS[field.cpp_type]
        return "[" + ",".join(one(field, item) for item in value) + "]"
    return _WRITERS[field.cpp_type](field, value)


def _write_enum(field: Any, value: int) -> str:
    known = field.enum_type.values_by_number.get(value)
    return f'"{known.name}"' if known else str(value)


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


_WRITERS: dict[int, Callable[[Any, Any], str]] = {
    _INT32: lambda _, value: str(value),
    _UINT32: lambda _, value: str(value),
    _INT64: lambda _, value: f'"{value}"',
    _UINT64: lambda _, value: f'"{value}"',
    _DOUBLE: lambda _, value: go_float(value),
    _FLOAT: lambda _, value: go_float(value),
    _BOOL: lambda _, value: "true" if value else "false",
    _ENUM: _write_enum,
    _STRING: lambda _, value: quote(value),
    _MESSAGE: lambda _, value: dumps(value),
}
_SPECIAL: dict[str, Callable[[Any], str]] = {
    "google.protobuf.Timestamp": lambda message: f'"{times.json_stamp(message)}"',
    "google.protobuf.FieldMask": lambda message: quote(",".join(_camel(path) for path in message.paths)),
    "google.protobuf.Any": _write_any,
}
_SPECIAL.update(
    {name: lambda message: _value(message.DESCRIPTOR.fields[0], message.value) for name in _WRAPPERS},
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
    _fill(message, document, discard_unknown)
    return message


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


_readers: dict[str, dict[str, Any]] = {}


def _fields(descriptor: Any) -> dict[str, Any]:
    """Fields of a message by original and by JSON name."""
    known = _readers.get(descriptor.full_name)
    if known is None:
        known = {field.json_name: field for field in descriptor.fields}
        known.update(descriptor.fields_by_name)
        _readers[descriptor.full_name] = known
    return known


def _fill(message: Any, document: Any, discard: bool) -> None:
    descriptor = message.DESCRIPTOR
    reader = _PARSERS.get(descriptor.full_name)
    if reader:
        reader(message, document, discard)
        return
    if not isinstance(document, _Members):
        raise JsonError(f"proto: syntax error (line 1:1): unexpected token {_token(document)}")
    fields, seen, oneofs = _fields(descriptor), set(), set()
    for name, value in document:
        field = fields.get(name)
        if field is None:
            if discard:
                continue
            raise JsonError(f'proto: (line 1:2): unknown field "{name}"', unknown=True)
        if field.name in seen:
            raise JsonError(f'proto: (line 1:2): duplicate field "{name}"')
        seen.add(field.name)
        if value is None:
            continue
        oneof = field.containing_oneof
        if oneof:
            if oneof.full_name in oneofs:
                raise JsonError(
                    f"proto: (line 1:2): error parsing {_quoted(name)}, oneof {oneof.full_name} is already set"
                )
            oneofs.add(oneof.full_name)
        if field.is_repeated:
            _fill_list(message, field, value, discard)
        elif field.cpp_type == _MESSAGE:
            child = getattr(message, field.name)
            child.SetInParent()
            _fill(child, value, discard)
        else:
            scalar = _scalar(field, value, discard)
            if scalar is not None:
                setattr(message, field.name, scalar)


def _fill_list(message: Any, field: Any, value: Any, discard: bool) -> None:
    if isinstance(value, _Members) or not isinstance(value, list):
        raise JsonError(f"proto: syntax error (line 1:1): unexpected token {_token(value)}")
    target = getattr(message, field.name)
    if field.cpp_type == _MESSAGE:
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


def _scalar(field: Any, value: Any, discard: bool) -> Any:
    """The value of a scalar field; None for an unknown enum name that is to be discarded."""
    kind = field.cpp_type
    if kind == _STRING:
        if isinstance(value, str):
            if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
                raise JsonError("proto: syntax error (line 1:1): invalid escape code in string")
            return value if field.type == 9 else _decoded(value)
    elif kind == _BOOL:
        if isinstance(value, bool):
            return value
    elif kind == _ENUM:
        if isinstance(value, str):
            known = field.enum_type.values_by_name.get(value)
            if known:
                return known.number
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


def _quoted(name: str) -> str:
    return f'"{name}"'


def _read_stamp(message: Any, value: Any, _discard: bool) -> None:
    parsed = times.parse_rfc3339(value) if isinstance(value, str) and "," not in value else None
    fraction = re.search(r"\.(\d+)", value) if isinstance(value, str) else None
    if parsed is None or (fraction and len(fraction[1]) > 9):
        raise JsonError(f"proto: (line 1:2): invalid google.protobuf.Timestamp value {_token(value)}")
    message.seconds, message.nanos = divmod(parsed, times.SECOND)


def _read_wrapper(message: Any, value: Any, discard: bool) -> None:
    message.value = _scalar(message.DESCRIPTOR.fields[0], value, discard)


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
