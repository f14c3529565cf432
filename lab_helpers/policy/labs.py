"""Which lab teaches what a finding is about."""

from __future__ import annotations

from typing import Final

__all__ = ["LABS", "lab_for"]

LABS: Final = {
    "00": "00-start-here",
    "01": "01-the-price-of-a-service",
    "02": "02-installing-cilium",
    "03": "03-identity-not-ip",
    "04": "04-l3-l4-policies",
    "05": "05-http-at-layer-7",
    "06": "06-names-instead-of-addresses",
    "07": "07-fqdn-in-production",
    "08": "08-hubble",
    "09": "09-default-deny-safely",
    "10": "10-is-it-in-the-dataplane",
    "11": "11-below-hubble",
    "12": "12-incident-room",
    "13": "13-kafka-then-and-now",
    "14": "14-day-two",
    "15": "15-which-cni",
    "16": "16-capstone",
}
"""Number → name of a lab."""

_CATEGORIES: Final = {
    "empty-rule": "09",
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
    "bad-cidr": "04",
    "except-outside": "04",
    "combining-peers": "04",
    "bad-protocol": "04",
    "port-missing": "04",
    "port-unparsable": "04",
    "too-many-ports": "04",
}


def lab_for(category: str) -> str:
    """The lab that teaches about a refused policy of that category; where nothing closer fits, the one on what the
    dataplane has.
    """
    return LABS[_CATEGORIES.get(category, "10")]
