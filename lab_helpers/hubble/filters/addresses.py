"""Addresses and CIDRs in filters, with the errors of Go's net/netip."""

import ipaddress
from collections.abc import Iterable

from lab_helpers.hubble.errors import FilterError
from lab_helpers.hubble.filters.patterns import quoted


class Network:
    """A CIDR; host bits are allowed."""

    __slots__ = ("_mask", "_network", "_version")

    def __init__(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address, bits: int) -> None:
        self._version = address.version
        self._mask = ((1 << bits) - 1) << (address.max_prefixlen - bits)
        self._network = int(address) & self._mask

    def contains(self, text: str) -> bool:
        """Whether the address written in `text` lies within; never for something that is no address."""
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        return address.version == self._version and int(address) & self._mask == self._network


def compile_addresses(values: Iterable[str]) -> tuple[frozenset[str], list[Network]]:
    """Literal addresses and networks of a filter's values; FilterError names the bad one."""
    literal, networks = set(), []
    for value in values:
        if "/" in value:
            networks.append(_network(value))
        else:
            problem = _problem(value)
            if problem:
                raise FilterError(f"invalid IP address {quoted(value)} in filter: {problem}")
            literal.add(value)
    return frozenset(literal), networks


def _network(value: str) -> Network:
    head, _, tail = value.rpartition("/")
    problem = _problem(head)
    if not problem and "%" in head:
        problem = "IPv6 zones cannot be present in a prefix"
    if not problem:
        if not (tail.isascii() and tail.isdigit()) or (len(tail) > 1 and tail[0] == "0"):
            problem = f"bad bits after slash: {quoted(tail)}"
        elif int(tail) > (128 if ":" in head else 32):
            problem = "prefix length out of range"
    if problem:
        raise FilterError(f"invalid IP prefix {quoted(value)} in filter: netip.ParsePrefix({quoted(value)}): {problem}")
    return Network(ipaddress.ip_address(head), int(tail))


def _problem(text: str) -> str:
    """What Go's netip.ParseAddr says about `text`; "" when it is an address."""
    reason = ""
    first = next((char for char in text if char in ".:%"), "")
    if first == ".":
        reason = _ipv4_problem(text)
    elif first == ":":
        reason = _ipv6_problem(text)
    elif first == "%":
        reason = "missing IPv6 address"
    else:
        reason = "unable to parse IP"
    return f"ParseAddr({quoted(text)}): {reason}" if reason else ""


def _at(message: str, rest: str) -> str:
    return f"{message} (at {quoted(rest)})"


def _ipv4_problem(text: str, start: int = 0, stop: int | None = None) -> str:
    """What is wrong with the dotted address in text[start:stop]."""
    end = len(text) if stop is None else stop
    position, value, digits = 0, 0, 0
    for index in range(start, end):
        char = text[index]
        if char in "0123456789":
            if digits == 1 and value == 0:
                return "IPv4 field has octet with leading zero"
            value, digits = value * 10 + int(char), digits + 1
            if value > 255:
                return "IPv4 field has value >255"
        elif char == ".":
            if index in (start, end - 1) or text[index - 1] == ".":
                return _at("IPv4 field must have at least one digit", text[index:])
            if position == 3:
                return "IPv4 address too long"
            position, value, digits = position + 1, 0, 0
        else:
            return _at("unexpected character", text[index:])
    return "" if position == 3 else "IPv4 address too short"


def _ipv6_problem(text: str) -> str:
    """What is wrong with an IPv6 address; the walk over its fields is that of net/netip, which decides what is said."""
    rest, percent, zone = text.partition("%")
    if percent and not zone:
        return "zone must be a non-empty string"
    fields, ellipsis = 0, False
    end = len(rest)
    if rest.startswith("::"):
        ellipsis, rest = True, rest[2:]
    while rest and fields < 8:
        size = len(rest) - len(rest.lstrip("0123456789abcdefABCDEF"))
        if size > 4:
            return _at("each group must have 4 or less digits", rest)
        if size == 0:
            return _at("each colon-separated field must have at least one digit", rest)
        if rest[size : size + 1] == ".":
            if not ellipsis and fields != 6:
                return _at("embedded IPv4 address must replace the final 2 fields of the address", rest)
            if fields > 6:
                return _at("too many hex fields to fit an embedded IPv4 at the end of the address", rest)
            problem = _ipv4_problem(text, end - len(rest), end)
            if problem:
                return problem
            fields, rest = fields + 2, ""
            break
        fields, rest = fields + 1, rest[size:]
        if not rest:
            break
        if rest[0] != ":":
            return _at("unexpected character, want colon", rest)
        if len(rest) == 1:
            return _at("colon must be followed by more characters", rest)
        rest = rest[1:]
        if rest[0] == ":":
            if ellipsis:
                return _at("multiple :: in address", rest)
            ellipsis, rest = True, rest[1:]
    if rest:
        return _at("trailing garbage after address", rest)
    if fields < 8:
        return "" if ellipsis else "address string too short"
    return "the :: must expand to at least one field of zeros" if ellipsis else ""
