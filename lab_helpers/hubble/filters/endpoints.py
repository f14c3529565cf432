"""Conditions on the two sides of a flow: identity, address, pod, workload, service, name, labels, port, cluster.

Each builder yields the condition on the source and the one on the destination, as far as the filter sets them.
"""

import operator
from collections.abc import Callable
from typing import Any

from lab_helpers.hubble.errors import FilterError
from lab_helpers.hubble.filters.addresses import Network, compile_addresses
from lab_helpers.hubble.filters.patterns import compile_fqdn_patterns, quoted
from lab_helpers.hubble.filters.predicates import Parts, Predicate
from lab_helpers.hubble.filters.selectors import compile_selectors
from lab_helpers.hubble.records import Record

_SIDES = ("source", "destination")


def identity(message: Any) -> Parts:
    """Numeric security identity; the side must have an endpoint."""
    for side in _SIDES:
        values = getattr(message, f"{side}_identity")
        if values:
            yield 2, _identity(side, frozenset(values))


def _identity(side: str, wanted: frozenset[int]) -> Predicate:
    get = operator.attrgetter(f"{side}_identity")
    return lambda record: get(record) in wanted


def address(message: Any) -> Parts:
    """Addresses (compared as text) and CIDRs, before and after masquerading."""
    for field, path in (
        ("source_ip", "source_ip"),
        ("source_ip_xlated", "flow.IP.source_xlated"),
        ("destination_ip", "destination_ip"),
    ):
        values = getattr(message, field)
        if values:
            literal, networks = compile_addresses(values)
            yield (8 if "." in path else 2), _address(path, literal, networks)


def _address(path: str, literal: frozenset[str], networks: list[Network]) -> Predicate:
    get = operator.attrgetter(path)
    if not networks:
        return lambda record: get(record) in literal
    known: dict[str, bool] = {}

    def check(record: Record) -> bool:
        text = get(record)
        found = known.get(text)
        if found is None:
            found = text in literal or any(network.contains(text) for network in networks)
            if len(known) < 100_000:
                known[text] = found
        return found

    return check


def _names(values: Any) -> Callable[[str, str], bool]:
    """``namespace/prefix`` conditions as a function of namespace and name."""
    wanted: list[tuple[str | None, str]] = []
    for value in values:
        if not value:
            raise FilterError("invalid filter, name must not be empty")
        first, *rest = value.split("/")
        if rest:
            wanted.append((first or None, rest[0]))
        else:
            wanted.append(("default", first))
    if len(wanted) == 1 and wanted[0][0] is not None:
        only, prefix = wanted[0]
        if not prefix:
            return lambda namespace, _name: namespace == only
        return lambda namespace, name: namespace == only and name.startswith(prefix)

    def check(namespace: str, name: str) -> bool:
        if not namespace and not name:
            return False
        return any((space is None or space == namespace) and name.startswith(start) for space, start in wanted)

    return check


def pod(message: Any) -> Parts:
    """Pod: ``namespace/name prefix``."""
    for side in _SIDES:
        values = getattr(message, f"{side}_pod")
        if values:
            only = _whole_namespace(values)
            yield 3, _namespace(side, only) if only else _pod(side, _names(values))


def _whole_namespace(values: Any) -> str:
    """The namespace when the values are just ``namespace/``, else ""."""
    return values[0][:-1] if len(values) == 1 and values[0].find("/") == len(values[0]) - 1 else ""


def _namespace(side: str, namespace: str) -> Predicate:
    if side == "source":
        return lambda record: record.source_namespace == namespace
    return lambda record: record.destination_namespace == namespace


def _pod(side: str, matches: Callable[[str, str], bool]) -> Predicate:
    get = operator.attrgetter(f"{side}_namespace", f"{side}_pod")
    return lambda record: matches(*get(record))


def service(message: Any) -> Parts:
    """Service: ``namespace/name prefix``."""
    for side in _SIDES:
        values = getattr(message, f"{side}_service")
        if values:
            try:
                matches = _names(values)
            except FilterError as error:
                raise FilterError(f"invalid {side} service filter: {error}") from None
            yield 8, _service(f"{side}_service", matches)


def _service(field: str, matches: Callable[[str, str], bool]) -> Predicate:
    get = operator.attrgetter(f"flow.{field}")

    def check(record: Record) -> bool:
        found = get(record)
        return matches(found.namespace, found.name)

    return check


def workload(message: Any) -> Parts:
    """Name and kind of an owner of the pod; empty parts are any, but there must be an owner."""
    for side in _SIDES:
        values = getattr(message, f"{side}_workload")
        if values:
            yield 8, _workload(side, [(value.name, value.kind) for value in values])


def _workload(side: str, wanted: list[tuple[str, str]]) -> Predicate:
    get = operator.attrgetter(f"flow.{side}.workloads")

    def check(record: Record) -> bool:
        for found in get(record):
            name, kind = found.name, found.kind
            if any((not a or a == name) and (not b or b == kind) for a, b in wanted):
                return True
        return False

    return check


def fqdn(message: Any) -> Parts:
    """DNS names known for the address, with ``*``."""
    for side in _SIDES:
        values = getattr(message, f"{side}_fqdn")
        if values:
            yield 8, _fqdn(f"{side}_names", compile_fqdn_patterns(values))


def _fqdn(field: str, matches: Callable[[str], Any]) -> Predicate:
    get = operator.attrgetter(f"flow.{field}")
    return lambda record: any(matches(name) for name in get(record))


def label(message: Any) -> Parts:
    """Label selectors."""
    for side in _SIDES:
        values = getattr(message, f"{side}_label")
        if values:
            yield 4, _label(side, compile_selectors(values, f"{side} label"))


def _label(side: str, matches: Callable[[tuple[str, ...]], bool]) -> Predicate:
    if side == "source":
        return lambda record: matches(record.source_labels)
    return lambda record: matches(record.destination_labels)


def port(message: Any) -> Parts:
    """Ports of TCP, UDP and SCTP."""
    for side in _SIDES:
        values = getattr(message, f"{side}_port")
        if values:
            yield 2, _port(f"{side}_port", frozenset(_port_number(value, side) for value in values))


def _port_number(text: str, side: str) -> int:
    problem = ""
    if not (text.isascii() and text.isdigit()):
        problem = "invalid syntax"
    elif int(text) > 65535:
        problem = "value out of range"
    if problem:
        raise FilterError(
            f"invalid {side} port filter: invalid port {quoted(text)}: "
            f"strconv.ParseUint: parsing {quoted(text)}: {problem}"
        )
    return int(text)


def _port(field: str, wanted: frozenset[int]) -> Predicate:
    if 65535 in wanted:  # which is also what -1, no port, looks like in 16 bits
        get = operator.attrgetter(field)
        return lambda record: get(record) >= 0 and get(record) & 0xFFFF in wanted
    if field == "source_port":
        return lambda record: record.source_port & 0xFFFF in wanted
    return lambda record: record.destination_port & 0xFFFF in wanted


def cluster(message: Any) -> Parts:
    """The cluster's name, exactly."""
    for side in _SIDES:
        values = getattr(message, f"{side}_cluster_name")
        if values:
            if not all(values):
                raise FilterError("invalid filter, name must not be empty")
            yield 8, _cluster(side, frozenset(values))


def _cluster(side: str, wanted: frozenset[str]) -> Predicate:
    get = operator.attrgetter(f"flow.{side}.cluster_name")
    return lambda record: get(record) in wanted
