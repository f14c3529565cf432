"""Which pod and container a connection is for, with the refusals of the API server (pkg/registry/core/pod)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_helpers.twin.interfaces import PodKey
from lab_helpers.twin.objects.errors import StatusError, bad_request
from lab_helpers.twin.objects.storage import Object

__all__ = ["choose_container", "pod_key", "require_node"]


def pod_key(pod: Mapping[str, Any]) -> PodKey:
    """The key of a pod object."""
    metadata = pod["metadata"]
    return PodKey(metadata["namespace"], metadata["name"], metadata["uid"])


def choose_container(pod: Object, name: str) -> str:
    """The container meant by ``name``; the only one when there is none. Raises 400."""
    spec, pod_name = pod["spec"], pod["metadata"]["name"]
    regular = [container["name"] for container in spec.get("containers") or ()]
    initial = [container["name"] for container in spec.get("initContainers") or ()]
    if not name:
        if len(regular) == 1:
            return str(regular[0])
        text = f"a container name must be specified for pod {pod_name}, choose one of: [{' '.join(regular)}]"
        if initial:
            text += f" or one of the init containers: [{' '.join(initial)}]"
        raise bad_request(text)
    added = [container["name"] for container in spec.get("ephemeralContainers") or ()]
    if name not in (*regular, *initial, *added):
        raise bad_request(f"container {name} is not valid for pod {pod_name}")
    return name


def require_node(pod: Object) -> None:
    """Raises 400 for a pod that no node runs yet, 500 for one that ended."""
    name = pod["metadata"]["name"]
    if not pod["spec"].get("nodeName"):
        raise bad_request(f"pod {name} does not have a host assigned")
    phase = (pod.get("status") or {}).get("phase", "")
    if phase in ("Succeeded", "Failed"):
        message = f"cannot exec into a container in a completed pod; current phase is {phase}"
        raise StatusError(400, "BadRequest", message)
