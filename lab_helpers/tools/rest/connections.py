"""HTTP/1.1 to one server over TCP or TLS: the messages are h11's, the sockets and Go's error texts are ours.

A `Connection` carries one exchange at a time and is kept for the next one when the answer was read to its end.
After an answer 101 it carries the other protocol's bytes.
"""

import contextlib
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import h11

from lab_helpers.tools.rest.errors import ConfigError, ConnectError, RefusedError
from lab_helpers.tools.rest.kubeconfigs import Target

_MAX_HEAD = 256 * 1024


class Address(NamedTuple):
    """Where a server listens, and the path its API begins with."""

    host: str
    port: int
    tls: bool
    base: str

    @property
    def shown(self) -> str:
        """host:port as kubectl writes it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address_of(server: str) -> Address:
    """The address in a server URL. Raises ConfigError for other schemes or a bad port."""
    scheme, _, rest = server.partition("://")
    if scheme not in ("http", "https"):
        raise ConfigError(f'unsupported server URL "{server}": it must begin with https:// or http://')
    place, slash, base = rest.partition("/")
    host, port = place, ""
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        port = port.removeprefix(":")
    elif ":" in place:
        host, _, port = place.rpartition(":")
    if port and not port.isdigit():
        raise ConfigError(f'parse "{server}": invalid port ":{port}" after host')
    return Address(
        host, int(port) if port else 443 if scheme == "https" else 80, scheme == "https", slash + base.rstrip("/")
    )


def tls_context(target: Target) -> ssl.SSLContext:
    """Trust and client certificate of a target. Raises ConfigError for unusable PEM data."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if target.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif target.ca:
        try:
            context.load_verify_locations(cadata=target.ca.decode("ascii", "replace"))
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError("unable to load root certificates: unable to parse bytes as PEM block") from error
    else:
        context.load_default_certs()
    if target.certificate:
        _load_chain(context, target)
    return context


def _load_chain(context: ssl.SSLContext, target: Target) -> None:
    """ssl takes client certificates from files only, so they pass through a private temporary one."""
    import tempfile

    handle, path = tempfile.mkstemp(prefix="client-", suffix=".pem")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(target.certificate + b"\n" + target.key)
        context.load_cert_chain(path)
    except ssl.SSLError as error:
        raise ConfigError(
            "tls: failed to find any PEM data in certificate input, or the key does not fit it"
        ) from error
    finally:
        os.unlink(path)


def _go_text(error: OSError, address: Address) -> str:
    """Go's words for a failed connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message or str(error)
        known = {
            "self-signed certificate": "x509: certificate signed by unknown authority",
            "unable to get local issuer certificate": "x509: certificate signed by unknown authority",
            "self-signed certificate in certificate chain": "x509: certificate signed by unknown authority",
            "certificate has expired": "x509: certificate has expired or is not yet valid",
        }
        if "mismatch" in reason.lower():
            return f"tls: failed to verify certificate: x509: certificate is not valid for {address.host}"
        return f"tls: failed to verify certificate: {known.get(reason, reason)}"
    if isinstance(error, ssl.SSLError):
        if "WRONG_VERSION_NUMBER" in str(error) or "HTTP_REQUEST" in str(error):
            return "http: server gave HTTP response to HTTPS client"
        return f"tls: {error.reason or error}"
    if isinstance(error, socket.gaierror):
        return f"dial tcp: lookup {address.host}: no such host"
    if isinstance(error, TimeoutError):
        return f"dial tcp {address.shown}: i/o timeout"
    words = {"ENETUNREACH": "network is unreachable", "EHOSTUNREACH": "no route to host"}
    import errno

    name = errno.errorcode.get(error.errno or 0, "")
    return f"dial tcp {address.shown}: connect: {words.get(name, (error.strerror or str(error)).lower())}"


def open_socket(
    address: Address, target: Target, context: ssl.SSLContext | None, timeout: float | None
) -> socket.socket:
    """A connected (and TLS-protected) socket. Raises ConnectError."""
    try:
        plain = socket.create_connection((address.host, address.port), timeout=timeout or 30.0)
        with contextlib.suppress(OSError):
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        secured: socket.socket = plain
        if context is not None:
            try:
                secured = context.wrap_socket(plain, server_hostname=target.server_name or address.host)
            except OSError:
                plain.close()
                raise
        secured.settimeout(timeout)
    except ConnectionRefusedError as error:
        raise RefusedError(address.shown) from error
    except UnicodeError as error:
        raise ConnectError(f"dial tcp: lookup {address.host}: no such host") from error
    except OSError as error:
        raise ConnectError(_go_text(error, address)) from error
    return secured


class Response:
    """An answer: `status`, `headers` (lower-case names), and its body, once, by `read` or `chunks`."""

    def __init__(self, connection: "Connection", status: int, reason: str, headers: list[tuple[str, str]]) -> None:
        self.status = status
        self.reason = reason
        self.header_list = headers
        self.headers = dict(headers)
        self._connection = connection
        self._done = False

    def chunks(self) -> Iterator[bytes]:
        """The body in pieces, as they arrive. Raises EOFError when it is cut short, ConnectError when malformed."""
        if self.status >= 200 and not self._done:
            yield from self._connection.body()
        self._done = True

    def read(self) -> bytes:
        """The whole body. Raises ConnectError when it is cut short."""
        try:
            return b"".join(self.chunks())
        except EOFError as error:
            raise ConnectError("unexpected EOF") from error
        except OSError as error:
            raise self._connection.failure(error) from error

    def lines(self) -> Iterator[bytes]:
        """The body line by line, without line ends; a cut-off body just ends."""
        rest = b""
        with contextlib.suppress(EOFError):
            for chunk in self.chunks():
                *whole, rest = (rest + chunk).split(b"\n")
                yield from whole
        if rest:
            yield rest

    def close(self) -> None:
        """Give the connection up unless the body was read to its end."""
        if not self._done:
            self._connection.close()


class Connection:
    """One TCP connection to a server."""

    def __init__(self, address: Address, target: Target, context: ssl.SSLContext | None, timeout: float | None) -> None:
        self.address = address
        self.fresh = True
        self._socket: socket.socket | None = open_socket(address, target, context, timeout)
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
        self._rest = b""

    @property
    def reusable(self) -> bool:
        """Whether the last answer was read to its end and neither side has closed or wants to."""
        states = (self._http.our_state, self._http.their_state)
        return not self.closed and all(state in (h11.IDLE, h11.DONE) for state in states)

    @property
    def closed(self) -> bool:
        """Whether no further exchange is possible."""
        return self._socket is None

    def close(self) -> None:
        """Close it."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
        self._socket = None

    def interrupt(self) -> None:
        """End a read that waits in another thread."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def failure(self, error: OSError) -> ConnectError:
        """What a broken exchange means for the user."""
        self.close()
        if isinstance(error, TimeoutError):
            return ConnectError("net/http: request canceled (Client.Timeout exceeded while awaiting headers)")
        return ConnectError(f"read tcp {self.address.shown}: {(error.strerror or str(error)).lower()}")

    def _live(self) -> socket.socket:
        if self._socket is None:
            raise EOFError
        return self._socket

    def _receive(self) -> bytes:
        """What the server sends next, already told to h11; b"" at the end."""
        data = self._live().recv(262144)
        self._http.receive_data(data)
        if not data:
            self.close()
        return data

    def some(self, limit: int) -> bytes:
        """At least one byte, at most `limit`, of the protocol an answer 101 switched to. Raises EOFError at the end."""
        if not self._rest:
            self._rest = self._live().recv(262144)
            if not self._rest:
                self.close()
                raise EOFError
        piece, self._rest = self._rest[:limit], self._rest[limit:]
        return piece

    def exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        """Send a request, read its answer's head. Raises ConnectError; EOFError when an idle connection was closed."""
        fresh, self.fresh = self.fresh, False
        try:
            self._live().sendall(self._request(method, path, headers, body))
            answer = self._head()
            while answer.status_code < 200 and answer.status_code != 101:
                answer = self._head()
        except EOFError:
            self.close()
            if fresh:
                raise ConnectError("EOF") from None
            raise
        except (BrokenPipeError, ConnectionResetError) as error:
            self.close()
            if fresh:
                raise self.failure(error) from error
            raise EOFError from error
        except OSError as error:
            raise self.failure(error) from error
        if answer.status_code == 101:
            self._rest = self._http.trailing_data[0]
        decoded = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers]
        return Response(self, answer.status_code, answer.reason.decode("latin-1"), decoded)

    def _request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
        """A whole request as it is sent; what a URL may not contain is percent-encoded."""
        if not self.reusable:
            raise EOFError
        if self._http.our_state is h11.DONE:
            self._http.start_next_cycle()
        fields = {"Host": self.address.shown, **headers}
        if body is not None or method in ("POST", "PUT", "PATCH"):
            fields["Content-Length"] = str(len(body or b""))
        encoded = [
            (name.encode("latin-1"), value.strip().encode("latin-1", "replace")) for name, value in fields.items()
        ]
        url = (self.address.base + path).encode()
        target = b"".join(b"%c" % byte if 0x21 <= byte <= 0x7E else b"%%%02X" % byte for byte in url)
        try:
            parts = [self._http.send(h11.Request(method=method, target=target, headers=encoded))]
        except h11.LocalProtocolError:  # its text would show the credentials
            self.close()
            raise ConnectError("net/http: invalid header field value") from None
        if body:
            parts.append(self._http.send(h11.Data(data=body)))
        parts.append(self._http.send(h11.EndOfMessage()))
        return b"".join(parts)

    def _head(self) -> h11.Response | h11.InformationalResponse:
        """The next answer without its body. Raises EOFError, ConnectError."""
        while True:
            line, ended, _ = self._http.trailing_data[0].partition(b"\n")
            if ended and not line.startswith(b"HTTP/"):  # h11 would wait for an empty line
                raise self._broken(line)
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                raise self._broken(line, str(error)) from error
            if isinstance(event, (h11.Response, h11.InformationalResponse)):
                return event
            if not self._receive():
                raise EOFError

    def _broken(self, line: bytes, reason: str = "") -> ConnectError:
        """What an answer that begins with `line` and is no HTTP means for the user."""
        self.close()
        words = line.rstrip(b"\r").decode("latin-1").split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
            reason = f'malformed HTTP response "{" ".join(words)[:60]}"'
        return ConnectError(f"net/http: HTTP/1.x transport connection broken: {reason}")

    def body(self) -> Iterator[bytes]:
        """The current answer's body in pieces. Raises EOFError when it is cut short, ConnectError when malformed."""
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                self.close()
                if self._http.trailing_data[1]:
                    raise EOFError from error
                raise ConnectError("malformed chunked encoding") from error
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif event is h11.NEED_DATA:
                self._receive()
            else:
                break
        if not self.reusable:
            self.close()
