"""Labels as Cilium writes them: ``source:key=value``.

Follows Cilium pkg/labels. Within an identity a key occurs once per source; in selectors the source ``any`` stands
for every source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

__all__ = [
    "CLUSTER_LABEL",
    "NAMESPACE_LABEL",
    "NAMESPACE_LABELS_PREFIX",
    "SERVICE_ACCOUNT_LABEL",
    "Label",
    "LabelSet",
    "parse_key",
    "parse_label",
    "parse_labels",
]

NAMESPACE_LABEL: Final = "io.kubernetes.pod.namespace"
NAMESPACE_LABELS_PREFIX: Final = "io.cilium.k8s.namespace.labels"
CLUSTER_LABEL: Final = "io.cilium.k8s.policy.cluster"
SERVICE_ACCOUNT_LABEL: Final = "io.cilium.k8s.policy.serviceaccount"


class Label(NamedTuple):
    """One label. ``str()`` gives Cilium's text; an empty value is left out, as in ``reserved:host``."""

    source: str
    key: str
    value: str = ""

    def __str__(self) -> str:
        return f"{self.source}:{self.key}={self.value}" if self.value else f"{self.source}:{self.key}"


def parse_key(text: str, default_source: str = "any") -> tuple[str, str]:
    """Split ``source:key``; a key without source gets ``default_source``. ``$host`` is the old spelling of
    ``reserved:host``.
    """
    if text.startswith("$"):
        return "reserved", text[1:]
    source, colon, key = text.partition(":")
    if not colon:
        return default_source, text
    return source or default_source, key


def parse_label(text: str, default_source: str = "unspec") -> Label:
    """Read ``source:key=value``. A source is looked for only before the first ``=``.

    Addresses keep their colons: ``cidr:2001:db8::/32`` has source ``cidr``.
    """
    head, _, value = text.partition("=")
    source, key = parse_key(head, default_source)
    return Label(source, key, value)


def parse_labels(texts: Iterable[str]) -> LabelSet:
    """Read many labels."""
    return LabelSet(parse_label(text) for text in texts)


class LabelSet:
    """An immutable set of labels with lookups by key. Equal sets are equal and hash alike, whatever their order was."""

    __slots__ = ("_hash", "_index", "_labels")

    def __init__(self, labels: Iterable[Label] = ()) -> None:
        ordered = tuple(sorted(set(labels)))
        self._labels = ordered
        self._hash = hash(ordered)
        index: dict[str, tuple[Label, ...]] = {}
        for label in ordered:
            index[label.key] = (*index.get(label.key, ()), label)
        self._index = index

    def values(self, source: str, key: str) -> tuple[str, ...]:
        """The values of ``key``; source ``any`` looks at every source. Empty when the key is absent."""
        found = self._index.get(key, ())
        if source == "any":
            return tuple(label.value for label in found)
        return tuple(label.value for label in found if label.source == source)

    def value(self, key: str, source: str = "k8s") -> str | None:
        """The value of ``key``, or None when it is absent."""
        found = self.values(source, key)
        return found[0] if found else None

    def has(self, source: str, key: str) -> bool:
        """Is there a label of that source (or of any) and key?"""
        found = self._index.get(key, ())
        return bool(found) if source == "any" else any(label.source == source for label in found)

    def reserved(self, name: str) -> bool:
        """Does it carry ``reserved:<name>``?"""
        return self.has("reserved", name)

    def of(self, source: str) -> tuple[Label, ...]:
        """All labels of one source."""
        return tuple(label for label in self._labels if label.source == source)

    def strings(self) -> tuple[str, ...]:
        """Cilium's text of each label, sorted."""
        return tuple(sorted(map(str, self._labels)))

    def union(self, other: Iterable[Label]) -> LabelSet:
        """This set and more labels."""
        return LabelSet((*self._labels, *other))

    def __iter__(self) -> Iterator[Label]:
        return iter(self._labels)

    def __len__(self) -> int:
        return len(self._labels)

    def __contains__(self, label: object) -> bool:
        return label in self._labels

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, LabelSet) and self._labels == other._labels)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"LabelSet({', '.join(self.strings())})"
