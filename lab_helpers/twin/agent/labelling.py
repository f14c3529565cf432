"""From the objects of the API to all labels of a pod (Cilium pkg/k8s GetPodMetadata); which of them make its identity
is the policy engine's to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_helpers.policy.labels import LabelSet
from lab_helpers.policy.pod_labels import pod_labels

__all__ = ["labels_of_pod"]


def labels_of_pod(pod: Mapping[str, Any], namespace: Mapping[str, Any] | None, cluster: str) -> LabelSet:
    """Its labels before filtering; ``namespace`` is the object of its namespace, if there is one."""
    metadata = pod["metadata"]
    return pod_labels(
        _texts(metadata),
        namespace=metadata.get("namespace", "default"),
        namespace_labels=_texts((namespace or {}).get("metadata") or {}),
        service_account=(pod.get("spec") or {}).get("serviceAccountName") or "default",
        cluster=cluster,
    )


def _texts(metadata: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in (metadata.get("labels") or {}).items()}
