"""A model of TLS: the shape of the records is real, the cryptography is not there.

A client opens with a genuine ClientHello record (RFC 8446 4.1.2) that carries SNI and ALPN, so that a datapath which
inspects ``serverNames`` finds what it would find on a real wire. The server answers with a handshake record whose body
names its certificate (a JSON object: subject, names, issuer), and application data travels in application-data records
as plain text. Nothing is encrypted, and nothing ever leaves the simulated network, so nothing needs to be.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from lab_helpers.twin.containers.errors import ContainersError
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed

__all__ = ["Certificate", "TlsProblem", "TlsStream", "accept", "client_hello", "connect", "server_name"]

HANDSHAKE, ALERT, DATA = 22, 21, 23
CLIENT_HELLO, SERVER_HELLO = 1, 2
_MAX = 16384


class TlsProblem(ContainersError):
    """No TLS at the other end (``wrong version number``), or it ended the handshake."""


class Certificate(NamedTuple):
    """What a server shows. ``issuer`` "" means self-signed."""

    subject: str
    names: tuple[str, ...]
    issuer: str

    def covers(self, host: str) -> bool:
        """Does a name (``*`` for one label) fit?"""
        lower = host.lower().rstrip(".")
        return any(
            name.lower() == lower or (name.startswith("*.") and lower.partition(".")[2] == name[2:].lower())
            for name in self.names
        )


def _vector(data: bytes, size: int) -> bytes:
    return len(data).to_bytes(size, "big") + data


def _record(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + b"\x03\x03" + _vector(body, 2)


def client_hello(name: str, protocols: tuple[str, ...] = ("h2", "http/1.1")) -> bytes:
    """The first record of a client: TLS 1.2 in the record, 1.3 among the supported versions, SNI unless ``name`` is an
    address."""
    extensions = b""
    if name and not name.replace(".", "").isdigit() and ":" not in name:
        extensions += b"\x00\x00" + _vector(
            _vector(b"\x00" + _vector(name.encode("idna" if not name.isascii() else "ascii"), 2), 2), 2
        )
    alpn = b"".join(_vector(protocol.encode(), 1) for protocol in protocols)
    extensions += b"\x00\x10" + _vector(_vector(alpn, 2), 2)
    extensions += b"\x00\x2b" + _vector(_vector(b"\x03\x04\x03\x03", 1), 2)
    hello = b"\x03\x03" + bytes(32) + _vector(b"", 1) + _vector(b"\x13\x01\x13\x02\x13\x03", 2) + _vector(b"\x00", 1)
    body = hello + _vector(extensions, 2)
    return _record(HANDSHAKE, bytes([CLIENT_HELLO]) + _vector(body, 3))


def server_name(record: bytes) -> str | None:
    """The SNI of a ClientHello record; None when there is none or the bytes are something else."""
    try:
        if record[0] != HANDSHAKE or record[5] != CLIENT_HELLO:
            return None
        position = 9 + 2 + 32
        position += 1 + record[position]
        position += 2 + int.from_bytes(record[position : position + 2], "big")
        position += 1 + record[position]
        end = position + 2 + int.from_bytes(record[position : position + 2], "big")
        position += 2
        while position + 4 <= end:
            kind = int.from_bytes(record[position : position + 2], "big")
            size = int.from_bytes(record[position + 2 : position + 4], "big")
            if kind == 0:
                length = int.from_bytes(record[position + 7 : position + 9], "big")
                name = record[position + 9 : position + 9 + length]
                return name.decode("ascii") if name and len(name) == length else None
            position += 4 + size
    except (IndexError, UnicodeDecodeError):
        return None
    return None


class TlsStream:
    """Application data over a connection (a ``ByteStream``)."""

    def __init__(self, stream: ByteStream, buffer: bytes = b"") -> None:
        self._stream = stream
        self._raw = bytearray(buffer)
        self._plain = bytearray()
        self.local = stream.local
        self.remote = stream.remote

    async def record(self) -> tuple[int, bytes] | None:
        """The next record; None at the end."""
        while len(self._raw) < 5 or len(self._raw) < 5 + int.from_bytes(self._raw[3:5], "big"):
            if len(self._raw) >= 3 and (self._raw[0] not in (HANDSHAKE, ALERT, DATA) or self._raw[1] != 3):
                raise TlsProblem("wrong version number")
            chunk = await self._stream.read()
            if not chunk:
                return None
            self._raw += chunk
        size = int.from_bytes(self._raw[3:5], "big")
        kind, body = self._raw[0], bytes(self._raw[5 : 5 + size])
        del self._raw[: 5 + size]
        return kind, body

    async def read(self, limit: int = 65536) -> bytes:
        """Plain bytes; b"" at the end."""
        while not self._plain:
            found = await self.record()
            if found is None or found[0] == ALERT:
                return b""
            if found[0] == DATA:
                self._plain += found[1]
        data = bytes(self._plain[:limit])
        del self._plain[:limit]
        return data

    async def write(self, data: bytes) -> None:
        """In records of at most 16 KiB."""
        for start in range(0, len(data), _MAX):
            await self._stream.write(_record(DATA, data[start : start + _MAX]))

    async def write_eof(self) -> None:
        """close_notify, then FIN."""
        await self._stream.write(_record(ALERT, b"\x01\x00"))
        await self._stream.write_eof()

    async def close(self) -> None:
        """Close the connection beneath."""
        await self._stream.close()

    def abort(self) -> None:
        """Reset the connection beneath."""
        self._stream.abort()


async def connect(stream: ByteStream, name: str) -> tuple[TlsStream, Certificate]:
    """The client's handshake. Raises TlsProblem, ConnectionFailed."""
    await stream.write(client_hello(name))
    tls = TlsStream(stream)
    found = await tls.record()
    if found is None:
        raise ConnectionFailed("ECONNRESET", "unexpected eof while reading")
    kind, body = found
    if kind != HANDSHAKE or not body or body[0] != SERVER_HELLO:
        raise TlsProblem("wrong version number" if kind != ALERT else "alert handshake failure")
    shown = json.loads(body[4:].decode("utf-8"))
    return tls, Certificate(shown["subject"], tuple(shown["names"]), shown["issuer"])


async def accept(stream: ByteStream, certificate: Certificate) -> tuple[TlsStream, str | None]:
    """The server's handshake; the stream and the SNI. Raises TlsProblem when the client does not speak TLS."""
    tls = TlsStream(stream)
    found = await tls.record()
    if found is None or found[0] != HANDSHAKE:
        raise TlsProblem("no ClientHello")
    record = _record(HANDSHAKE, found[1])
    body = json.dumps(certificate._asdict()).encode("utf-8")
    await stream.write(_record(HANDSHAKE, bytes([SERVER_HELLO]) + _vector(body, 3)))
    return tls, server_name(record)
