"""Requests to a Kubernetes API server: JSON in, JSON out, streams and watches."""

import contextlib
import json
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from lab_helpers.tools.rest.connections import Address, Connection, Response, address_of, open_socket, tls_context
from lab_helpers.tools.rest.errors import ApiError, ConfigError
from lab_helpers.tools.rest.kubeconfigs import Overrides as Options
from lab_helpers.tools.rest.kubeconfigs import Target, resolve

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
_PHRASES = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed",
            409: "Conflict", 410: "Gone", 422: "Invalid", 429: "TooManyRequests", 500: "InternalError",
            503: "ServiceUnavailable", 504: "Timeout"}  # fmt: skip

__all__ = ["APPLY_PATCH", "JSON", "JSON_PATCH", "MERGE_PATCH", "STRATEGIC_PATCH", "Client", "Options", "Query", "quote"]

Query = Mapping[str, str | int | bool | Iterable[str] | None]


def quote(text: str) -> str:
    """`text` percent-encoded for one path segment or query value."""
    return "".join(chr(byte) if byte in _SAFE else f"%{byte:02X}" for byte in text.encode())


def _words(query: Query) -> Iterator[str]:
    for name, value in query.items():
        if value is None or value == "":
            continue
        if isinstance(value, bool):
            yield f"{quote(name)}={'true' if value else 'false'}"
        elif isinstance(value, (str, int)):
            yield f"{quote(name)}={quote(str(value))}"
        else:
            for item in value:
                yield f"{quote(name)}={quote(item)}"


def _status_of(response: Response, body: bytes, method: str, path: str) -> dict[str, Any]:
    """The Status in an error answer, or one made from its HTTP status (client-go's NewGenericServerResponse)."""
    with contextlib.suppress(ValueError):
        value = json.loads(body)
        if isinstance(value, dict) and value.get("kind") == "Status":
            return {**value, "code": value.get("code") or response.status}
    code = response.status
    text = body.decode("utf-8", "replace").strip()
    resource = path.partition("?")[0].strip("/").split("/")[-1]
    message = {
        401: text or "Unauthorized",
        404: "the server could not find the requested resource"
        + (f" ({method.lower()} {resource})" if path.startswith(("/api/", "/apis/")) else ""),
        405: "the server does not allow this method on the requested resource",
    }.get(code, text or f"the server responded with the status code {code} but did not return more information")
    return {"kind": "Status", "status": "Failure", "code": code, "reason": _PHRASES.get(code, ""), "message": message}


class Client:
    """A cluster's API. One connection is kept for successive requests; streams and watches have their own.

    `warn` is called with each distinct warning the server sends. Not for use from several threads at once,
    except `stream`, `watch` and `socket`, whose connections are their own.
    """

    def __init__(
        self,
        target: Target,
        *,
        timeout: float | None = None,
        warn: Callable[[str], None] | None = None,
        agent: str = "kubectl",
    ) -> None:
        self.target = target
        self.address: Address = address_of(target.server)
        self.timeout = timeout
        self._warn = warn
        self._warned: set[str] = set()
        self._agent = agent
        self._context: ssl.SSLContext | None = None
        self._kept: Connection | None = None

    @classmethod
    def load(cls, options: Options | None = None, **settings: Any) -> "Client":
        """The client for a kubeconfig and these options; `settings` go to the constructor. Raises ConfigError."""
        return cls(resolve(options or Options()), **settings)

    @property
    def namespace(self) -> str:
        """The namespace meant when none is given."""
        return self.target.namespace

    def close(self) -> None:
        """Give up the kept connection; the client may go on being used."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _connection(self, timeout: float | None) -> Connection:
        if self.address.tls and self._context is None:
            self._context = tls_context(self.target)
        return Connection(self.address, self.target, self._context, timeout)

    def headers(self, accept: str = JSON) -> dict[str, str]:
        """Headers of every request: credentials, agent, what is accepted."""
        headers = {"Accept": accept, "User-Agent": self._agent}
        if self.target.token:
            headers["Authorization"] = f"Bearer {self.target.token}"
        elif self.target.username:
            import base64

            pair = f"{self.target.username}:{self.target.password}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        if any("\n" in value or "\r" in value for value in headers.values()):
            raise ConfigError("the kubeconfig's credentials contain a line break")
        return headers

    def _checked(self, response: Response, method: str, path: str) -> Response:
        for name, value in response.header_list:
            if name == "warning" and self._warn and value.startswith("299 "):
                text = value.partition('"')[2].rpartition('"')[0].replace('\\"', '"').replace("\\\\", "\\")
                if text and text not in self._warned:
                    self._warned.add(text)
                    self._warn(text)
        if response.status >= 400:
            body = response.read()
            raise ApiError(_status_of(response, body, method, path))
        return response

    def request(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Any = None,
        *,
        accept: str = JSON,
        content_type: str = JSON,
    ) -> bytes:
        """One exchange; `body` is bytes or made JSON. Returns the answer's bytes; raises ApiError, ConnectError."""
        words = "&".join(_words(query or {}))
        target = f"{path}?{words}" if words else path
        headers = self.headers(accept)
        data: bytes | None = None
        if body is not None:
            data = (
                body
                if isinstance(body, bytes)
                else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
            )
            headers["Content-Type"] = content_type
        connection = self._kept
        if connection is None or connection.closed or not connection.reusable:
            connection = self._kept = self._connection(self.timeout)
        try:
            response = connection.exchange(method, target, headers, data)
        except EOFError:  # the server closed the idle connection: once more on a new one
            connection = self._kept = self._connection(self.timeout)
            response = connection.exchange(method, target, headers, data)
        return self._checked(response, method, path).read()

    def call(self, method: str, path: str, query: Query | None = None, body: Any = None, **more: str) -> dict[str, Any]:
        """`request` with its answer parsed."""
        data = self.request(method, path, query, body, **more)
        value: dict[str, Any] = json.loads(data) if data else {}
        return value

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """GET an object or a list."""
        return self.call("GET", path, query)

    def text(self, path: str, **query: Any) -> str:
        """GET something that is no JSON, such as /healthz."""
        return self.request("GET", path, query, accept="*/*").decode("utf-8", "replace")

    def post(self, path: str, body: Any, **query: Any) -> dict[str, Any]:
        """Create."""
        return self.call("POST", path, query, body)

    def put(self, path: str, body: Any, **query: Any) -> dict[str, Any]:
        """Replace."""
        return self.call("PUT", path, query, body)

    def patch(self, path: str, body: Any, kind: str = MERGE_PATCH, **query: Any) -> dict[str, Any]:
        """Patch; `kind` is its content type."""
        return self.call("PATCH", path, query, body, content_type=kind)

    def delete(self, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        """Delete; `body` holds DeleteOptions."""
        return self.call("DELETE", path, query, body)

    def list_all(
        self, path: str, query: Query | None = None, *, chunk: int = 500, accept: str = JSON
    ) -> dict[str, Any]:
        """A whole list (or Table), fetched in chunks and put together."""
        asked = {**(query or {}), "limit": chunk or None}
        out = self.call("GET", path, asked, accept=accept)
        key = "rows" if out.get("kind") == "Table" else "items"
        while token := (out.get("metadata") or {}).get("continue"):
            page = self.call("GET", path, {**asked, "continue": token}, accept=accept)
            out[key] = (out.get(key) or []) + (page.get(key) or [])
            out["metadata"] = page.get("metadata") or {}
        return out

    def stream(self, path: str, query: Query | None = None, *, accept: str = "*/*") -> Response:
        """GET whose body is read as it arrives, on a connection of its own; close it when done."""
        words = "&".join(_words(query or {}))
        target = f"{path}?{words}" if words else path
        response = self._connection(None).exchange("GET", target, self.headers(accept), None)
        return self._checked(response, "GET", path)

    def watch(self, path: str, *, accept: str = JSON, **query: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        """Events (type, object) until the server ends the watch. An ``ERROR`` event raises ApiError."""
        response = self.stream(path, {**query, "watch": True}, accept=accept)
        try:
            for line in response.lines():
                if not line.strip():
                    continue
                event = json.loads(line)
                if event.get("type") == "ERROR":
                    raise ApiError(event.get("object") or {})
                yield str(event.get("type")), event.get("object") or {}
        finally:
            response.close()

    def socket(self) -> Any:
        """A connected socket to the server, for a WebSocket, which one thread reads while another writes.

        An OpenSSL connection allows that only while no handshake message is on its way, and TLS 1.3 sends some after
        the handshake (session tickets): so this one stays with TLS 1.2.
        """
        context = tls_context(self.target) if self.address.tls else None
        if context is not None:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        return open_socket(self.address, self.target, context, self.timeout)

    def url_path(self, path: str, query: Query) -> str:
        """Path and query as they stand in a request line."""
        words = "&".join(_words(query))
        return f"{self.address.base}{path}?{words}" if words else f"{self.address.base}{path}"
