"""From FlowFilter messages to one function of a record."""

from collections.abc import Callable, Iterable
from typing import Any

from lab_helpers.hubble.filters import endpoints, messages, packets
from lab_helpers.hubble.filters.predicates import Predicate
from lab_helpers.hubble.records import Record

_BUILDERS: tuple[Callable[[Any], Iterable[tuple[int, Predicate]]], ...] = (
    packets.uuid,
    packets.event_type,
    packets.verdict,
    packets.drop_reason,
    packets.reply,
    packets.encrypted,
    endpoints.identity,
    packets.protocol,
    endpoints.address,
    endpoints.pod,
    endpoints.workload,
    endpoints.service,
    endpoints.fqdn,
    messages.dns,
    endpoints.label,
    endpoints.port,
    messages.http,
    packets.tcp_flags,
    packets.node_name,
    packets.node_labels,
    endpoints.cluster,
    packets.ip_version,
    messages.trace_id,
    packets.traffic_direction,
    messages.cel,
    packets.interface,
    packets.ip_trace_id,
)
"""In Hubble's order, which decides whose error is reported. Each yields (cost, predicate) for its fields."""


def always(_record: Record) -> bool:
    """Matches every flow."""
    return True


def all_of(predicates: list[Predicate]) -> Predicate:
    """A predicate that holds when all of them do."""
    if not predicates:
        return always
    if len(predicates) == 1:
        return predicates[0]
    if len(predicates) == 2:
        first, second = predicates
        return lambda record: first(record) and second(record)
    if len(predicates) == 3:
        first, second, third = predicates
        return lambda record: first(record) and second(record) and third(record)
    first, second, third, *rest = predicates
    last = all_of(rest)
    return lambda record: first(record) and second(record) and third(record) and last(record)


def any_of(predicates: list[Predicate]) -> Predicate:
    """A predicate that holds when one of them does."""
    if len(predicates) == 1:
        return predicates[0]
    if len(predicates) == 2:
        first, second = predicates
        return lambda record: first(record) or second(record)
    chain = tuple(predicates)

    def check(record: Record) -> bool:
        for predicate in chain:  # noqa: SIM110 - likewise
            if predicate(record):
                return True
        return False

    return check


def _parts(message: Any) -> list[tuple[int, Predicate]]:
    return [part for builder in _BUILDERS for part in builder(message)]


def compile_filter(message: Any) -> Predicate:
    """The function of one FlowFilter; cheap conditions are tried first. Raises FilterError."""
    return all_of([predicate for _, predicate in sorted(_parts(message), key=lambda part: part[0])])


def compile_filters(allow: Iterable[Any], deny: Iterable[Any] = ()) -> Predicate:
    """The function of a request's lists: (allow is empty or one of it matches) and none of deny. Raises FilterError.

    What all allow filters have in common (``--namespace`` yields two that differ in one field) is tested once, first.
    """
    allowed, shared = _factored(list(allow))
    denied = [compile_filter(message) for message in deny]
    checks = list(shared)
    if allowed:
        checks.append(any_of(allowed))
    if denied:
        refuse = any_of(denied)
        checks.append(lambda record: not refuse(record))
    return all_of(checks)


def _factored(messages: list[Any]) -> tuple[list[Predicate], list[Predicate]]:
    """Predicates of which one must hold, and predicates that must hold in any case."""
    if len(messages) < 2:
        return [compile_filter(message) for message in messages], []
    for message in messages:
        compile_filter(message)  # errors come in the order of the list
    first = messages[0]
    common = type(first)()
    rest = [type(first)() for _ in messages]
    for own, message in zip(rest, messages, strict=True):
        own.CopyFrom(message)
    for field, value in first.ListFields():
        # conditions on HTTP look at event_type as well, so that field stays where it is
        if field.is_repeated and field.name != "event_type" and not field.name.startswith("http_"):
            values = list(value)
            if all(list(getattr(message, field.name)) == values for message in messages):
                getattr(common, field.name).extend(value)
                for own in rest:
                    own.ClearField(field.name)
    shared = [predicate for _, predicate in sorted(_parts(common), key=lambda part: part[0])]
    if not shared:
        return [compile_filter(message) for message in messages], []
    parts = [compile_filter(message) for message in rest]
    return ([] if any(part is always for part in parts) else parts), shared
