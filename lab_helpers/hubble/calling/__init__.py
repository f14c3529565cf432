"""A small gRPC client in pure Python: HTTP/2 over one blocking socket, no threads, no extension modules.

Why not grpcio: importing it takes longer than a whole ``hubble observe`` may, its background threads do not survive the
forks of a Jupyter kernel's shell cells, and it cannot leave a certificate unverified. The parts are sans-I/O except
`channels`: ``hpack`` (RFC 7541) and ``http2`` (RFC 9113) turn bytes into events, ``framing`` is gRPC's envelope.
Servers use grpcio (see ``serving``).
"""

from lab_helpers.hubble.calling.channels import Channel, Stream
from lab_helpers.hubble.calling.dialing import Target, Tls, parse_target

__all__ = ["Channel", "Stream", "Target", "Tls", "parse_target"]
