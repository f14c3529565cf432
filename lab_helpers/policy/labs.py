"""Which lab teaches what a finding is about."""

from __future__ import annotations

from typing import Final

__all__ = ["LABS", "lab_for"]

LABS: Final = {
    "04": "04-l3-l4-policies",
    "05": "05-http-at-layer-7",
    "06": "06-names-instead-of-addresses",
    "13": "13-kafka-then-and-now",
}
"""Number → name of the labs that findings lead to."""

_CATEGORIES: Final = {
    "l7-non-tcp": "05",
    "l7-port0": "05",
    "l7-multiple": "05",
    "bad-regex": "05",
    "host-l7": "05",
    "dns-ingress": "06",
    "dns-range": "06",
    "fqdn-both": "06",
    "fqdn-chars": "06",
    "fqdn-length": "06",
}


def lab_for(category: str) -> str:
    """The lab that teaches about a refused policy of that category.

    Where nothing closer fits: the one in which policies are written, refused, and found to select nothing.
    """
    return LABS[_CATEGORIES.get(category, "04")]
