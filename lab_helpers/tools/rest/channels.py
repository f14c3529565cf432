"""The channel protocol of exec and port-forward over WebSocket, without I/O (k8s.io/apimachinery remotecommand v4 and
v5).

Each binary message begins with a byte that names its channel. Version 5 adds a message that closes a channel.
"""

import json
from typing import Any, NamedTuple

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
_CLOSE = 255


class Ending(NamedTuple):
    """How a remote command ended; `message` is the server's text for a failure that is no exit code."""

    exit_code: int
    message: str = ""


def pack(channel: int, data: bytes) -> bytes:
    """A message for a channel."""
    return bytes((channel,)) + data


def unpack(message: bytes) -> tuple[int, bytes]:
    """Channel and payload; (-1, b"") for an empty message."""
    return (message[0], message[1:]) if message else (-1, b"")


def closing(channel: int) -> bytes:
    """The message that closes a channel (version 5 only)."""
    return bytes((_CLOSE, channel))


def resized(width: int, height: int) -> bytes:
    """The message that tells the terminal's size."""
    return pack(RESIZE, json.dumps({"Width": width, "Height": height}).encode())


def ending(payload: bytes) -> Ending:
    """What a message on the error channel means: a Status."""
    try:
        status: dict[str, Any] = json.loads(payload)
    except ValueError:
        return Ending(1, payload.decode("utf-8", "replace").strip())
    if status.get("status") == "Success":
        return Ending(0)
    causes = (status.get("details") or {}).get("causes") or []
    if status.get("reason") == "NonZeroExitCode":
        for cause in causes:
            if cause.get("reason") == "ExitCode" and str(cause.get("message", "")).isdigit():
                return Ending(int(cause["message"]))
    return Ending(1, str(status.get("message") or "error stream protocol error: unknown error"))


class PortStreams:
    """The bytes of one forwarded port: channel 0 carries data, channel 1 errors; each begins with the port number."""

    def __init__(self) -> None:
        self._begun: set[int] = set()
        self.error = ""

    def feed(self, message: bytes) -> bytes:
        """The data in a message; error text is collected in `error`."""
        channel, payload = unpack(message)
        if channel not in self._begun:
            self._begun.add(channel)
            if channel >= 0:
                payload = payload[2:]
        if channel == 0:
            return payload
        if channel == 1 and payload:
            self.error += payload.decode("utf-8", "replace")
        return b""
