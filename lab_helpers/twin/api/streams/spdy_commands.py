"""exec and attach over raw SPDY/3.1, seen as the channels of a WebSocket (``v4.channel.k8s.io``).

The client opens one stream per channel, named by its header ``streamtype``: error, stdin, stdout, stderr, resize.
"""

from __future__ import annotations

from lab_helpers.twin.api.requests import Query
from lab_helpers.twin.api.streams.sockets import Channels, WebSocket

__all__ = ["SpdyChannels"]

_CHANNELS = {"stdin": 0, "stdout": 1, "stderr": 2, "error": 3, "resize": 4}


class SpdyChannels(Channels):
    """``read`` and ``write`` messages whose first byte is the channel; ``ready`` waits for the client's streams."""

    def __init__(self, socket: WebSocket, query: Query) -> None:
        from lab_helpers.spdy import Connection

        self._socket = socket
        self._spdy = Connection(client=False)
        self._channels: dict[int, int] = {}
        self._streams: dict[int, int] = {}
        self._waiting: list[bytes] = []
        wanted = [name for name in ("stdin", "stdout", "stderr") if query.flag(name)]
        if query.flag("tty"):
            wanted = [*(name for name in wanted if name != "stderr"), "resize"]
        self._expected = {_CHANNELS[name] for name in (*wanted, "error")}

    async def ready(self) -> bool:
        """Wait until every stream is open; False when the client went before."""
        while not self._expected <= set(self._streams):
            if not await self._more():
                return False
        return True

    async def read(self) -> bytes | None:
        """The next message; None when the client has gone."""
        while not self._waiting:
            if not await self._more():
                return None
        return self._waiting.pop(0)

    async def write(self, data: bytes) -> None:
        """Send a message on the stream of its channel; channels that the client did not open are silent."""
        stream = self._streams.get(data[0])
        if stream is not None:
            self._spdy.send(stream, data[1:])
            await self._flush()

    async def close(self) -> None:
        """End every stream that the server writes to, then the connection."""
        for channel in (1, 2, 3):
            if channel in self._streams:
                self._spdy.send(self._streams[channel], b"", end=True)
        await self._flush()
        await self._socket.close()

    async def _more(self) -> bool:
        from lab_helpers.spdy import DataReceived, SpdyError, StreamOpened

        data = await self._socket.read()
        if data is None:
            return False
        try:
            events = self._spdy.feed(data)
        except SpdyError:
            return False
        for event in events:
            match event:
                case StreamOpened(stream, headers, _):
                    channel = _CHANNELS.get(headers.get("streamtype", ""), 255)
                    self._channels[stream], self._streams[channel] = channel, stream
                    self._spdy.reply(stream)
                case DataReceived(stream, payload, ended):
                    channel = self._channels.get(stream, 255)
                    if payload and channel != 255:
                        self._waiting.append(bytes([channel]) + payload)
                    if ended and channel == 0:
                        self._waiting.append(b"\xff\x00")
                case _:
                    pass
        await self._flush()
        return True

    async def _flush(self) -> None:
        if data := self._spdy.take():
            await self._socket.write(data)
