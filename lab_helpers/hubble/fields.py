"""Protobuf's wire format, for the few standard services whose messages need no schema (health, reflection).

Only varints and length-delimited fields occur there.
"""

from collections.abc import Iterator


def varint(number: int) -> bytes:
    """A non-negative number as a varint."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def text_field(number: int, value: str | bytes) -> bytes:
    """A length-delimited field: a string, bytes or an embedded message."""
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def number_field(number: int, value: int) -> bytes:
    """A varint field."""
    return varint(number << 3) + varint(value)


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    shift = number = 0
    while True:
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
        shift += 7


def read_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values of a message; ValueError when it is broken."""
    position, end = 0, len(data)
    try:
        while position < end:
            key, position = _read_varint(data, position)
            kind = key & 7
            if kind == 0:
                value, position = _read_varint(data, position)
                yield key >> 3, value
            elif kind == 2:
                size, position = _read_varint(data, position)
                if position + size > end:
                    raise ValueError("a length-delimited field ends beyond the message")
                yield key >> 3, data[position : position + size]
                position += size
            else:
                raise ValueError(f"unexpected wire type {kind}")
    except IndexError:
        raise ValueError("a varint ends beyond the message") from None
