"""From an address to a connected socket.

Addresses are those gRPC for Go understands, as far as Hubble's tools use them: ``host:port``, ``dns:///host:port``,
``passthrough:///host:port``, ``unix:path``, ``unix:///path``. Errors are CallError with the code Unavailable and a text
in the manner of grpc-go.
"""

import errno
import socket
import sys
from typing import Any, NamedTuple

from lab_helpers.hubble.errors import CallError, HubbleError

_ERRNO_TEXTS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ENOENT: "no such file or directory",
    errno.ETIMEDOUT: "connection timed out",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network is unreachable",
    errno.ECONNRESET: "connection reset by peer",
    errno.EACCES: "permission denied",
    errno.EPIPE: "broken pipe",
}


class Tls(NamedTuple):
    """How to secure a connection. `verify` False accepts any certificate; `server_name` "" means the address's host."""

    ca_files: tuple[str, ...] = ()
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    verify: bool = True


class Target(NamedTuple):
    """A parsed address: a path of a Unix socket, or host and port."""

    path: str = ""
    host: str = ""
    port: int = 0

    @property
    def authority(self) -> str:
        """What the ``:authority`` header says."""
        if self.path:
            return "localhost"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _unavailable(text: str) -> CallError:
    return CallError("Unavailable", text)


def parse_target(address: str) -> Target:
    """Parse an address; CallError in grpc-go's words when it is none."""
    if address.startswith("unix:"):
        rest = address.removeprefix("unix:")
        return Target(path=rest.removeprefix("//"))
    for scheme in ("dns", "passthrough"):
        if address.startswith(f"{scheme}:"):
            rest = address.removeprefix(f"{scheme}:")
            rest = rest[2:].partition("/")[2] if rest.startswith("//") else rest
            return _host_port(rest, address)
    return _host_port(address, address)


def _host_port(text: str, address: str) -> Target:
    if not text:
        raise _unavailable('delegating_resolver: invalid target address "": missing address')
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or "443"
    elif text.count(":") > 1:
        raise _unavailable(
            f"invalid target address {address}, error info: address {address}:443: too many colons in address"
        )
    else:
        host, _, port = text.partition(":")
        port = port or "443"
    if "/" in host or not port.isdigit() or int(port) > 65535:
        raise _unavailable("name resolver error: produced zero addresses")
    return Target(host=host or "localhost", port=int(port))


def _reason(error: OSError) -> str:
    return _ERRNO_TEXTS.get(error.errno or 0) or (error.strerror or str(error)).lower()


def _dial_error(network: str, where: str, text: str) -> CallError:
    return _unavailable(
        f'connection error: desc = "transport: Error while dialing: dial {network}{where and " "}{where}: {text}"'
    )


def connect(target: Target, timeout: float | None = None) -> socket.socket:
    """A connected socket. `timeout` in seconds bounds connecting; reads block afterwards. Raises CallError."""
    if target.path:
        return _connect_unix(target.path, timeout)
    try:
        # as bytes: for text the IDNA codec would be loaded
        host = target.host.encode("ascii") if target.host.isascii() else target.host
        found = socket.getaddrinfo(host, target.port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        raise _unavailable(f"dns: A record lookup error: lookup {target.host}: no such host") from None
    last: CallError | None = None
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(timeout)
            sock.connect(address)
        except OSError as error:
            sock.close()
            shown = _shown(address)
            text = "i/o timeout" if isinstance(error, TimeoutError) else f"connect: {_reason(error)}"
            last = _dial_error("tcp", shown, text)
            continue
        sock.settimeout(None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    raise last or _unavailable("name resolver error: produced zero addresses")


def _shown(address: Any) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _connect_unix(path: str, timeout: float | None) -> socket.socket:
    if sys.platform == "win32":
        raise _unavailable(f"unix socket {path}: not available on Windows; use host:port")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(path)
    except OSError as error:
        sock.close()
        raise _dial_error("unix", path, f"connect: {_reason(error)}") from None
    sock.settimeout(None)
    return sock


def check_tls(tls: Tls) -> None:
    """Raise HubbleError, in Go's words, when a file of `tls` is missing or has no certificate in it."""
    from pathlib import Path

    for name in (*tls.ca_files, tls.cert_file, tls.key_file):
        if name and not Path(name).is_file():
            raise HubbleError(f"open {name}: no such file or directory")
    for name in tls.ca_files:
        if "-----BEGIN CERTIFICATE-----" not in Path(name).read_text(encoding="utf-8", errors="replace"):
            raise HubbleError(f"cannot process cert '{name}': must be a PEM encoded certificate")


def secure(sock: socket.socket, target: Target, tls: Tls) -> socket.socket:
    """`sock` inside TLS with ALPN ``h2``. Raises CallError, HubbleError for unusable files."""
    import ssl

    check_tls(tls)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2"])
    try:
        if not tls.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif tls.ca_files:
            for name in tls.ca_files:
                context.load_verify_locations(cafile=name)
        else:
            context.load_default_certs()
        if tls.cert_file:
            context.load_cert_chain(tls.cert_file, tls.key_file)
        return context.wrap_socket(sock, server_hostname=tls.server_name or target.host or "localhost")
    except ssl.SSLCertVerificationError as error:
        sock.close()
        raise _handshake(f"tls: failed to verify certificate: x509: {error.verify_message}") from None
    except ssl.SSLError as error:
        sock.close()
        if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
            raise _handshake("tls: first record does not look like a TLS handshake") from None
        raise _handshake(f"tls: {error.reason or error}") from None
    except OSError as error:
        sock.close()
        raise _handshake("EOF" if error.errno in (None, 0) else _reason(error)) from None


def _handshake(text: str) -> CallError:
    return _unavailable(f'connection error: desc = "transport: authentication handshake failed: {text}"')
