"""gRPC's envelope inside HTTP/2: length-prefixed messages, status codes, deadlines.

Codes carry the names gRPC for Go prints. See the gRPC over HTTP/2 protocol description.
"""

import re
import struct
import zlib

from lab_helpers.hubble.errors import CallError

Header = tuple[bytes, bytes]

CODES = (
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
)
_BY_HTTP_STATUS = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}
_BY_RESET = {7: "Unavailable", 8: "Canceled", 11: "ResourceExhausted", 12: "PermissionDenied"}
_PERCENT = rb"%([0-9A-Fa-f]{2})"
_TEXT = rb"application/grpc(?:[+;].*)?"


def pack(message: bytes) -> bytes:
    """A message with its prefix."""
    return struct.pack(">BI", 0, len(message)) + message


class Unpacker:
    """Cuts a body into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.gzip = False

    def feed(self, data: bytes) -> list[bytes]:
        """Messages that are complete now."""
        self._buffer += data
        messages, position, size = [], 0, len(self._buffer)
        while size - position >= 5:
            compressed, length = struct.unpack_from(">BI", self._buffer, position)
            if size - position < 5 + length:
                break
            message = bytes(self._buffer[position + 5 : position + 5 + length])
            messages.append(zlib.decompress(message, 47) if compressed else message)
            position += 5 + length
        del self._buffer[:position]
        return messages


def timeout_header(seconds: float) -> bytes:
    """The value of ``grpc-timeout``."""
    return b"%dm" % max(1, round(seconds * 1000))


def code_name(number: int) -> str:
    """The name of a status code as gRPC for Go prints it."""
    return CODES[number] if 0 <= number < len(CODES) else f"Code({number})"


def status_error(headers: list[Header]) -> CallError | None:
    """The error that trailers (or headers of a response without a body) carry; None for OK."""
    found = dict(headers)
    raw = found.get(b"grpc-status")
    if raw is None:
        return http_error(headers) or CallError("Internal", "server closed the stream without sending trailers")
    number = int(raw) if raw.isdigit() else 2
    if number == 0:
        return None
    raw_details = found.get(b"grpc-message", b"")
    details = re.sub(_PERCENT, lambda match: bytes((int(match[1], 16),)), raw_details).decode("utf-8", "replace")
    return CallError(code_name(number), details)


def http_error(headers: list[Header]) -> CallError | None:
    """The error of a response that is no gRPC."""
    found = dict(headers)
    status = found.get(b":status", b"200")
    kind = found.get(b"content-type")
    grpc = kind is None or kind == b"application/grpc" or re.fullmatch(_TEXT, kind)
    if b"grpc-status" in found or (status == b"200" and grpc):
        return None
    number = int(status) if status.isdigit() else 0
    shown = (kind or b"").decode("latin-1")
    return CallError(
        code_name(_BY_HTTP_STATUS.get(number, 2)),
        f"unexpected HTTP status code received from server: {number}; "
        f'transport: received unexpected content-type "{shown}"',
    )


def reset_error(code: int) -> CallError:
    """The error of a stream that the server gave up."""
    return CallError(_BY_RESET.get(code, "Internal"), f"stream terminated by RST_STREAM with error code: {code}")
