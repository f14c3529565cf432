"""Running checked CEL programs: each node becomes a function of the variables."""

import datetime as dt
import operator
import re
from collections.abc import Callable
from typing import Any

from lab_helpers.hubble import times
from lab_helpers.hubble.errors import FilterError
from lab_helpers.hubble.filters.cel.parsing import Node
from lab_helpers.hubble.filters.patterns import compile_regex

Run = Callable[[dict[str, Any]], Any]
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_RANGES = {"int": (-(1 << 63), 1 << 63), "uint": (0, 1 << 64)}


class EvaluationError(Exception):
    """A program that fails for a flow: division by zero, a missing key, an overflow."""


def _plain(value: Any) -> Any:
    """A field's value as CEL sees it: timestamps and wrapped scalars instead of messages."""
    descriptor = getattr(value, "DESCRIPTOR", None)
    if descriptor is None:
        return value
    name = descriptor.full_name
    if name == "google.protobuf.Timestamp":
        return _EPOCH + dt.timedelta(microseconds=times.moment(value) // 1000)
    if name == "google.protobuf.Duration":
        return dt.timedelta(seconds=value.seconds, microseconds=value.nanos // 1000)
    return value


def compile_node(node: Node) -> Run:
    """The function of a node."""
    return _COMPILERS[node.kind](node)


def _literal(node: Node) -> Run:
    value = node.value
    return lambda _: value


def _name(node: Node) -> Run:
    return operator.itemgetter(node.value)


def _select(node: Node) -> Run:
    owner, name = compile_node(node.parts[0]), node.value
    kind = node.parts[0].type
    if kind == "dyn" or kind[0] == "map":
        return lambda names: _member(owner(names), name)
    if isinstance(node.type, tuple) and node.type[0] == "wrapper":

        def wrapped(names: dict[str, Any]) -> Any:
            message = owner(names)
            return getattr(message, name).value if message.HasField(name) else None

        return wrapped
    if node.type in ("timestamp", "duration"):
        return lambda names: _plain(getattr(owner(names), name))
    return lambda names: getattr(owner(names), name)


def _member(owner: Any, name: str) -> Any:
    if isinstance(owner, dict):
        if name not in owner:
            raise EvaluationError(f"no such key: {name}")
        return owner[name]
    try:
        return _plain(getattr(owner, name))
    except AttributeError:
        raise EvaluationError(f"no such field: {name}") from None


def _has(node: Node) -> Run:
    owner, name = compile_node(node.parts[0]), node.value
    kind = node.parts[0].type
    if not (isinstance(kind, tuple) and kind[0] == "message"):
        return lambda names: name in owner(names)
    field = kind[1].fields_by_name[name]
    if field.is_repeated or not field.has_presence:
        return lambda names: bool(getattr(owner(names), name))
    return lambda names: owner(names).HasField(name)


def _index(node: Node) -> Run:
    owner, key = compile_node(node.parts[0]), compile_node(node.parts[1])

    def run(names: dict[str, Any]) -> Any:
        container, index = owner(names), key(names)
        if not isinstance(container, dict) and not (isinstance(index, int) and 0 <= index < len(container)):
            raise EvaluationError(f"index out of bounds: {index}")
        try:
            return _plain(container[index])
        except (KeyError, TypeError):
            raise EvaluationError(f"no such key: {index}") from None

    return run


def _list(node: Node) -> Run:
    parts = [compile_node(part) for part in node.parts]
    return lambda names: [part(names) for part in parts]


def _map(node: Node) -> Run:
    parts = [compile_node(part) for part in node.parts]
    pairs = list(zip(parts[0::2], parts[1::2], strict=True))
    return lambda names: {key(names): value(names) for key, value in pairs}


def _macro(node: Node) -> Run:
    ranged, body = compile_node(node.parts[0]), compile_node(node.parts[1])
    condition = compile_node(node.parts[2]) if len(node.parts) > 2 else None
    variable, name = node.variable, node.value

    def each(names: dict[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
        return [(item, {**names, variable: item}) for item in map(_plain, ranged(names))]

    if name == "map":
        return lambda names: [body(inner) for _, inner in each(names) if condition is None or condition(inner) is True]
    if name == "filter":
        return lambda names: [item for item, inner in each(names) if body(inner) is True]
    if name == "exists_one":
        return lambda names: sum(body(inner) is True for _, inner in each(names)) == 1
    wanted: bool = name == "exists"

    def quantified(names: dict[str, Any]) -> bool:
        failure: EvaluationError | None = None
        for _, inner in each(names):
            try:
                if body(inner) is wanted:
                    return bool(wanted)
            except EvaluationError as error:
                failure = error
        if failure is not None:
            raise failure
        return not wanted

    return quantified


def _logic(parts: list[Run], decisive: bool) -> Run:
    """``&&`` (decided by false) and ``||`` (decided by true): a decision outweighs a failure on the other side."""
    left, right = parts

    def run(names: dict[str, Any]) -> Any:
        try:
            if left(names) is decisive:
                return decisive
        except EvaluationError:
            if right(names) is decisive:
                return decisive
            raise
        return bool(right(names))

    return run


def _divide(left: Any, right: Any) -> Any:
    if isinstance(left, float):
        return left / right if right else float("nan") if not left else float("inf") * (1 if left > 0 else -1)
    if right == 0:
        raise EvaluationError("division by zero")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _modulo(left: Any, right: Any) -> Any:
    if right == 0:
        raise EvaluationError("modulus by zero")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "_==_": operator.eq,
    "_!=_": operator.ne,
    "_<_": operator.lt,
    "_<=_": operator.le,
    "_>_": operator.gt,
    "_>=_": operator.ge,
    "_+_": lambda left, right: [*left, *right] if isinstance(left, list) else left + right,
    "_-_": operator.sub,
    "_*_": operator.mul,
    "_/_": _divide,
    "_%_": _modulo,
    "@in": lambda left, right: left in right,
    "contains": lambda left, right: right in left,
    "startsWith": lambda left, right: left.startswith(right),
    "endsWith": lambda left, right: left.endswith(right),
}


def _matches(text: str, pattern: str) -> bool:
    try:
        return compile_regex(pattern)(text) is not None
    except FilterError as error:
        raise EvaluationError(str(error)) from None


def _duration(text: str) -> dt.timedelta:
    if not re.fullmatch(r"-?(?:\d+(?:\.\d+)?(?:h|ms|us|µs|ns|m|s))+", text):
        raise EvaluationError(f"invalid duration: {text}")
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)", text)
    seconds = sum(float(amount) * _UNITS[unit] for amount, unit in parts)
    return dt.timedelta(seconds=-seconds if text.startswith("-") else seconds)


def _convert(kind: str, value: Any) -> Any:
    try:
        if kind in _RANGES:
            number = int((value - _EPOCH).total_seconds()) if isinstance(value, dt.datetime) else int(value)
            low, high = _RANGES[kind]
            if not low <= number < high:
                raise EvaluationError("integer overflow")
            return number
        if kind == "double":
            return float(value)
        if kind == "bool":
            return value if isinstance(value, bool) else {"true": True, "false": False}[value]
        if kind == "bytes":
            return value.encode() if isinstance(value, str) else value
        if kind == "timestamp":
            return _timestamp(value)
        if kind == "duration":
            return _duration(value) if isinstance(value, str) else value
    except (ValueError, KeyError, OverflowError) as error:
        raise EvaluationError(str(error)) from None
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.decode() if isinstance(value, bytes) else str(value)


def _timestamp(value: Any) -> dt.datetime:
    if isinstance(value, dt.datetime):
        return value
    moment = times.parse_rfc3339(value) if isinstance(value, str) else value * times.SECOND
    if moment is None:
        raise EvaluationError(f"invalid timestamp: {value}")
    return _EPOCH + dt.timedelta(microseconds=moment // 1000)


_DATE_PARTS: dict[str, Callable[[Any], int]] = {
    "getFullYear": lambda value: value.year,
    "getMonth": lambda value: value.month - 1,
    "getDate": lambda value: value.day,
    "getDayOfMonth": lambda value: value.day - 1,
    "getDayOfWeek": lambda value: (value.weekday() + 1) % 7,
    "getDayOfYear": lambda value: value.timetuple().tm_yday - 1,
    "getHours": lambda value: value.hour,
    "getMinutes": lambda value: value.minute,
    "getSeconds": lambda value: value.second,
    "getMilliseconds": lambda value: value.microsecond // 1000,
}
_DURATION_PARTS = {"getHours": 3600, "getMinutes": 60, "getSeconds": 1}


def _time_part(name: str, value: Any) -> int:
    if isinstance(value, dt.timedelta):
        if name == "getMilliseconds":
            return value.microseconds // 1000
        return int(value.total_seconds() // _DURATION_PARTS.get(name, 1))
    return _DATE_PARTS[name](value)


def _call(node: Node) -> Run:
    parts, name = [compile_node(part) for part in node.parts], node.value
    if name in ("_&&_", "_||_"):
        return _logic(parts, name == "_||_")
    if name == "_?_:_":
        test, yes, no = parts
        return lambda names: yes(names) if test(names) is True else no(names)
    first = parts[0]
    if name == "!_":
        return lambda names: not first(names)
    if name == "-_":
        return lambda names: -first(names)
    if name == "size":
        return lambda names: len(first(names))
    if name == "dyn":
        return first
    if name in _DATE_PARTS:
        return lambda names: _time_part(name, first(names))
    if name == "matches":
        second = parts[1]
        return lambda names: _matches(first(names), second(names))
    if name in _OPERATORS:
        return _binary(_OPERATORS[name], first, parts[1], _RANGES.get(node.type if isinstance(node.type, str) else ""))
    return lambda names: _convert(name, first(names))


def _binary(apply: Callable[[Any, Any], Any], left: Run, right: Run, bounds: tuple[int, int] | None) -> Run:
    def run(names: dict[str, Any]) -> Any:
        try:
            result = apply(left(names), right(names))
        except TypeError as error:
            raise EvaluationError(f"no such overload: {error}") from None
        if bounds is not None and not bounds[0] <= result < bounds[1]:
            raise EvaluationError("integer overflow")
        return result

    return run


_COMPILERS: dict[str, Callable[[Node], Run]] = {
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
