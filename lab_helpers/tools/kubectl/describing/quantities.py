"""Amounts of cpu and memory: added up, and written as apimachinery's Quantity writes them."""

import re
from fractions import Fraction

_UNITS = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
    "E": Fraction(10**18),
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
    "Pi": Fraction(2**50),
    "Ei": Fraction(2**60),
}
_QUANTITY = re.compile(r"([+-]?[0-9.]+)(?:[eE]([+-]?[0-9]+))?([numkMGTPE]i?)?$")


def parse(text: object) -> Fraction:
    """The amount; 0 for what is no quantity."""
    match = _QUANTITY.match(str(text))
    if not match:
        return Fraction(0)
    return (
        Fraction(match.group(1))
        * Fraction(10) ** int(match.group(2) or 0)
        * _UNITS.get(match.group(3) or "", Fraction(1))
    )


def binary(text: object) -> bool:
    """Whether a quantity is written with Ki, Mi …"""
    return str(text).endswith("i")


def cpu_text(amount: Fraction) -> str:
    """``2`` or ``250m``."""
    milli = -(-amount * 1000 // 1)
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"


def memory_text(amount: Fraction, *, powers_of_two: bool = True) -> str:
    """``64Mi``, ``1Gi`` or plain bytes: the largest unit that leaves a whole number."""
    whole = int(amount)
    if whole == 0:
        return "0"
    units = ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki") if powers_of_two else ("E", "P", "T", "G", "M", "k")
    for unit in units:
        size = int(_UNITS[unit])
        if whole % size == 0:
            return f"{whole // size}{unit}"
    return str(whole)


def canonical(text: object) -> str:
    """A quantity in its shortest form with the units it was written in: ``16384Mi`` is ``16Gi``."""
    amount = parse(text)
    if binary(text):
        return memory_text(amount)
    if amount == int(amount):
        return memory_text(amount, powers_of_two=False)
    for unit in ("m", "u", "n"):
        if (amount / _UNITS[unit]).denominator == 1:
            return f"{int(amount / _UNITS[unit])}{unit}"
    return str(text)
