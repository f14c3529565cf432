"""From a pod's metadata to the labels of its identity.

Follows Cilium pkg/labelsfilter/filter.go (which labels count) and pkg/k8s (which are added). A filter is a list of
regular expressions that
match at the start of a key; the longest match decides, and an include that is as long as an exclude loses to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from lab_helpers.policy.labels import (
    CLUSTER_LABEL,
    NAMESPACE_LABEL,
    NAMESPACE_LABELS_PREFIX,
    SERVICE_ACCOUNT_LABEL,
    Label,
    LabelSet,
)

__all__ = ["DEFAULT_FILTER", "LabelFilter", "identity_labels"]

_INCLUDED: Final = (
    r"reserved:.*",
    r"io\.kubernetes\.pod\.namespace",
    r"io\.cilium\.k8s\.namespace\.labels",
    r"app\.kubernetes\.io",
    r"io\.cilium\.k8s\.policy\.cluster",
    r"io\.cilium\.k8s\.policy\.serviceaccount",
)
_EXCLUDED: Final = (
    r"io\.kubernetes",
    r"kubernetes\.io",
    r"statefulset\.kubernetes\.io/pod-name",
    r"apps\.kubernetes\.io/pod-index",
    r"batch\.kubernetes\.io/job-completion-index",
    r"batch\.kubernetes\.io/controller-uid",
    r".*beta\.kubernetes\.io",
    r"k8s\.io",
    r"pod-template-generation",
    r"pod-template-hash",
    r"controller-revision-hash",
    r"controller-uid",
    r"annotation.*",
    r"etcd_node",
    r"topology\.kubernetes\.io",
)


@dataclass(frozen=True, slots=True)
class LabelFilter:
    """Which labels count. ``whitelist``: only included ones do."""

    included: tuple[str, ...] = _INCLUDED
    excluded: tuple[str, ...] = _EXCLUDED
    whitelist: bool = False

    @classmethod
    def from_expressions(cls, text: str) -> LabelFilter:
        """The ``labels`` setting of the agent: expressions with a leading ``!`` exclude; one without makes a whitelist.

        Expressions may carry a source (``k8s:app``); only ``k8s`` and ``reserved`` ones matter for pods.
        """
        words = text.replace(",", " ").split()
        more_in = tuple(_without_source(word) for word in words if not word.startswith("!"))
        more_out = tuple(_without_source(word[1:]) for word in words if word.startswith("!"))
        return cls((*_INCLUDED, *more_in), (*_EXCLUDED, *more_out), bool(more_in))

    def keeps(self, key: str) -> bool:
        """Does a label of the source k8s with this key become part of the identity?"""
        included, excluded = _longest(self.included, key), _longest(self.excluded, key)
        if included > excluded:
            return True
        return excluded == 0 and not self.whitelist


def _without_source(expression: str) -> str:
    return expression.removeprefix("k8s:") if expression.startswith("k8s:") else expression


def _longest(expressions: Iterable[str], key: str) -> int:
    return max((len(found.group()) for text in expressions if (found := re.match(text, key))), default=0)


DEFAULT_FILTER: Final = LabelFilter()


def identity_labels(
    pod_labels: Mapping[str, str],
    *,
    namespace: str,
    namespace_labels: Mapping[str, str],
    service_account: str = "default",
    cluster: str = "default",
    label_filter: LabelFilter = DEFAULT_FILTER,
) -> LabelSet:
    """The labels of the identity of a pod. Every namespace has ``kubernetes.io/metadata.name``, written or not."""
    of_namespace = {"kubernetes.io/metadata.name": namespace, **namespace_labels}
    candidates = {
        **pod_labels,
        NAMESPACE_LABEL: namespace,
        **{f"{NAMESPACE_LABELS_PREFIX}.{key}": value for key, value in of_namespace.items()},
        CLUSTER_LABEL: cluster,
        SERVICE_ACCOUNT_LABEL: service_account or "default",
    }
    return LabelSet(Label("k8s", key, value) for key, value in candidates.items() if label_filter.keeps(key))
