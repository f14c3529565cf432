"""Errors of the kernel in the words of a C library (strerror(3)), by the names that ``ConnectionFailed`` carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["MUSL"]

MUSL: Final[Mapping[str, str]] = {
    "ECONNREFUSED": "Connection refused",
    "ETIMEDOUT": "Operation timed out",
    "EHOSTUNREACH": "Host is unreachable",
    "ENETUNREACH": "Network unreachable",
    "ECONNRESET": "Connection reset by peer",
    "EPERM": "Operation not permitted",
}
"""musl's, the C library of the Alpine images."""
