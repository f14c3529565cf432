"""Just enough of a Kubernetes client for ``--port-forward``: GET of JSON, and an upgrade to SPDY/3.1."""

import json
import socket
import ssl
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import h11

from lab_helpers.hubble.calling.dialing import connect, parse_target
from lab_helpers.hubble.errors import CallError
from lab_helpers.tools.hubble.kubeconfigs import Cluster

_PROTOCOL = "portforward.k8s.io"
_TIMEOUT = 30.0


class ApiError(Exception):
    """A request failed; the text is the API server's or that of Go's net/http."""


class ApiServer:
    """Requests to one API server, each over a connection of its own."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        url = urlsplit(cluster.server)
        self._secure = url.scheme == "https"
        self._host = url.hostname or "localhost"
        self._port = url.port or (443 if self._secure else 80)
        self._base = url.path.rstrip("/")

    def get(self, path: str) -> dict[str, Any]:
        """The JSON document at `path`."""
        with self._connect("Get", path) as sock:
            exchange = _Exchange(sock, self._request("GET", path, {"Accept": "application/json"}))
            document = _parse(exchange.body())
        if exchange.status >= 300:
            raise ApiError(str(document.get("message") or f"the server answered with status {exchange.status}"))
        return document

    def upgrade(self, path: str) -> tuple[socket.socket, bytes]:
        """A connection that speaks SPDY/3.1 from now on, and what came after the server's answer."""
        sock = self._connect("Post", path)
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "SPDY/3.1",
            "X-Stream-Protocol-Version": _PROTOCOL,
            "Content-Length": "0",
        }
        exchange = _Exchange(sock, self._request("POST", path, headers))
        if exchange.status != 101:
            body = exchange.body()
            sock.close()
            message = _parse(body).get("message") or body.decode("utf-8", "replace").strip()
            raise ApiError(f"error upgrading connection: {message or f'status {exchange.status}'}")
        if exchange.headers.get(b"x-stream-protocol-version", _PROTOCOL.encode()) != _PROTOCOL.encode():
            sock.close()
            raise ApiError("error upgrading connection: the server chose another protocol")
        return sock, exchange.rest

    def _request(self, method: str, path: str, headers: dict[str, str]) -> h11.Request:
        host = f"[{self._host}]" if ":" in self._host else self._host
        fields = {"Host": f"{host}:{self._port}", "User-Agent": "hubble", **headers}
        if self._cluster.authorization:
            fields["Authorization"] = self._cluster.authorization
        try:
            return h11.Request(method=method, target=self._base + path, headers=list(fields.items()))
        except h11.LocalProtocolError:  # its text would show the credentials
            raise ApiError(f'{method.capitalize()} "{self._cluster.server}{path}": invalid header field') from None

    def _connect(self, verb: str, path: str) -> socket.socket:
        host = f"[{self._host}]" if ":" in self._host else self._host
        try:
            sock = connect(parse_target(f"{host}:{self._port}"), _TIMEOUT)
        except CallError as error:
            text = error.details.partition("Error while dialing: ")[2].removesuffix('"') or error.details
            raise ApiError(f'{verb} "{self._cluster.server}{path}": {text}') from None
        sock.settimeout(_TIMEOUT)
        if not self._secure:
            return sock
        try:
            return self._context().wrap_socket(sock, server_hostname=self._cluster.server_name or self._host)
        except (ssl.SSLError, OSError) as error:
            sock.close()
            reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
            raise ApiError(f'{verb} "{self._cluster.server}{path}": tls: {reason}') from None

    def _context(self) -> ssl.SSLContext:
        cluster = self._cluster
        context = ssl.create_default_context(cadata=cluster.ca.decode() or None)
        if not cluster.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if cluster.certificate:
            with tempfile.TemporaryDirectory() as folder:  # ssl reads certificates from files only
                path = Path(folder) / "client.pem"
                path.touch(mode=0o600)
                path.write_bytes(cluster.certificate + b"\n" + cluster.key)
                context.load_cert_chain(path)
        return context


def _parse(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


class _Exchange:
    """A request sent and its answer: `status`, `headers`, then its body or what follows a switch of protocols."""

    def __init__(self, sock: socket.socket, request: h11.Request) -> None:
        self._socket = sock
        self._http = h11.Connection(h11.CLIENT)
        sock.sendall((self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b""))
        answer = self._next()
        while not isinstance(answer, h11.Response) and getattr(answer, "status_code", 101) != 101:
            answer = self._next()
        self.status = int(getattr(answer, "status_code", 0))
        self.headers = dict(getattr(answer, "headers", ()))

    @property
    def rest(self) -> bytes:
        """Bytes that came after the answer."""
        return self._http.trailing_data[0]

    def body(self) -> bytes:
        """The whole body."""
        out = bytearray()
        while isinstance(event := self._next(), h11.Data):
            out += event.data
        return bytes(out)

    def _next(self) -> Any:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(self._socket.recv(65536))
        except h11.RemoteProtocolError as error:
            ended = self._http.trailing_data[1]
            raise ApiError("EOF" if ended else f"net/http: HTTP/1.x transport connection broken: {error}") from None
        except OSError as error:
            raise ApiError(str(error.strerror or error).lower()) from None
        if isinstance(event, h11.ConnectionClosed):
            raise ApiError("EOF")
        return event
