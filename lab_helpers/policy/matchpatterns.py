"""The grammar of ``matchName`` and ``matchPattern``: names with wildcards.

Follows Cilium pkg/fqdn/matchpattern and pkg/policy/api/fqdn.go. Names are compared in lower case with their final dot.

=====================  =================================================
pattern                matches
=====================  =================================================
``*`` (or ``**`` …)    every name
``*.x``                exactly one label before ``.x``
``**.x`` (at the start, 1.19 and later)  one or more labels before ``.x``
``*x``, ``a*b``        any characters of one label, also none
=====================  =================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from lab_helpers.policy.labels import Label
from lab_helpers.policy.regexes import Pattern, compile_pattern

__all__ = [
    "NAME_CHARACTERS",
    "PATTERN_CHARACTERS",
    "FQDNSelector",
    "fqdn_labels",
    "name_matches",
    "normalized",
    "pattern_regex",
]

NAME_CHARACTERS = re.compile(r"[-a-zA-Z0-9_.]*")
PATTERN_CHARACTERS = re.compile(r"[-a-zA-Z0-9_.*]*")

_LABEL = "[-a-zA-Z0-9_]"


def normalized(name: str) -> str:
    """Lower case, with the final dot (``Cilium.io`` → ``cilium.io.``)."""
    lowered = name.strip().lower()
    return lowered if lowered.endswith(".") else lowered + "."


def pattern_regex(pattern: str) -> str:
    """The regular expression, for a full match, that a ``matchPattern`` stands for."""
    stripped = pattern.strip().lower()
    if re.fullmatch(r"\*+\.?", stripped):
        return rf"({_LABEL}+[.])+|[.]"
    text = normalized(stripped)
    prefix = ""
    if text.startswith("**."):
        prefix = rf"({_LABEL}+[.])+"
        text = text[3:]
    body = "".join(
        f"{_LABEL}*" if part.startswith("*") else re.escape(part) for part in re.split(r"(\*+)", text) if part
    )
    return prefix + body


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> Pattern:
    return compile_pattern(pattern_regex(pattern))


def name_matches(pattern: str, name: str) -> bool:
    """Does a DNS name match a pattern? Case and the final dot do not matter."""
    return _compiled(pattern).fullmatch(normalized(name)) is not None


@dataclass(frozen=True, slots=True)
class FQDNSelector:
    """One element of ``toFQDNs`` or of ``rules.dns``: a name or a pattern, never both. With neither it matches
    nothing.
    """

    match_name: str = ""
    match_pattern: str = ""

    def matches(self, name: str) -> bool:
        """Does it match a DNS name?"""
        if self.match_name:
            return normalized(self.match_name) == normalized(name)
        return bool(self.match_pattern) and name_matches(self.match_pattern, name)

    @property
    def label(self) -> Label:
        """The label that an address gets when a name this selector matches points to it. The text is taken
        literally.
        """
        return Label("fqdn", self.match_pattern or self.match_name)

    def __str__(self) -> str:
        return f"MatchName: {self.match_name}, MatchPattern: {self.match_pattern}"


def fqdn_labels(names: Iterable[str], selectors: Iterable[FQDNSelector]) -> frozenset[Label]:
    """The ``fqdn:`` labels of an address that was learned for ``names``."""
    known = tuple(names)
    return frozenset(selector.label for selector in selectors if any(selector.matches(name) for name in known))
