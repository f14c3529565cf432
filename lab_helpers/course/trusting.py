"""Pods that trust the outside of a kind cluster.

There the names of the story (api.stripe.com …) are served by a container with an authority of its own, which no image
knows. Its certificate lies in the ConfigMap ``kube-system/cilium-labs-outside``; where that exists, the shop's clients
get it as a file and as the variables curl and Python look at. Elsewhere the manifests stay as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Final

from lab_helpers.course.api import Resource

__all__ = ["PUBLISHED", "TRUST", "trusting"]

PUBLISHED: Final = ("kube-system", "cilium-labs-outside")
TRUST: Final = "outside-ca"
"""The ConfigMap with the certificate in each of the shop's namespaces."""
_FOLDER: Final = "/etc/outside-ca"
_VARIABLES: Final = ("CURL_CA_BUNDLE", "SSL_CERT_FILE")


def trusting(manifests: Sequence[Resource], published: Resource | None) -> list[dict[str, Any]]:
    """The manifests with what makes their pods trust the authority; copies, unchanged when nothing is published."""
    changed = [copy.deepcopy(dict(item)) for item in manifests]
    certificate = ((published or {}).get("data") or {}).get("ca.crt")
    if not certificate:
        return changed
    namespaces = [item for item in changed if item["kind"] == "Namespace"]
    rest = [item for item in changed if item["kind"] != "Namespace"]
    trust = [_config_map(item["metadata"]["name"], certificate) for item in namespaces]
    for item in rest:
        if item["kind"] == "Deployment":
            _extend(item["spec"]["template"]["spec"])
    return [*namespaces, *trust, *rest]


def _config_map(namespace: str, certificate: str) -> dict[str, Any]:
    metadata = {"name": TRUST, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.crt": certificate}}


def _extend(pod: dict[str, Any]) -> None:
    pod.setdefault("volumes", []).append({"name": TRUST, "configMap": {"name": TRUST}})
    for container in pod["containers"]:
        mounts = {"name": TRUST, "mountPath": _FOLDER, "readOnly": True}
        container.setdefault("volumeMounts", []).append(mounts)
        container.setdefault("env", []).extend({"name": name, "value": f"{_FOLDER}/ca.crt"} for name in _VARIABLES)
