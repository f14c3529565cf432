"""A command in a pod, run through the Kubernetes API, and how it ended.

The channels are those of the protocols v4 and v5.channel.k8s.io: a frame's first byte names the channel.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from lab_helpers.clusters.errors import NotExecuted
from lab_helpers.clusters.upgrading import close_websocket, open_websocket

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

__all__ = ["Executed", "execute"]

_STDOUT: Final = 1
_STDERR: Final = 2
_STATUS: Final = 3
_SLICE: Final = 1.0
"""Seconds of one read: so long at most until Ctrl-C is heard where a read cannot be interrupted."""


class Executed(NamedTuple):
    """How a command in a pod ended. ``seconds`` is the caller's time."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float


def execute(
    api: ApiClient, namespace: str, pod: str, command: Sequence[str], *, container: str = "", timeout: float = 30.0
) -> Executed:
    """Run a command in a running container, without input. Raises NotExecuted when it cannot run or takes longer."""
    where = f"{namespace}/{pod}"
    pairs = [("command", word) for word in command] + [("stdout", "true"), ("stderr", "true")]
    if container:
        pairs.append(("container", container))
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(pod, safe='')}/exec?{urlencode(pairs)}"
    began = time.monotonic()
    try:
        socket = open_websocket(api, path)
    except Exception as error:
        raise NotExecuted(
            f"no way into the pod: {error}",
            status=int(getattr(error, "status_code", 0) or 0),
            where=where,
            try_=f"kubectl -n {namespace} get pod {pod}",
        ) from error
    try:
        channels = _read(socket, began + timeout)
    finally:
        close_websocket(socket)
    if channels is None:
        raise NotExecuted(f"`{' '.join(command)}` did not end within {timeout:.0f} s", where=where)
    out, err, status = (
        channels.get(channel, b"").decode("utf-8", "replace") for channel in (_STDOUT, _STDERR, _STATUS)
    )
    return Executed(_exit_code(status, where), out, err, time.monotonic() - began)


def _read(socket: Any, deadline: float) -> dict[int, bytes] | None:
    """What came on each channel until the other end closed, or went away; None when it had not done so in time."""
    from websocket import ABNF, WebSocketException, WebSocketTimeoutException

    channels: dict[int, bytearray] = {}
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        socket.settimeout(min(left, _SLICE))
        try:
            kind, frame = socket.recv_data_frame(True)
        except WebSocketTimeoutException:
            continue
        except (OSError, WebSocketException):
            break
        if kind == ABNF.OPCODE_CLOSE:
            break
        if kind in (ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT) and frame.data:
            channels.setdefault(frame.data[0], bytearray()).extend(frame.data[1:])
    return {channel: bytes(data) for channel, data in channels.items()}


def _exit_code(status: str, where: str) -> int:
    if not status:
        raise NotExecuted("the connection to the pod ended before the command did", where=where)
    result = json.loads(status)
    if result.get("status") == "Success":
        return 0
    for cause in result.get("details", {}).get("causes", ()):
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise NotExecuted(f"the command could not be run: {result.get('message', status)}", where=where)
