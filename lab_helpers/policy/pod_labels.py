"""From a pod's metadata to the labels of its identity.

Follows Cilium pkg/labelsfilter/filter.go (which labels count) and pkg/k8s GetPodMetadata (which are added). A filter is
a list of regular expressions that match at the start of a key; the longest match decides, and an include that is as
long as an exclude loses to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from lab_helpers.policy.errors import RegexError
from lab_helpers.policy.labels import (
    CLUSTER_LABEL,
    NAMESPACE_LABEL,
    NAMESPACE_LABELS_PREFIX,
    SERVICE_ACCOUNT_LABEL,
    Label,
    LabelSet,
)
from lab_helpers.policy.regexes import Pattern, compile_pattern

__all__ = ["DEFAULT_FILTER", "LabelFilter", "identity_labels", "pod_labels"]

_CLAIMED: Final = "io.cilium.k8s."

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
    """Which labels count. An expression may be limited to a source (``k8s:team``). ``whitelist``: only included ones
    count.
    """

    included: tuple[str, ...] = _INCLUDED
    excluded: tuple[str, ...] = _EXCLUDED
    whitelist: bool = False

    @classmethod
    def from_expressions(cls, text: str) -> LabelFilter:
        """The ``labels`` setting of the agent: expressions with a leading ``!`` exclude; one without makes a whitelist.

        Raises RegexError for an expression that is none.
        """
        words = text.replace(",", " ").split()
        more_in = tuple(word for word in words if not word.startswith("!"))
        more_out = tuple(word[1:] for word in words if word.startswith("!"))
        for word in (*more_in, *more_out):
            _compiled(word)
        return cls((*_INCLUDED, *more_in), (*_EXCLUDED, *more_out), bool(more_in))

    def keeps(self, key: str, source: str = "k8s") -> bool:
        """Does a label with this key and source become part of the identity?"""
        included, excluded = _longest(self.included, key, source), _longest(self.excluded, key, source)
        if included > excluded:
            return True
        return excluded == 0 and not self.whitelist

    def split(self, labels: LabelSet) -> tuple[LabelSet, LabelSet]:
        """(labels that count, labels that are information)."""
        kept = LabelSet(label for label in labels if self.keeps(label.key, label.source))
        return kept, LabelSet(label for label in labels if label not in kept)


@lru_cache(maxsize=512)
def _compiled(expression: str) -> tuple[str, Pattern]:
    """(source or "", pattern that is anchored at the start of a key)."""
    source, colon, pattern = expression.partition(":")
    if not colon:
        source, pattern = "", expression
    try:
        return "" if source == "any" else source, compile_pattern(f"^(?:{pattern})")
    except RegexError as error:
        raise RegexError(f"the setting labels: {expression!r} is no regular expression: {error}") from error


@lru_cache(maxsize=2048)
def _longest(expressions: tuple[str, ...], key: str, source: str) -> int:
    """How much of a key the expressions match; the keys of a cluster's labels are few."""
    lengths = [0]
    for expression in expressions:
        wanted, pattern = _compiled(expression)
        if wanted in ("", source) and (found := pattern.search(key)):
            lengths.append(found.end())
    return max(lengths)


DEFAULT_FILTER: Final = LabelFilter()


def pod_labels(
    own: Mapping[str, str],
    *,
    namespace: str,
    namespace_labels: Mapping[str, str],
    service_account: str = "default",
    cluster: str = "default",
) -> LabelSet:
    """All labels of a pod, unfiltered, with source ``k8s``: its own, its namespace's, cluster and service account.

    What a pod claims under ``io.cilium.k8s.`` does not count. Every namespace has ``kubernetes.io/metadata.name``,
    written or not.
    """
    of_namespace = {"kubernetes.io/metadata.name": namespace, **namespace_labels}
    found = {
        **{key: value for key, value in own.items() if not key.startswith(_CLAIMED)},
        NAMESPACE_LABEL: namespace,
        **{f"{NAMESPACE_LABELS_PREFIX}.{key}": value for key, value in of_namespace.items()},
        CLUSTER_LABEL: cluster,
        SERVICE_ACCOUNT_LABEL: service_account or "default",
    }
    return LabelSet(Label("k8s", key, value) for key, value in found.items())


def identity_labels(
    own: Mapping[str, str],
    *,
    namespace: str,
    namespace_labels: Mapping[str, str],
    service_account: str = "default",
    cluster: str = "default",
    label_filter: LabelFilter = DEFAULT_FILTER,
) -> LabelSet:
    """The labels of the identity of a pod: those of :func:`pod_labels` that the filter keeps."""
    everything = pod_labels(
        own,
        namespace=namespace,
        namespace_labels=namespace_labels,
        service_account=service_account,
        cluster=cluster,
    )
    return label_filter.split(everything)[0]
