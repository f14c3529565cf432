"""Header compression for HTTP/2 (RFC 7541): a full decoder and an encoder that never indexes.

The Huffman code is canonical, so the lengths of its codes are all there is to know; `_LENGTHS` has one letter per
symbol, whose number less 60 is the length (A: 5 bits); the last one is for end of string.
"""

from collections.abc import Iterable
from functools import lru_cache

Header = tuple[bytes, bytes]

_NAMES = (
    ":authority|:method=GET|:method=POST|:path=/|:path=/index.html|:scheme=http|:scheme=https|:status=200|"
    ":status=204|:status=206|:status=304|:status=400|:status=404|:status=500|accept-charset|"
    "accept-encoding=gzip, deflate|accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|"
    "authorization|cache-control|content-disposition|content-encoding|content-language|content-length|"
    "content-location|content-range|content-type|cookie|date|etag|expect|expires|from|host|if-match|"
    "if-modified-since|if-none-match|if-range|if-unmodified-since|last-modified|link|location|max-forwards|"
    "proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|server|set-cookie|"
    "strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate"
)
_STATIC: tuple[Header, ...] = tuple(
    (name.encode(), value.encode()) for name, _, value in (entry.partition("=") for entry in _NAMES.split("|"))
)
_LENGTHS = (
    "ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHFIBCCCCCCCCCCCCCCCCCCCCCCDCDIOIJB"
    "KABABABBBACCBBBABCBAABCCCCCKGJIXPRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRS"
    "VVPORSRUVVVWWVTUOQVWWVWTQQVVXWWWPTPQRQQSRRUUTTVSVWVVWWWWWXWWWWWVZ"
)
_EOS = 256


class HpackError(ValueError):
    """A header block that cannot be decoded."""


@lru_cache(maxsize=1)
def _codes() -> dict[tuple[int, int], int]:
    """(length, code) of each symbol."""
    lengths = sorted((ord(letter) - 60, symbol) for symbol, letter in enumerate(_LENGTHS))
    table, code, previous = {}, 0, 0
    for length, symbol in lengths:
        code <<= length - previous
        table[length, code] = symbol
        code, previous = code + 1, length
    return table


def huffman_decode(data: bytes) -> bytes:
    """Plain bytes of a Huffman-coded string."""
    table, out = _codes(), bytearray()
    code = length = 0
    for byte in data:
        for shift in range(7, -1, -1):
            code = code << 1 | (byte >> shift & 1)
            length += 1
            symbol = table.get((length, code))
            if symbol is not None:
                if symbol == _EOS:
                    raise HpackError("end-of-string symbol inside a string")
                out.append(symbol)
                code = length = 0
    if length > 7 or code != (1 << length) - 1:
        raise HpackError("bad padding of a Huffman-coded string")
    return bytes(out)


def _integer(data: bytes, position: int, prefix: int) -> tuple[int, int]:
    limit = (1 << prefix) - 1
    value = data[position] & limit
    position += 1
    if value < limit:
        return value, position
    shift = 0
    while True:
        byte = data[position]
        position += 1
        value += (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position


def _string(data: bytes, position: int) -> tuple[bytes, int]:
    coded = data[position] & 0x80
    size, position = _integer(data, position, 7)
    if position + size > len(data):
        raise HpackError("a string ends beyond the header block")
    raw = data[position : position + size]
    return (huffman_decode(raw) if coded else raw), position + size


class Decoder:
    """Decodes the header blocks of one connection, in order."""

    def __init__(self, limit: int = 4096) -> None:
        self._dynamic: list[Header] = []
        self._size = 0
        self._limit = limit
        self._most = limit

    def decode(self, data: bytes) -> list[Header]:
        """Headers of one block; HpackError when it is broken."""
        headers: list[Header] = []
        position = 0
        try:
            while position < len(data):
                byte = data[position]
                if byte & 0x80:
                    index, position = _integer(data, position, 7)
                    headers.append(self._entry(index))
                elif byte & 0xE0 == 0x20:
                    size, position = _integer(data, position, 5)
                    if size > self._most:
                        raise HpackError("the peer wants a larger table than allowed")
                    self._limit = size
                    self._evict()
                else:
                    indexed = byte & 0x40
                    index, position = _integer(data, position, 6 if indexed else 4)
                    if index:
                        name = self._entry(index)[0]
                    else:
                        name, position = _string(data, position)
                    value, position = _string(data, position)
                    headers.append((name, value))
                    if indexed:
                        self._dynamic.insert(0, (name, value))
                        self._size += len(name) + len(value) + 32
                        self._evict()
        except IndexError:
            raise HpackError("the header block ends too early") from None
        return headers

    def _entry(self, index: int) -> Header:
        if 0 < index <= len(_STATIC):
            return _STATIC[index - 1]
        try:
            return self._dynamic[index - len(_STATIC) - 1] if index else _STATIC[len(_STATIC)]
        except IndexError:
            raise HpackError(f"there is no header number {index}") from None

    def _evict(self) -> None:
        while self._size > self._limit and self._dynamic:
            name, value = self._dynamic.pop()
            self._size -= len(name) + len(value) + 32


def _encode_integer(value: int, prefix: int, flags: int) -> bytes:
    limit = (1 << prefix) - 1
    if value < limit:
        return bytes((flags | value,))
    out = bytearray((flags | limit,))
    value -= limit
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode(headers: Iterable[Header]) -> bytes:
    """A header block of literals that are never indexed."""
    out = bytearray()
    for name, value in headers:
        out += b"\x00" + _encode_integer(len(name), 7, 0) + name + _encode_integer(len(value), 7, 0) + value
    return bytes(out)
