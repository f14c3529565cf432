"""Local TCP ports forwarded into a pod: each accepted connection gets a WebSocket of its own."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from lab_helpers.tools.rest.channels import V4, PortStreams, pack
from lab_helpers.tools.rest.clients import Client, quote
from lab_helpers.tools.rest.errors import RestError
from lab_helpers.tools.rest.upgrading import open_websocket

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection


class Forwarder:
    """Listens on `host`:`port` (0: any free port) and forwards to `remote` in a pod, in threads, until `close`.

    `opened` and `failed` are told of connections and of errors. Raises OSError when the port is taken.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        pod: str,
        remote: int,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        opened: Callable[[int], object] | None = None,
        failed: Callable[[str], object] | None = None,
    ) -> None:
        self._client = client
        self._path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/portforward"
        self.remote = remote
        self._opened = opened
        self._failed = failed
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            if socket.has_dualstack_ipv6() and family == socket.AF_INET6:
                self._listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
                self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:
                self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((host, port))
            self._listener.listen(64)
        except OSError:
            self._listener.close()
            raise
        self.port: int = self._listener.getsockname()[1]
        self._closed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                local, _ = self._listener.accept()
            except OSError:
                return
            if self._opened:
                self._opened(self.port)
            threading.Thread(target=self._serve, args=(local,), daemon=True).start()

    def _serve(self, local: socket.socket) -> None:
        try:
            remote = open_websocket(self._client, self._path, {"ports": self.remote}, (V4,))
        except RestError as error:
            self._complain(str(error))
            local.close()
            return
        threading.Thread(target=self._upwards, args=(local, remote), daemon=True).start()
        self._downwards(local, remote)

    def _complain(self, text: str) -> None:
        if self._failed and not self._closed.is_set():
            self._failed(text)

    def _upwards(self, local: socket.socket, remote: "ClientConnection") -> None:
        from websockets.exceptions import ConnectionClosed

        with contextlib.suppress(OSError, ConnectionClosed):
            while data := local.recv(65536):
                remote.send(pack(0, data))
        with contextlib.suppress(OSError, ConnectionClosed):
            remote.close()

    def _downwards(self, local: socket.socket, remote: "ClientConnection") -> None:
        from websockets.exceptions import ConnectionClosed

        streams = PortStreams()
        with contextlib.suppress(OSError, ConnectionClosed):
            while True:
                message = remote.recv()
                data = streams.feed(message if isinstance(message, bytes) else message.encode())
                if data:
                    local.sendall(data)
        if streams.error:
            self._complain(streams.error)
        with contextlib.suppress(OSError):
            local.shutdown(socket.SHUT_RDWR)
        local.close()
        with contextlib.suppress(OSError, ConnectionClosed):
            remote.close()
