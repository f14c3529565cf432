"""Just enough of a Kubernetes client for ``--port-forward``: GET of JSON, and an upgrade to SPDY/3.1."""

import json
import socket
import ssl
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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
        sock = self._connect("Get", path)
        with sock:
            sock.sendall(self._request("GET", path, {"Accept": "application/json", "Connection": "close"}))
            status, _, body = _read_response(sock, to_end=True)
        document = _parse(body)
        if status >= 300:
            raise ApiError(str(document.get("message") or f"the server answered with status {status}"))
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
        sock.sendall(self._request("POST", path, headers))
        status, answered, rest = _read_response(sock, to_end=False)
        if status != 101:
            rest += _drain(sock, answered, len(rest))
            sock.close()
            message = _parse(rest).get("message") or rest.decode("utf-8", "replace").strip() or f"status {status}"
            raise ApiError(f"error upgrading connection: {message}")
        if answered.get("x-stream-protocol-version", _PROTOCOL) != _PROTOCOL:
            sock.close()
            raise ApiError("error upgrading connection: the server chose another protocol")
        return sock, rest

    def _request(self, method: str, path: str, headers: dict[str, str]) -> bytes:
        host = f"[{self._host}]" if ":" in self._host else self._host
        lines = [f"{method} {self._base}{path} HTTP/1.1", f"Host: {host}:{self._port}", "User-Agent: hubble"]
        if self._cluster.authorization:
            lines.append(f"Authorization: {self._cluster.authorization}")
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

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


def _read_response(sock: socket.socket, *, to_end: bool) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (lower-case names) and what followed them; with `to_end` the whole body."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            raise ApiError("EOF")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    status = int(first.split(" ")[1])
    if to_end:
        rest += _drain(sock, headers, len(rest))
        if headers.get("transfer-encoding", "").lower() == "chunked":
            rest = _unchunked(rest)
    return status, headers, rest


def _drain(sock: socket.socket, headers: dict[str, str], have: int) -> bytes:
    """The rest of a body: as much as announced, else until the end of the connection."""
    length = int(headers["content-length"]) if headers.get("content-length", "").isdigit() else None
    chunked = headers.get("transfer-encoding", "").lower() == "chunked"
    out = b""
    while length is None or have + len(out) < length:
        more = sock.recv(65536)
        if not more:
            break
        out += more
        if chunked and out.endswith(b"0\r\n\r\n"):
            break
    return out


def _unchunked(data: bytes) -> bytes:
    out = bytearray()
    while data:
        line, _, data = data.partition(b"\r\n")
        size = int(line.split(b";")[0] or b"0", 16)
        if not size:
            break
        out += data[:size]
        data = data[size + 2 :]
    return bytes(out)
