"""gRPC's use of an HTTP/2 connection, without I/O: `feed` bytes in, events of the h2 library out, `take` bytes to send.

The protocol itself (frames, header compression, windows, states) is h2's. Added is what h2 leaves to its user: a body
waits until the peer accepts it, received bytes are given back to the window, and calls under way survive a farewell
(RFC 9113, 6.8), which h2 takes for the end of the connection.
"""

from collections.abc import Iterator

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, Event, RemoteSettingsChanged, WindowUpdated
from h2.exceptions import H2Error, StreamClosedError
from h2.settings import SettingCodes, Settings

from lab_helpers.hubble.calling.framing import Header

_WINDOW = 4 * 1024 * 1024
_DEFAULT_WINDOW = 65535
_FRAME_HEAD = 9
# a grpc-message may end with a space, which h2's validation of headers refuses
_CONFIGURATION = H2Configuration(client_side=True, header_encoding=None, validate_inbound_headers=False)


class Http2Error(Exception):
    """The peer broke the protocol, or does not speak it."""


class ClientConnection:
    """One connection. Streams are numbered 1, 3, 5 …"""

    def __init__(self) -> None:
        self._http = H2Connection(_CONFIGURATION)
        self._http.local_settings = Settings(
            client=True,
            initial_values={SettingCodes.ENABLE_PUSH: 0, SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW},
        )
        self._http.initiate_connection()
        self._http.increment_flow_control_window(_WINDOW - _DEFAULT_WINDOW)
        self._out = bytearray(self._http.data_to_send())
        self._in = bytearray()
        self._bodies: dict[int, tuple[bytearray, bool]] = {}

    def take(self) -> bytes:
        """Bytes to send now."""
        self._out += self._http.data_to_send()
        out = bytes(self._out)
        self._out.clear()
        return out

    def open(self, headers: list[Header]) -> int:
        """Start a stream and return its number."""
        stream = self._http.get_next_available_stream_id()
        self._http.send_headers(stream, headers)
        return stream

    def send(self, stream: int, data: bytes, *, end: bool) -> None:
        """Send body bytes, as far as the peer accepts them now; the rest follows when it accepts more."""
        waiting, _ = self._bodies.get(stream, (bytearray(), False))
        waiting += data
        self._bodies[stream] = (waiting, end)
        self._push(stream)

    def cancel(self, stream: int) -> None:
        """Tell the peer that nobody wants the answer any more."""
        self._bodies.pop(stream, None)
        try:
            self._http.reset_stream(stream, ErrorCodes.CANCEL)
        except H2Error:
            return  # it has ended in the meantime

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take bytes from the peer and give what they mean, frame by frame. Raises Http2Error."""
        self._in += data
        while len(self._in) >= _FRAME_HEAD:
            size = _FRAME_HEAD + int.from_bytes(self._in[:3], "big")
            if size > _FRAME_HEAD + self._http.max_inbound_frame_size:
                raise Http2Error("a frame is too large: does the server speak HTTP/2 without TLS?")
            if len(self._in) < size:
                return
            frame = bytes(self._in[:size])
            del self._in[:size]
            # what h2 has to send would be lost in a farewell
            self._out += self._http.data_to_send()
            try:
                events = self._http.receive_data(frame)
            except H2Error as error:
                raise Http2Error(str(error)) from error
            for event in events:
                self._heed(event)
                yield event

    def _heed(self, event: Event) -> None:
        if isinstance(event, DataReceived):
            if event.flow_controlled_length:
                try:
                    self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                except StreamClosedError:
                    return
        elif isinstance(event, WindowUpdated | RemoteSettingsChanged):
            for stream in list(self._bodies):
                self._push(stream)
        elif isinstance(event, ConnectionTerminated):
            self._http.state_machine.state = ConnectionState.CLIENT_OPEN

    def _push(self, stream: int) -> None:
        waiting, end = self._bodies[stream]
        try:
            while waiting:
                size = min(
                    len(waiting), self._http.max_outbound_frame_size, self._http.local_flow_control_window(stream)
                )
                if size <= 0:
                    return
                chunk = bytes(waiting[:size])
                del waiting[:size]
                self._http.send_data(stream, chunk, end_stream=end and not waiting)
                if end and not waiting:
                    break
            else:
                if end:
                    self._http.end_stream(stream)
        except StreamClosedError:
            pass  # the peer wants no more of it; how the call ended arrives as an event
        del self._bodies[stream]
