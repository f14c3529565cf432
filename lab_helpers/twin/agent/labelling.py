"""From a pod to the labels of its security identity.

Follows Cilium pkg/k8s (GetPodMetadata) and pkg/labelsfilter/filter.go: which labels count, and how the ``labels``
option changes that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from lab_helpers.policy.labels import (
    CLUSTER_LABEL,
    NAMESPACE_LABEL,
    NAMESPACE_LABELS_PREFIX,
    SERVICE_ACCOUNT_LABEL,
    Label,
    LabelSet,
)

__all__ = ["LabelFilter", "pod_labels"]

_INCLUDE: Final = (
    "reserved:.*",
    r"io\.kubernetes\.pod\.namespace",
    r"io\.cilium\.k8s\.namespace\.labels",
    r"app\.kubernetes\.io",
    r"io\.cilium\.k8s\.policy\.cluster",
    r"io\.cilium\.k8s\.policy\.serviceaccount",
)
_EXCLUDE: Final = (
    r"io\.kubernetes",
    r"kubernetes\.io",
    r"statefulset\.kubernetes\.io/pod-name",
    r"apps\.kubernetes\.io/pod-index",
    r"batch\.kubernetes\.io/job-completion-index",
    r"batch\.kubernetes\.io/controller-uid",
    r".*beta\.kubernetes\.io",
    r"k8s\.io",
    "pod-template-generation",
    "pod-template-hash",
    "controller-revision-hash",
    "controller-uid",
    "annotation.*",
    "etcd_node",
    r"topology\.kubernetes\.io",
)


class _Pattern(NamedTuple):
    source: str
    regex: re.Pattern[str]
    negative: bool

    def length(self, label: Label) -> int:
        """How much of the key it matches, from its start; -1 not at all."""
        if self.source not in ("", "any", label.source):
            return -1
        found = self.regex.match(label.key)
        return -1 if found is None else found.end()


class LabelFilter:
    """Which labels make an identity. ``extra`` are the expressions of the ``labels`` option (``!`` excludes,
    ``source:`` limits).

    One positive expression turns the list into a whitelist. Raises ValueError for an expression that is no regular
    expression.
    """

    def __init__(self, extra: Sequence[str] = ()) -> None:
        own = [_parse(text) for text in extra]
        self._whitelist = any(not pattern.negative for pattern in own)
        self._patterns = (
            *(_parse(text) for text in _INCLUDE),
            *(_parse("!" + text) for text in _EXCLUDE),
            *own,
        )

    def keeps(self, label: Label) -> bool:
        """Does the label count?"""
        included = max((p.length(label) for p in self._patterns if not p.negative), default=-1)
        excluded = max((p.length(label) for p in self._patterns if p.negative), default=-1)
        if excluded < 0:
            return included >= 0 or not self._whitelist
        return included > excluded

    def split(self, labels: LabelSet) -> tuple[LabelSet, LabelSet]:
        """(labels that count, information labels)."""
        kept = LabelSet(label for label in labels if self.keeps(label))
        return kept, LabelSet(label for label in labels if label not in kept)


@lru_cache(maxsize=256)
def _parse(text: str) -> _Pattern:
    negative = text.startswith("!")
    text = text.removeprefix("!")
    source, colon, pattern = text.partition(":")
    if not colon:
        source, pattern = "", text
    try:
        return _Pattern(source, re.compile(pattern), negative)
    except re.error as error:
        raise ValueError(f'unable to compile the label expression "{text}": {error}') from error


def pod_labels(pod: Mapping[str, Any], namespace: Mapping[str, Any] | None, cluster: str) -> LabelSet:
    """All labels of a pod before filtering: its own, its namespace's, cluster and service account; all with source
    ``k8s``.
    """
    metadata = pod["metadata"]
    labels = {key: str(value) for key, value in (metadata.get("labels") or {}).items()}
    labels = {key: value for key, value in labels.items() if not key.startswith("io.cilium.k8s.")}
    for key, value in (((namespace or {}).get("metadata") or {}).get("labels") or {}).items():
        labels[f"{NAMESPACE_LABELS_PREFIX}.{key}"] = str(value)
    labels[NAMESPACE_LABEL] = metadata.get("namespace", "default")
    labels[CLUSTER_LABEL] = cluster
    account = (pod.get("spec") or {}).get("serviceAccountName") or "default"
    labels[SERVICE_ACCOUNT_LABEL] = account
    return LabelSet(Label("k8s", key, value) for key, value in labels.items())
