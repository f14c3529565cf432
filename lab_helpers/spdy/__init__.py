"""SPDY/3.1 framing without I/O, as Kubernetes uses it for port-forwarding.

Both sides need it: clients that upgrade an HTTP/1.1 connection to ``SPDY/3.1`` (`hubble -P`, `cilium hubble
port-forward`), and API servers, also inside a WebSocket (``SPDY/3.1+portforward.k8s.io``, what kubectl does)::

    spdy = Connection(client=True)
    stream = spdy.open({"streamtype": "data", "port": "4245", "requestid": "0"})
    spdy.send(stream, b"...")
    socket.sendall(spdy.take())
    for event in spdy.feed(socket.recv(65536)):
        ...

Flow control is not part of it: Kubernetes' implementation neither sends nor heeds window updates.
"""

from lab_helpers.spdy.connections import (
    Connection,
    DataReceived,
    Event,
    GoneAway,
    Replied,
    SpdyError,
    StreamOpened,
    StreamReset,
)

__all__ = [
    "Connection",
    "DataReceived",
    "Event",
    "GoneAway",
    "Replied",
    "SpdyError",
    "StreamOpened",
    "StreamReset",
]
