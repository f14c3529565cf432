"""Resource quantities (``500m``, ``128Mi``, ``1e3``) as exact numbers."""

from __future__ import annotations

import re
from fractions import Fraction

__all__ = ["quantity"]

_FORM = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i))?$")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def quantity(value: str | float) -> Fraction:
    """The number; 0 for text that is not a quantity (decoding has refused that before)."""
    found = _FORM.match(str(value))
    if found is None:
        return Fraction(0)
    number, exponent, suffix = found.groups()
    result = Fraction(number)
    if exponent:
        result *= Fraction(10) ** int(exponent[1:])
    elif suffix in _DECIMAL:
        result *= Fraction(10) ** _DECIMAL[suffix]
    elif suffix:
        result *= Fraction(1024) ** _BINARY[suffix]
    return result
