"""IP prefixes, parsed and refused as Go's net/netip does, and their labels.

A prefix is three numbers, so that containment is a shift and a comparison.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import NamedTuple

from lab_helpers.policy.errors import PolicyEngineError
from lab_helpers.policy.labels import Label

__all__ = ["Prefix", "PrefixError", "parse_prefix", "prefix_of_label"]


class PrefixError(PolicyEngineError, ValueError):
    """Text that is no prefix; the message is that of Go's ``netip.ParsePrefix``."""


class Prefix(NamedTuple):
    """An address family (4 or 6), the network's number with host bits cleared, and the length in bits."""

    family: int
    network: int
    length: int

    @property
    def width(self) -> int:
        """32 or 128."""
        return 32 if self.family == 4 else 128

    def contains(self, other: Prefix) -> bool:
        """Is every address of ``other`` in here?"""
        if self.family != other.family or other.length < self.length:
            return False
        return other.network >> (self.width - self.length) == self.network >> (self.width - self.length)

    @property
    def label(self) -> Label:
        """The ``cidr:`` label; IPv6 colons become dashes, as in Cilium's labels."""
        address = str(self).split("/", 1)[0].replace(":", "-")
        if address.startswith("-"):
            address = "0" + address
        if address.endswith("-"):
            address += "0"
        return Label("cidr", f"{address}/{self.length}")

    def __str__(self) -> str:
        address = ipaddress.IPv4Address(self.network) if self.family == 4 else ipaddress.IPv6Address(self.network)
        return f"{address}/{self.length}"


def _go_quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _address_error(text: str) -> str:
    quoted = _go_quote(text)
    if "." not in text and ":" not in text:
        return f"ParseAddr({quoted}): unable to parse IP"
    if ":" not in text:
        fields = text.split(".")
        if any(not field for field in fields):
            return f"ParseAddr({quoted}): IPv4 field must have at least one digit"
        if not all(field.isdigit() for field in fields):
            wrong = re.search(r"[^0-9.].*", text)
            return f"ParseAddr({quoted}): unexpected character (at {_go_quote(wrong.group() if wrong else text)})"
        if any(len(field) > 1 and field[0] == "0" for field in fields):
            return f"ParseAddr({quoted}): IPv4 field has octet with leading zero"
        if any(int(field) > 255 for field in fields):
            return f"ParseAddr({quoted}): IPv4 field has value >255"
        return f"ParseAddr({quoted}): IPv4 address too {'short' if len(fields) < 4 else 'long'}"
    return f"ParseAddr({quoted}): unable to parse IP"


@lru_cache(maxsize=65536)
def parse_prefix(text: str) -> Prefix:
    """Read ``10.0.0.0/8`` or ``fd00::/8``; host bits are cleared. Raises PrefixError."""
    address_text, slash, bits = text.rpartition("/")
    start = f"netip.ParsePrefix({_go_quote(text)}): "
    if not slash:
        raise PrefixError(start + "no '/'")
    try:
        address = ipaddress.ip_address(address_text)
    except ValueError:
        raise PrefixError(start + _address_error(address_text)) from None
    if "%" in address_text:
        raise PrefixError(start + "IPv6 zones cannot be present in a prefix")
    if not re.fullmatch(r"[0-9]+", bits) or (len(bits) > 1 and bits[0] == "0"):
        raise PrefixError(start + f"bad bits after slash: {_go_quote(bits)}")
    length = int(bits)
    width = address.max_prefixlen
    if length > width:
        raise PrefixError(start + "prefix length out of range")
    return Prefix(address.version, (int(address) >> (width - length)) << (width - length), length)


@lru_cache(maxsize=65536)
def prefix_of_label(key: str) -> Prefix | None:
    """The prefix a ``cidr:`` label's key stands for, None when it is none."""
    address, _, bits = key.rpartition("/")
    if "-" in address:
        address = address.replace("-", ":")
    try:
        return parse_prefix(f"{address}/{bits}" if address else f"{bits}/{128 if ':' in bits else 32}")
    except PrefixError:
        return None
