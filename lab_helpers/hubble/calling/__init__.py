"""A small gRPC client in pure Python: HTTP/2 by the h2 library over one blocking socket, no threads.

Why not grpcio: importing it takes longer than a whole ``hubble observe`` may, its background threads do not survive the
forks of a Jupyter kernel's shell cells, and it cannot leave a certificate unverified. ``connections`` is gRPC's use of
h2, ``framing`` gRPC's own envelope, both without I/O; ``channels`` makes calls over a socket, which ``dialing`` opens.
Servers use grpcio (see ``serving``).
"""

from lab_helpers.hubble.calling.channels import Channel, Stream
from lab_helpers.hubble.calling.dialing import Target, Tls, parse_target

__all__ = ["Channel", "Stream", "Target", "Tls", "parse_target"]
