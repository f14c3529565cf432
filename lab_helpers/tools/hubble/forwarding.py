"""``--port-forward``: a local port whose connections reach Hubble Relay through the Kubernetes API server.

As in the real command: the Service ``hubble-relay`` names the port and the pods; the most active pod is chosen; a POST
to its ``portforward`` subresource becomes a SPDY/3.1 connection, on which each local connection gets an error stream
and a data stream. It listens on both loopback addresses; if one of them is taken the other will do.
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from lab_helpers.spdy import Connection, DataReceived, GoneAway, SpdyError, StreamReset
from lab_helpers.tools.goflags import ExitError
from lab_helpers.tools.hubble.apiserver import ApiError, ApiServer
from lab_helpers.tools.hubble.kubeconfigs import KubeconfigError, load
from lab_helpers.tools.hubble.settings import Settings

SERVICE = "hubble-relay"
_CHUNK = 32 * 1024


def forward(settings: Settings) -> str:
    """Start forwarding in the background and return the local address. Raises ExitError."""
    try:
        cluster = load(settings.text("kubeconfig"), settings.text("kube-context"), settings.environ)
    except KubeconfigError as error:
        raise ExitError(f"failed to create k8s port forwader: {error}") from None
    namespace = settings.text("kube-namespace")
    try:
        server = ApiServer(cluster)
        pod, port = find_pod(server.get, namespace)
        listeners, local = listen(int(settings.text("port-forward-port") or 0))
        sock, rest = server.upgrade(f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward")
    except ApiError as error:
        raise ExitError(f"failed to port forward: {error}") from None
    Forwarder(sock, rest, listeners, port).start()
    return f"127.0.0.1:{local}"


def find_pod(get: Callable[[str], dict[str, Any]], namespace: str) -> tuple[str, int]:
    """Name of the pod behind the Service, and the port in it. Raises ApiError."""
    try:
        service = get(f"/api/v1/namespaces/{namespace}/services/{SERVICE}")
    except ApiError as error:
        raise ApiError(f'failed to get service "{SERVICE}": {error}') from None
    spec = service.get("spec") or {}
    selector = ",".join(f"{key}={value}" for key, value in sorted((spec.get("selector") or {}).items()))
    ports = spec.get("ports") or []
    if not selector or not ports:
        raise ApiError(f'failed to get service "{SERVICE}": it has no selector or no ports')
    try:
        found = get(f"/api/v1/namespaces/{namespace}/pods?labelSelector={quote(selector, safe='')}")
    except ApiError as error:
        raise ApiError(f'failed to get pods for service "{SERVICE}": {error}') from None
    pods = sorted(found.get("items") or [], key=_activity, reverse=True)
    if not pods:
        raise ApiError(f'failed to get pods for service "{SERVICE}": no pods found for selector: {selector}')
    return str(pods[0]["metadata"]["name"]), _target_port(ports[0], pods[0])


def _activity(pod: dict[str, Any]) -> tuple[bool, int, bool, str]:
    status = pod.get("status") or {}
    phase = {"Running": 2, "Unknown": 1, "Pending": 0}.get(status.get("phase", ""), -1)
    ready = any(
        condition.get("type") == "Ready" and condition.get("status") == "True"
        for condition in status.get("conditions") or []
    )
    return bool((pod.get("spec") or {}).get("nodeName")), phase, ready, str(status.get("startTime") or "")


def _target_port(port: dict[str, Any], pod: dict[str, Any]) -> int:
    target = port.get("targetPort") or port.get("port")
    if isinstance(target, int) or str(target).isdigit():
        return int(str(target))
    for container in (pod.get("spec") or {}).get("containers") or []:
        for entry in container.get("ports") or []:
            if entry.get("name") == target:
                return int(entry["containerPort"])
    raise ApiError(f'failed to get container port: pod {pod["metadata"]["name"]} has no port named "{target}"')


def listen(port: int) -> tuple[list[socket.socket], int]:
    """Sockets that listen on 127.0.0.1 and [::1], and their port. Raises ApiError when neither address is free."""
    listeners: list[socket.socket] = []
    problems = []
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            sock = socket.create_server((address, port), family=family)
        except OSError as error:
            problems.append(f"unable to create listener: Error listen tcp {address}:{port}: {error.strerror}")
            continue
        port = sock.getsockname()[1]
        listeners.append(sock)
    if not listeners:
        raise ApiError(f"unable to listen on any of the requested ports: {'; '.join(problems)}")
    return listeners, port


class Forwarder:
    """Pumps bytes between local connections and streams of one SPDY connection, in daemon threads."""

    def __init__(self, remote: socket.socket, rest: bytes, listeners: list[socket.socket], port: int) -> None:
        self._remote = remote
        self._rest = rest
        self._listeners = listeners
        self._port = port
        self._spdy = Connection(client=True)
        self._lock = threading.Lock()
        self._locals: dict[int, socket.socket] = {}
        self._errors: dict[int, int] = {}
        self._requests = 0

    def start(self) -> None:
        """Begin to accept connections."""
        self._remote.settimeout(None)
        threading.Thread(target=self._receive, daemon=True).start()
        for listener in self._listeners:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _send(self) -> None:
        """Write what the connection has to say; the caller holds the lock."""
        data = self._spdy.take()
        if data:
            self._remote.sendall(data)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                local, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pump, args=(local,), daemon=True).start()

    def _pump(self, local: socket.socket) -> None:
        """Open the two streams of a local connection and send what arrives on it."""
        try:
            with self._lock:
                headers = {"port": str(self._port), "requestid": str(self._requests)}
                self._requests += 1
                failure = self._spdy.open({"streamtype": "error", **headers}, end=True)
                stream = self._spdy.open({"streamtype": "data", **headers})
                self._locals[stream], self._errors[failure] = local, stream
                self._send()
            while True:
                data = local.recv(_CHUNK)
                with self._lock:
                    self._spdy.send(stream, data, end=not data)
                    self._send()
                if not data:
                    return
        except OSError:
            local.close()

    def _receive(self) -> None:
        """Hand out what arrives from the API server, until it ends."""
        data = self._rest
        with contextlib.suppress(OSError, SpdyError):
            while True:
                with self._lock:
                    events = self._spdy.feed(data)
                    self._send()
                for event in events:
                    if isinstance(event, DataReceived):
                        self._deliver(event)
                    elif isinstance(event, StreamReset):
                        self._close(event.stream)
                    elif isinstance(event, GoneAway):
                        return
                data = self._remote.recv(65536)
                if not data:
                    break
        for stream in list(self._locals):
            self._close(stream)

    def _deliver(self, event: DataReceived) -> None:
        if event.stream in self._errors:
            if event.data:  # the error stream says why the port cannot be reached
                self._close(self._errors.pop(event.stream))
            return
        local = self._locals.get(event.stream)
        if local is None:
            return
        try:
            if event.data:
                local.sendall(event.data)
            if event.ended:
                self._close(event.stream)
        except OSError:
            self._close(event.stream)

    def _close(self, stream: int) -> None:
        local = self._locals.pop(stream, None)
        if local is not None:
            with contextlib.suppress(OSError):
                local.shutdown(socket.SHUT_RDWR)
            local.close()
