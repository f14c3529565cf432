"""Header blocks of SPDY/3: pairs, compressed with a known dictionary (draft-mbelshe-httpbis-spdy-00, 2.6.10).

One compressor and one decompressor live as long as the connection, because each block refers to those before it.
"""

import struct
import zlib
from collections.abc import Mapping

_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie "
    "keep-alive origin"
)
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 "
    "Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 "
    "Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept "
    "Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,"
    "application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,"
    "sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = (
    b"".join(
        struct.pack(">I", len(word)) + word.encode()
        for word in (entry.replace("_", " ") for entry in _WORDS.split(" "))
    )
    + _TAIL.encode()
)
"""What both sides know beforehand; its Adler-32 is 0xE3C6A7C2."""

_LONGEST = 1 << 20


class HeaderError(ValueError):
    """A header block that cannot be read."""


class Packer:
    """Compresses the header blocks one side sends."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(level=9, zdict=DICTIONARY)

    def pack(self, headers: Mapping[str, str]) -> bytes:
        """One block; names are lower-cased."""
        plain = bytearray(struct.pack(">I", len(headers)))
        for name, value in headers.items():
            for text in (name.lower(), value):
                data = text.encode()
                plain += struct.pack(">I", len(data)) + data
        return self._deflate.compress(bytes(plain)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


class Unpacker:
    """Reads the header blocks the other side sends, in order."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    def unpack(self, block: bytes) -> dict[str, str]:
        """Headers of one block; several values of a name stay joined by a NUL."""
        try:
            plain = self._inflate.decompress(block, _LONGEST)
        except zlib.error as error:
            raise HeaderError(f"a header block cannot be decompressed: {error}") from None
        try:
            (count,) = struct.unpack_from(">I", plain)
            position, headers = 4, {}
            for _ in range(count):
                name, position = _text(plain, position)
                headers[name], position = _text(plain, position)
        except struct.error:
            raise HeaderError("a header block ends too early") from None
        return headers


def _text(data: bytes, position: int) -> tuple[str, int]:
    (size,) = struct.unpack_from(">I", data, position)
    position += 4
    if position + size > len(data):
        raise HeaderError("a header ends beyond its block")
    return data[position : position + size].decode("utf-8", "replace"), position + size
