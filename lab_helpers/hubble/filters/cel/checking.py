"""Types of CEL programs, checked before they run.

A type is a string (bool, int, uint, double, string, bytes, null, dyn, timestamp, duration), ("list", T),
("map", K, V), ("wrapper", T) for a scalar that may be null, or ("message", descriptor).
"""

from typing import Any

from lab_helpers.hubble.filters.cel.parsing import CelError, Node, Uint
from lab_helpers.hubble.protos import flow_pb2

_CONTAINER = "flow"
_FILE = flow_pb2.DESCRIPTOR
_BY_CPP = {1: "int", 2: "int", 3: "uint", 4: "uint", 5: "double", 6: "double", 7: "bool", 8: "int", 9: "string"}
_ORDERED = ("int", "uint", "double", "string", "bytes", "bool", "timestamp", "duration")
_NUMBERS = ("int", "uint", "double")
_STRING_TESTS = ("contains", "startsWith", "endsWith", "matches")
_CONVERSIONS: dict[str, tuple[str, ...]] = {
    "int": ("int", "uint", "double", "string", "timestamp"),
    "uint": ("int", "uint", "double", "string"),
    "double": ("int", "uint", "double", "string"),
    "string": ("int", "uint", "double", "string", "bool", "bytes", "timestamp", "duration"),
    "bool": ("bool", "string"),
    "bytes": ("bytes", "string"),
    "timestamp": ("string", "int", "timestamp"),
    "duration": ("string", "int", "duration"),
}
_TIME_PARTS = (
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
)
Type = Any


def type_text(kind: Type) -> str:
    """A type as cel-go names it."""
    if isinstance(kind, str):
        return {"timestamp": "timestamp", "duration": "duration"}.get(kind, kind)
    head = kind[0]
    if head == "message":
        return str(kind[1].full_name)
    if head == "wrapper":
        return f"wrapper({type_text(kind[1])})"
    return f"{head}({', '.join(type_text(part) for part in kind[1:])})"


def field_type(field: Any) -> Type:
    """The type of a message's field."""
    single = message_type(field.message_type) if field.message_type is not None else _BY_CPP[field.cpp_type]
    if field.message_type is None and field.type == 12:
        single = "bytes"
    return ("list", single) if field.is_repeated else single


def message_type(descriptor: Any) -> Type:
    """The type of a message; well-known ones are CEL's own."""
    name = descriptor.full_name
    if name in ("google.protobuf.Timestamp", "google.protobuf.Duration"):
        return name.rpartition(".")[2].lower()
    if name.startswith("google.protobuf.") and name.endswith("Value") and "value" in descriptor.fields_by_name:
        return ("wrapper", _BY_CPP[descriptor.fields_by_name["value"].cpp_type])
    return ("message", descriptor)


def enum_value(path: str) -> int | None:
    """The number of an enum value by its path, relative to the package or absolute."""
    enum, _, name = path.removeprefix(f"{_CONTAINER}.").rpartition(".")
    outer, _, inner = enum.rpartition(".")
    holder: Any = _FILE.message_types_by_name.get(outer) if outer else _FILE
    found = holder.enum_types_by_name.get(inner) if holder is not None else None
    value = found.values_by_name.get(name) if found is not None else None
    return value.number if value is not None else None


def _path(node: Node) -> str | None:
    if node.kind == "name":
        return str(node.value)
    if node.kind == "select":
        head = _path(node.parts[0])
        return f"{head}.{node.value}" if head else None
    return None


def check(node: Node, scope: dict[str, Type] | None = None) -> Type:
    """Type a program and note the type on each node; CelError for the first mistake."""
    names: dict[str, Type] = {"_flow": ("message", flow_pb2.Flow.DESCRIPTOR)} if scope is None else scope
    node.type = _RULES[node.kind](node, names)
    return node.type


def _literal(node: Node, _names: dict[str, Type]) -> Type:
    value = node.value
    if value is None:
        return "null"
    for kind, name in ((bool, "bool"), (Uint, "uint"), (int, "int"), (float, "double"), (str, "string")):
        if isinstance(value, kind):
            return name
    return "bytes"


def _name(node: Node, names: dict[str, Type]) -> Type:
    if node.value in names:
        return names[node.value]
    raise CelError(f"undeclared reference to '{node.value}' (in container '{_CONTAINER}')", node.position)


def _select(node: Node, names: dict[str, Type]) -> Type:
    path = _path(node)
    if path and path.partition(".")[0] not in names:
        number = enum_value(path)
        if number is not None:
            node.kind, node.value, node.parts = "literal", number, ()
            return "int"
    owner = check(node.parts[0], names)
    if owner == "dyn":
        return "dyn"
    if isinstance(owner, tuple) and owner[0] == "map":
        return owner[2]
    if not (isinstance(owner, tuple) and owner[0] == "message"):
        raise CelError(f"type '{type_text(owner)}' does not support field selection", node.position)
    field = owner[1].fields_by_name.get(node.value)
    if field is None:
        raise CelError(f"undefined field '{node.value}'", node.position)
    return field_type(field)


def _has(node: Node, names: dict[str, Type]) -> Type:
    _select(node, names)
    return "bool"


def _index(node: Node, names: dict[str, Type]) -> Type:
    owner, key = check(node.parts[0], names), check(node.parts[1], names)
    if owner == "dyn":
        return "dyn"
    if isinstance(owner, tuple) and owner[0] == "list" and key in ("int", "uint", "dyn"):
        return owner[1]
    if isinstance(owner, tuple) and owner[0] == "map" and _agree(owner[1], key):
        return owner[2]
    raise _overload("_[_]", (owner, key), node)


def _joined(kinds: list[Type]) -> Type:
    if not kinds:
        return "dyn"
    return kinds[0] if all(kind == kinds[0] for kind in kinds) else "dyn"


def _list(node: Node, names: dict[str, Type]) -> Type:
    return ("list", _joined([check(part, names) for part in node.parts]))


def _map(node: Node, names: dict[str, Type]) -> Type:
    kinds = [check(part, names) for part in node.parts]
    return ("map", _joined(kinds[0::2]), _joined(kinds[1::2]))


def _macro(node: Node, names: dict[str, Type]) -> Type:
    ranged = check(node.parts[0], names)
    if ranged == "dyn":
        element: Type = "dyn"
    elif isinstance(ranged, tuple) and ranged[0] in ("list", "map"):
        element = ranged[1]
    else:
        raise CelError(
            f"expression of type '{type_text(ranged)}' cannot be range of a comprehension "
            "(must be list, map, or dynamic)",
            node.parts[0].position,
        )
    inner = {**names, node.variable: element}
    body = check(node.parts[1], inner)
    for condition in node.parts[2:] or (node.parts[1:2] if node.value != "map" else ()):
        if check(condition, inner) not in ("bool", "dyn"):
            raise _overload("_&&_", ("bool", condition.type), condition)
    if node.value == "map":
        return ("list", body)
    return ("list", element) if node.value == "filter" else "bool"


def _agree(left: Type, right: Type) -> bool:
    if "dyn" in (left, right) or left == right:
        return True
    for one, other in ((left, right), (right, left)):
        if isinstance(one, tuple) and one[0] == "wrapper" and other in (one[1], "null"):
            return True
        if one == "null" and (
            other in ("timestamp", "duration") or (isinstance(other, tuple) and other[0] == "message")
        ):
            return True
    if isinstance(left, tuple) and isinstance(right, tuple) and left[0] == right[0] and len(left) == len(right):
        return left[0] != "message" and all(_agree(a, b) for a, b in zip(left[1:], right[1:], strict=True))
    return False


def _overload(name: str, kinds: tuple[Type, ...], node: Node, *, member: bool = False) -> CelError:
    shown = [type_text(kind) for kind in kinds]
    signature = f"{shown[0]}.({', '.join(shown[1:])})" if member else f"({', '.join(shown)})"
    return CelError(f"found no matching overload for '{name}' applied to '{signature}'", node.position)


def _plain(kind: Type) -> Type:
    return kind[1] if isinstance(kind, tuple) and kind[0] == "wrapper" else kind


def _call(node: Node, names: dict[str, Type]) -> Type:
    kinds = tuple(check(part, names) for part in node.parts)
    result = _member_result(node.value, kinds) if node.member else _result(node.value, kinds)
    if result is None:
        if node.value not in _KNOWN:
            raise CelError(f"undeclared reference to '{node.value}' (in container '{_CONTAINER}')", node.position)
        raise _overload(node.value, kinds, node, member=node.member)
    return result


def _result(name: str, kinds: tuple[Type, ...]) -> Type | None:
    bare = tuple(_plain(kind) for kind in kinds)
    if name in ("_&&_", "_||_", "!_"):
        return "bool" if all(kind in ("bool", "dyn") for kind in bare) else None
    if name in ("_==_", "_!=_"):
        return "bool" if _agree(*kinds) else None
    if name in ("_<_", "_<=_", "_>_", "_>=_"):
        return "bool" if _agree(*bare) and all(kind in (*_ORDERED, "dyn") for kind in bare) else None
    if name == "@in":
        owner = kinds[1]
        if owner == "dyn":
            return "bool"
        fits = isinstance(owner, tuple) and owner[0] in ("list", "map") and _agree(kinds[0], owner[1])
        return "bool" if fits else None
    if name == "_?_:_":
        return (
            (kinds[1] if kinds[1] != "dyn" else kinds[2]) if bare[0] in ("bool", "dyn") and _agree(*kinds[1:]) else None
        )
    if name in ("_+_", "_-_", "_*_", "_/_", "_%_"):
        return _arithmetic(name, *bare)
    if name == "-_":
        return bare[0] if bare[0] in ("int", "double", "dyn") else None
    if name == "size" and len(kinds) == 1:
        return "int" if bare[0] in ("string", "bytes", "dyn") or bare[0][0] in ("list", "map") else None
    if name == "matches" and len(kinds) == 2:
        return "bool" if all(kind in ("string", "dyn") for kind in bare) else None
    if name == "dyn" and len(kinds) == 1:
        return "dyn"
    if name in _CONVERSIONS and len(kinds) == 1:
        return name if bare[0] in (*_CONVERSIONS[name], "dyn") else None
    return None


def _arithmetic(name: str, left: Type, right: Type) -> Type | None:
    if "dyn" in (left, right):
        return "dyn"
    if left == right:
        if left in _NUMBERS and not (name == "_%_" and left == "double"):
            return left
        if name == "_+_" and (left in ("string", "bytes", "duration") or left[0] == "list"):
            return left
        if name == "_-_" and left in ("duration", "timestamp"):
            return "duration"
    if {left, right} == {"timestamp", "duration"} and (name == "_+_" or (name == "_-_" and left == "timestamp")):
        return "timestamp"
    return None


def _member_result(name: str, kinds: tuple[Type, ...]) -> Type | None:
    bare = tuple(_plain(kind) for kind in kinds)
    if name in _STRING_TESTS and len(kinds) == 2:
        return "bool" if all(kind in ("string", "dyn") for kind in bare) else None
    if name == "size" and len(kinds) == 1:
        return _result("size", kinds)
    if name in _TIME_PARTS:
        return "int" if bare[0] in ("timestamp", "duration", "dyn") and len(kinds) == 1 else None
    return None


_KNOWN = frozenset(
    {"size", "matches", "dyn", *_STRING_TESTS, *_CONVERSIONS, *_TIME_PARTS, "_&&_", "_||_", "!_", "-_", "@in", "_?_:_"}
    | {f"_{symbol}_" for symbol in ("==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%")}
)
_RULES = {
    "literal": _literal,
    "name": _name,
    "select": _select,
    "has": _has,
    "index": _index,
    "list": _list,
    "map": _map,
    "macro": _macro,
    "call": _call,
}
