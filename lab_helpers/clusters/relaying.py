"""Hubble Relay where it has no address: through the API server, as ``cilium hubble port-forward`` reaches it.

The Service ``hubble-relay`` names port and pods; the connection is a port-forward of the official Kubernetes client.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Final

from lab_helpers.clusters.errors import NotRunning

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

__all__ = ["dial_relay"]

_NAMESPACE: Final = "kube-system"
_SERVICE: Final = "hubble-relay"
_TRY: Final = "cilium status; cilium hubble enable"


def dial_relay(api: ApiClient) -> socket.socket:
    """A connection to a ready pod of Relay. ``api`` belongs to it from now on. Raises NotRunning."""
    from kubernetes import client
    from kubernetes.stream import portforward

    core = client.CoreV1Api(api)
    try:
        service = core.read_namespaced_service(_SERVICE, _NAMESPACE)
        selector = ",".join(f"{key}={value}" for key, value in sorted((service.spec.selector or {}).items()))
        pods = core.list_namespaced_pod(_NAMESPACE, label_selector=selector).items if selector else []
    except client.ApiException as error:
        if error.status != 404:
            raise
        raise NotRunning("Hubble Relay is not installed", where=f"Service {_NAMESPACE}/{_SERVICE}", try_=_TRY) from None
    ready = [pod for pod in pods if pod.metadata.deletion_timestamp is None and _is_ready(pod)]
    if not ready:
        what = f"none of {len(pods)} pods of Hubble Relay is ready"
        raise NotRunning(what, where=f"Service {_NAMESPACE}/{_SERVICE}", try_=_TRY)
    port = _target_port(service.spec.ports[0], ready[0])
    forwarded = portforward(
        core.connect_get_namespaced_pod_portforward, ready[0].metadata.name, _NAMESPACE, ports=str(port)
    )
    opened: socket.socket = forwarded.socket(port)
    opened.setblocking(True)
    return opened


def _is_ready(pod: Any) -> bool:
    return any(item.type == "Ready" and item.status == "True" for item in pod.status.conditions or ())


def _target_port(port: Any, pod: Any) -> int:
    target = port.target_port or port.port
    if str(target).isdigit():
        return int(target)
    for container in pod.spec.containers:
        for entry in container.ports or ():
            if entry.name == target:
                return int(entry.container_port)
    raise NotRunning(f'the pods of Hubble Relay have no port "{target}"', where=pod.metadata.name, try_=_TRY)
