"""Calls over one connection, one after the other or several at once, from one thread."""

import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from h2 import events

from lab_helpers.hubble.calling import dialing, framing
from lab_helpers.hubble.calling.connections import ClientConnection, Http2Error
from lab_helpers.hubble.calling.framing import Header
from lab_helpers.hubble.errors import CallError

R = TypeVar("R")
_OfAStream = events.ResponseReceived | events.TrailersReceived | events.DataReceived | events.StreamReset
_OF_A_STREAM = (events.ResponseReceived, events.TrailersReceived, events.DataReceived, events.StreamReset)
_USER_AGENT = b"cilium-labs-hubble/1"
_CHUNK = 256 * 1024
_LATE = 0.25
"""Seconds before our own deadline within which a reset stream means that the server's has passed."""


class Channel:
    """A connection to a server, made at the first call. Not for several threads; a forked child makes its own.

    `metadata` is sent with every call. `connect` replaces dialling, for tunnels. Errors are CallError.
    """

    def __init__(
        self,
        address: str,
        *,
        tls: dialing.Tls | None = None,
        metadata: Iterable[tuple[str, str]] = (),
        connect: Callable[[], socket.socket] | None = None,
        connect_timeout: float | None = None,
    ) -> None:
        self.address = address
        self._tls = tls
        self._metadata = [(name.lower().encode(), value.encode()) for name, value in metadata]
        self._connect = connect
        self._connect_timeout = connect_timeout
        self._socket: socket.socket | None = None
        self._http = ClientConnection()
        self._authority = b"localhost"
        self._streams: dict[int, Stream[Any]] = {}
        self._going_away = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls under way end."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._streams.clear()

    def unary(self, method: str, request: bytes, parse: Callable[[bytes], R], *, timeout: float | None = None) -> R:
        """One request, one answer. `method` is ``package.Service/Method``; `timeout` in seconds."""
        stream = self.stream(method, request, parse, timeout=timeout)
        try:
            answers = list(stream)
        finally:
            stream.cancel()
        if len(answers) != 1:
            raise CallError("Internal", f"cardinality violation: received {len(answers)} messages for a unary call")
        return answers[0]

    def stream(
        self,
        method: str,
        request: bytes | None,
        parse: Callable[[bytes], R],
        *,
        timeout: float | None = None,
    ) -> "Stream[R]":
        """One request, any number of answers. Without `request` the caller sends messages itself."""
        self._open()
        headers: list[Header] = [
            (b":method", b"POST"),
            (b":scheme", b"https" if self._tls else b"http"),
            (b":path", b"/" + method.encode()),
            (b":authority", self._authority),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            (b"user-agent", _USER_AGENT),
            (b"grpc-accept-encoding", b"identity,deflate,gzip"),
            *self._metadata,
        ]
        deadline = None
        if timeout is not None:
            headers.append((b"grpc-timeout", framing.timeout_header(timeout)))
            deadline = time.monotonic() + timeout
        number = self._http.open(headers)
        stream: Stream[R] = Stream(self, number, parse, deadline)
        self._streams[number] = stream
        if request is not None:
            self._http.send(number, framing.pack(request), end=True)
        self._flush()
        return stream

    def _open(self) -> None:
        if self._socket is not None and not self._going_away:
            return
        self.close()
        self._http, self._going_away = ClientConnection(), False
        target = dialing.parse_target(self.address)
        sock = self._connect() if self._connect else dialing.connect(target, self._connect_timeout)
        name = target.authority
        if self._tls:
            try:
                sock = dialing.secure(sock, target, self._tls)
            except BaseException:
                sock.close()
                raise
            name = self._tls.server_name or name
        self._authority = name.encode()
        self._socket = sock

    def _flush(self) -> None:
        try:
            self._write()
        except OSError as error:
            raise self._broken(str(error.strerror or error).lower()) from None

    def _write(self) -> None:
        data = self._http.take()
        if data and self._socket is not None:
            self._socket.sendall(data)

    def _broken(self, text: str) -> CallError:
        self.close()
        return CallError("Unavailable", text)

    def _receive(self, deadline: float | None) -> None:
        """Wait for bytes and hand out what they mean."""
        if self._socket is None:
            raise CallError("Canceled", "grpc: the client connection is closing")
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise CallError("DeadlineExceeded", "context deadline exceeded")
            self._socket.settimeout(left)
        else:
            self._socket.settimeout(None)
        try:
            data = self._socket.recv(_CHUNK)
        except TimeoutError:
            raise CallError("DeadlineExceeded", "context deadline exceeded") from None
        except OSError as error:
            raise self._broken(f"error reading from server: {str(error.strerror or error).lower()}") from None
        if not data:
            raise self._broken("error reading from server: EOF")
        try:
            for event in self._http.feed(data):
                self._hand_out(event)
        except Http2Error as error:
            raise self._broken(f"error reading from server: {error}") from None
        # a server that has left cannot be answered; why it left is in what it said or in the next read
        with contextlib.suppress(OSError):
            self._write()

    def _hand_out(self, event: events.Event) -> None:
        if isinstance(event, events.ConnectionTerminated):
            self._going_away = True
            for number, stream in self._streams.items():
                if number > (event.last_stream_id or 0):
                    stream.fail(CallError("Unavailable", "the server is shutting down"))
        elif isinstance(event, _OF_A_STREAM):
            found = self._streams.get(event.stream_id)
            if found is not None:
                found.receive(event)

    def _forget(self, number: int, *, cancel: bool) -> None:
        if self._streams.pop(number, None) is not None and cancel and self._socket is not None:
            self._http.cancel(number)
            self._flush()


class Stream(Iterator[R], Generic[R]):
    """The answers of one call. Iterating waits; it ends with the call, or with CallError."""

    def __init__(self, channel: Channel, number: int, parse: Callable[[bytes], R], deadline: float | None) -> None:
        self._channel = channel
        self._number = number
        self._parse = parse
        self._deadline = deadline
        self._unpacker = framing.Unpacker()
        self._ready: deque[bytes] = deque()
        self._error: CallError | None = None
        self._ended = False
        self.headers: dict[bytes, bytes] = {}

    def __next__(self) -> R:
        while not self._ready:
            if self._ended:
                self._channel._forget(self._number, cancel=False)
                if self._error is not None:
                    error, self._error = self._in_time(self._error), None
                    raise error
                raise StopIteration
            try:
                self._channel._receive(self._deadline)
            except CallError:
                self._ended = True
                self.cancel()
                raise
        return self._parse(self._ready.popleft())

    @property
    def waiting(self) -> bool:
        """Whether the next answer would have to be waited for."""
        return not self._ready and not self._ended

    def poll(self, seconds: float) -> bool:
        """Wait at most so long until the next answer, or the end, is there. Raises CallError when the call fails."""
        deadline = time.monotonic() + seconds
        while self.waiting:
            try:
                self._channel._receive(deadline)
            except CallError as error:
                if error.code == "DeadlineExceeded":
                    return False
                self._ended = True
                self.cancel()
                raise
        return True

    def wait_headers(self) -> dict[bytes, bytes]:
        """The response's headers, waiting for them."""
        while not self.headers and not self._ended and not self._ready:
            self._channel._receive(self._deadline)
        return self.headers

    def send(self, message: bytes, *, end: bool = False) -> None:
        """Send one more request message."""
        self._channel._http.send(self._number, framing.pack(message), end=end)
        self._channel._flush()

    def cancel(self) -> None:
        """Give the call up; nothing to do when it has ended."""
        self._channel._forget(self._number, cancel=not self._ended)
        self._ended = True

    def _in_time(self, error: CallError) -> CallError:
        """`error`, unless it is the server's way of saying that the deadline has passed, which it watches as well."""
        if self._deadline is None:
            return error
        given_up = error.code in ("Internal", "Canceled") and "RST_STREAM" in error.details
        late = time.monotonic() >= self._deadline - _LATE
        if error.code == "DeadlineExceeded" or (given_up and late):
            return CallError("DeadlineExceeded", "context deadline exceeded")
        return error

    def fail(self, error: CallError) -> None:
        """End with an error, after the answers that are there."""
        self._ended, self._error = True, error

    def receive(self, event: _OfAStream) -> None:
        """Take an event of the connection."""
        if isinstance(event, events.DataReceived):
            self._ready.extend(self._unpacker.feed(event.data))
            if event.stream_ended is not None:
                self.fail(CallError("Internal", "server closed the stream without sending trailers"))
        elif isinstance(event, events.StreamReset):
            self.fail(framing.reset_error(int(event.error_code or 0)))
        else:
            headers = list(event.headers)
            if not self.headers:
                self.headers = dict(headers)
            if event.stream_ended is not None:
                self._ended, self._error = True, framing.status_error(headers)
            elif (error := framing.http_error(headers)) is not None:
                self.fail(error)
