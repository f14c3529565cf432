"""The ``format`` values a CRD schema may use (go-openapi strfmt).

Formats the real server does not know are not checked.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import date

__all__ = ["matches_format"]

_HOSTNAME = re.compile(
    r"^([a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?)(\.[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?)*$"
)
_UUID = re.compile(r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$")
_DATETIME = re.compile(r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)$")
_DURATION = re.compile(
    r"^[+-]?(\d+(\.\d*)?|\.\d+)\s*(ns|us|µs|ms|s|m|h|d|w)((\d+(\.\d*)?)\s*(ns|us|µs|ms|s|m|h|d|w))*$|^0$"
)
_MAC = re.compile(r"^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$")
_URI = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*:.+|/.*)$")
_EMAIL = re.compile(r"^[^@\s]+@[^@\s]+$")


def matches_format(name: str, text: str) -> bool:
    """Does ``text`` have the format? Unknown formats always match."""
    check = _CHECKS.get(name.replace("-", ""))
    return check is None or check(text)


def _address(version: int) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            return ipaddress.ip_address(text).version == version
        except ValueError:
            return False

    return check


def _cidr(text: str) -> bool:
    try:
        return "/" in text and bool(ipaddress.ip_interface(text))
    except ValueError:
        return False


def _date(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text)) and len(text) == 10
    except ValueError:
        return False


def _byte(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return True


def _pattern(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.match(text) is not None


_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "ipv4": _address(4),
    "ipv6": _address(6),
    "cidr": _cidr,
    "hostname": _pattern(_HOSTNAME),
    "uuid": _pattern(_UUID),
    "datetime": _pattern(_DATETIME),
    "date": _date,
    "duration": _pattern(_DURATION),
    "mac": _pattern(_MAC),
    "uri": _pattern(_URI),
    "email": _pattern(_EMAIL),
    "byte": _byte,
}
