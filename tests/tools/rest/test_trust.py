"""Whose certificates the tools believe."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from pathlib import Path

import pytest

from lab_helpers.tools.rest.connections import tls_context
from lab_helpers.tools.rest.kubeconfigs import Target
from lab_helpers.twin.api.certificates import Certificates, ensure_certificates


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Certificates, Certificates]:
    """The server's own, and another one of the same name."""
    ours, another = (ensure_certificates(tmp_path_factory.mktemp(name)) for name in ("ours", "another"))
    return ours, another


def handshake(server: Certificates, target: Target, name: str) -> None:
    """Raises ssl.SSLCertVerificationError when the client does not trust the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    near, far = socket.socketpair()

    def serve() -> None:
        with contextlib.suppress(OSError), context.wrap_socket(far, server_side=True) as connection:
            connection.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with near, tls_context(target).wrap_socket(near, server_hostname=name) as connection:
            connection.sendall(b"x")
    finally:
        thread.join(120)
        far.close()


def read(path: Path) -> bytes:
    return path.read_bytes()


def test_the_authority_of_the_kubeconfig_is_trusted(authorities: tuple[Certificates, Certificates]) -> None:
    ours, _ = authorities
    handshake(ours, Target("https://127.0.0.1", ca=read(ours.ca)), "127.0.0.1")


@pytest.mark.parametrize(("authority", "name"), [(1, "127.0.0.1"), (0, "elsewhere.example"), (None, "127.0.0.1")])
def test_another_authority_or_name_is_not(
    authorities: tuple[Certificates, Certificates], authority: int | None, name: str
) -> None:
    ca = b"" if authority is None else read(authorities[authority].ca)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(authorities[0], Target("https://127.0.0.1", ca=ca), name)


def test_only_on_request_nothing_is_verified(authorities: tuple[Certificates, Certificates]) -> None:
    handshake(authorities[0], Target("https://127.0.0.1", insecure=True), "elsewhere.example")
