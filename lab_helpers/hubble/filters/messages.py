"""Conditions on L7 messages: HTTP, DNS, trace context, and programs in CEL."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from lab_helpers.hubble.errors import FilterError
from lab_helpers.hubble.filters.packets import is_l7_compatible
from lab_helpers.hubble.filters.patterns import compile_regex, quoted
from lab_helpers.hubble.filters.predicates import Parts, Predicate

_FULL_STATUS = re.compile("[1-5][0-9]{2}")
_STATUS_PREFIX = re.compile("[1-5][0-9]?[+]")
_BAD_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_BAD_HOST = re.compile("%(?![89A-Fa-f][0-9A-Fa-f])")
_SCHEME = re.compile("([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)


def dns(message: Any) -> Parts:
    """The name asked for, by regular expression."""
    if not message.dns_query:
        return
    try:
        searches = [compile_regex(pattern) for pattern in message.dns_query]
    except FilterError as error:
        raise FilterError(f"invalid DNS query filter: failed to compile regexp: {error}") from None
    yield (
        9,
        lambda record: record.l7 == "dns" and _any_matches(searches, record.flow.l7.dns.query),
    )


def _any_matches(searches: list[Callable[[str], Any]], text: str) -> bool:
    return any(search(text) is not None for search in searches)


def trace_id(message: Any) -> Parts:
    """The trace a message belongs to; "" matches flows without one."""
    if message.trace_id:
        wanted = frozenset(message.trace_id)
        yield 8, lambda record: record.flow.trace_context.parent.trace_id in wanted


def cel(message: Any) -> Parts:
    """Programs over ``_flow``; one that fails does not match."""
    expressions = message.experimental.cel_expression
    if expressions:
        from lab_helpers.hubble.filters.cel import compile_expression

        programs = [compile_expression(text) for text in expressions]
        yield 9, lambda record: any(program(record.flow) for program in programs)


def http(message: Any) -> Parts:
    """Status, method, path, URL and headers of HTTP requests and responses."""
    for field, name, build in _HTTP:
        values = getattr(message, field)
        if values:
            if not is_l7_compatible(message):
                raise FilterError(f"filtering by http {name} requires the event type filter to only match 'l7' events")
            yield 8, _on_http(build(values))


def _on_http(check: Callable[[Any], bool]) -> Predicate:
    return lambda record: record.l7 == "http" and check(record.flow.l7.http)


def _status(values: Any) -> Callable[[Any], bool]:
    full, prefixes = set(), []
    for value in values:
        if _FULL_STATUS.search(value):
            full.add(value)
        elif _STATUS_PREFIX.fullmatch(value):
            prefixes.append(value.removesuffix("+"))
        else:
            raise FilterError(f"invalid http status code filter: invalid status code prefix: {quoted(value)}")
    starts = tuple(prefixes)

    def check(record: Any) -> bool:
        if not record.code:
            return False
        code = f"{record.code:03d}"
        return code in full or (bool(starts) and code.startswith(starts))

    return check


def _method(values: Any) -> Callable[[Any], bool]:
    wanted = frozenset(value.casefold() for value in values)
    return lambda record: bool(record.method) and record.method.casefold() in wanted


def _searches(values: Any, name: str) -> list[Callable[[str], Any]]:
    out = []
    for value in values:
        try:
            out.append(compile_regex(value))
        except FilterError as error:
            raise FilterError(f"invalid http {name} filter: {value}: {error}") from None
    return out


def _path(values: Any) -> Callable[[Any], bool]:
    searches = _searches(values, "path")

    def check(record: Any) -> bool:
        path = url_path(record.url)
        return path is not None and _any_matches(searches, path)

    return check


def _url(values: Any) -> Callable[[Any], bool]:
    searches = _searches(values, "url")
    return lambda http: _any_matches(searches, http.url)


def _header(values: Any) -> Callable[[Any], bool]:
    wanted = frozenset((value.key, value.value) for value in values)
    return lambda record: any((header.key, header.value) in wanted for header in record.headers)


_HTTP: tuple[tuple[str, str, Callable[[Any], Callable[[Any], bool]]], ...] = (
    ("http_status_code", "status code", _status),
    ("http_method", "method", _method),
    ("http_path", "path", _path),
    ("http_url", "url", _url),
    ("http_header", "headers", _header),
)


def url_path(url: str) -> str | None:
    """The decoded path of a URL as Go's net/url sees it; None when the URL cannot be parsed."""
    if any(char < " " or char == "\x7f" for char in url):
        return None
    rest = url.partition("#")[0]
    if url.startswith(":"):
        return None
    scheme = _SCHEME.fullmatch(rest)
    if scheme:
        rest = scheme[2]
    rest = rest.partition("?")[0]
    if not rest.startswith("/"):
        if scheme:
            return ""  # opaque
        if ":" in rest.partition("/")[0]:
            return None
    elif rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, path = rest[2:].partition("/")
        host = authority.rpartition("@")[2]
        port = host.rpartition("]")[2] if host.startswith("[") else host
        if (
            " " in host
            or _BAD_HOST.search(host.partition("[")[0])
            or (":" in port and not re.fullmatch("[0-9]*", port.rpartition(":")[2]))
        ):
            return None
        if host.startswith("[") and "]" not in host:
            return None
        rest = slash + path
    if _BAD_PERCENT.search(rest):
        return None
    return unquote_to_bytes(rest).decode("utf-8", "replace")
