"""Which labels an address outside the cluster has.

An address carries the ``cidr:`` label of the longest prefix in use that contains it, the labels of the CIDR groups it
is in, the ``fqdn:`` labels of the selectors whose names lead to it, and the world. Follows Cilium pkg/ipcache and
pkg/labels/cidr.go.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from lab_helpers.policy.configs import PolicyConfig
from lab_helpers.policy.labels import Label, LabelSet
from lab_helpers.policy.matchpatterns import FQDNSelector, fqdn_labels
from lab_helpers.policy.prefixes import Prefix
from lab_helpers.policy.rules import CIDRGroup

__all__ = ["address_labels", "address_prefix", "world_label"]


def address_prefix(address: str) -> Prefix:
    """An address as the prefix of its full length. Raises ValueError."""
    parsed = ipaddress.ip_address(address)
    return Prefix(parsed.version, int(parsed), parsed.max_prefixlen)


def world_label(family: int, config: PolicyConfig) -> Label:
    """The world as an address of that family sees it: split in two where both families are on."""
    return Label("reserved", f"world-ipv{family}" if config.dual_stack else "world")


def address_labels(
    address: str,
    *,
    prefixes: Iterable[Prefix],
    groups: Iterable[CIDRGroup] = (),
    names: Iterable[str] = (),
    selectors: Iterable[FQDNSelector] = (),
    config: PolicyConfig,
) -> LabelSet:
    """The labels of an address outside. Only the world label (identity 2, 9 or 10) when nothing in use mentions it.

    ``names`` are the DNS names it was learned for. Raises ValueError for text that is no address.
    """
    own = address_prefix(address)
    labels = {world_label(own.family, config)}
    containing = [prefix for prefix in prefixes if prefix.length and prefix.contains(own)]
    if containing:
        labels.add(max(containing, key=lambda prefix: prefix.length).label)
    for group in groups:
        if any(prefix.contains(own) for prefix in group.prefixes):
            labels.update(group.identity_labels())
    labels.update(fqdn_labels(names, selectors))
    return LabelSet(labels)
