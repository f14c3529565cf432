"""Hubble Relay where it has no address: through the API server, as ``cilium hubble port-forward`` reaches it.

The Service ``hubble-relay`` names port and pods; the connection is a port-forward of the official Kubernetes client.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from kubernetes.stream.ws_client import PortForward
from websocket import WebSocketException

from lab_helpers.clusters.errors import NotRunning
from lab_helpers.clusters.upgrading import close_websocket, open_websocket

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

__all__ = ["dial_relay"]

_NAMESPACE: Final = "kube-system"
_SERVICE: Final = "hubble-relay"
_TRY: Final = "cilium status; cilium hubble enable"


class _Tunnel(PortForward):  # type: ignore[misc]  # the library has no types
    """A port-forward that ends in silence when the cluster goes away, and leaves no connection behind."""

    def _proxy(self) -> None:
        try:
            super()._proxy()
        except (OSError, ValueError, RuntimeError, WebSocketException):
            return  # the reader sees the end of the stream, which is all there is to say
        finally:
            for port in self.local_ports.values():
                port.python.close()
            close_websocket(self.websocket)


def dial_relay(api: ApiClient) -> socket.socket:
    """A connection to a ready pod of Relay; closing it ends the port-forward. Raises NotRunning."""
    from kubernetes import client

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
    return _forward(api, str(ready[0].metadata.name), port)


def _forward(api: ApiClient, pod: str, port: int) -> socket.socket:
    path = f"/api/v1/namespaces/{_NAMESPACE}/pods/{quote(pod, safe='')}/portforward?ports={port}"
    try:
        websocket = open_websocket(api, path)
    except Exception as error:
        raise NotRunning(
            f"Hubble Relay cannot be reached through the API server: {error}", where=pod, try_=_TRY
        ) from error
    opened: socket.socket = _Tunnel(websocket, [port]).socket(port)
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
