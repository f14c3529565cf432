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
        try:
            ipaddress.IPv6Address(text)
        except ValueError:
            reason = _ipv6_problem(text)
    elif first == "%":
        reason = "missing IPv6 address"
    else:
        reason = "unable to parse IP"
    return f"ParseAddr({quoted(text)}): {reason}" if reason else ""


def _ipv4_problem(text: str) -> str:
    position, value, digits = 0, 0, 0
    for index, char in enumerate(text):
        if char in "0123456789":
            if digits == 1 and value == 0:
                return "IPv4 field has octet with leading zero"
            value, digits = value * 10 + int(char), digits + 1
            if value > 255:
                return "IPv4 field has value >255"
        elif char == ".":
            if index == 0 or index == len(text) - 1 or text[index - 1] == ".":
                return f"IPv4 field must have at least one digit (at {quoted(text[index:])})"
            if position == 3:
                return "IPv4 address too long"
            position, value, digits = position + 1, 0, 0
        else:
            return f"unexpected character (at {quoted(text[index:])})"
    return "" if position == 3 else "IPv4 address too short"


def _ipv6_problem(text: str) -> str:
    body, percent, zone = text.partition("%")
    if percent and not zone:
        return "zone must be a non-empty string"
    for index, char in enumerate(body):
        if char not in "0123456789abcdefABCDEF:.":
            return f"unexpected character, want colon (at {quoted(body[index:])})" if index else "unexpected character"
    if any(len(group) > 4 for group in body.split(":") if "." not in group):
        group = next(group for group in body.split(":") if len(group) > 4)
        return f"each group must have 4 or less digits (at {quoted(body[body.index(group) :])})"
    if body.count("::") > 1:
        return f"multiple :: in address (at {quoted(body[body.rindex('::') :])})"
    if body.endswith(":") and not body.endswith("::"):
        return f"colon must be followed by more characters (at {quoted(':')})"
    return "address string too short"
