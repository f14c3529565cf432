"""Running a command in a container: exec over WebSocket, also in the form of subprocess.run."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from lab_helpers.tools.rest.channels import ERROR, STDERR, STDIN, STDOUT, V4, V5, Ending, closing, ending, pack, unpack
from lab_helpers.tools.rest.clients import Client, quote
from lab_helpers.tools.rest.errors import ChannelError
from lab_helpers.tools.rest.upgrading import open_websocket

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection


class Completed(NamedTuple):
    """A command that has ended."""

    exit_code: int
    stdout: str
    stderr: str
    message: str = ""


class RemoteCommand:
    """A command being started in a container; without `command` the container's own, attached to.

    Raises ApiError, ChannelError when it cannot be.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        pod: str,
        container: str,
        command: Sequence[str],
        *,
        stdin: bool = False,
        tty: bool = False,
    ) -> None:
        what = "exec" if command else "attach"
        path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/{what}"
        query = {
            "command": list(command),
            "container": container,
            "stdin": stdin or None,
            "stdout": True,
            "stderr": None if tty else True,
            "tty": tty or None,
        }
        self._socket: ClientConnection = open_websocket(client, path, query, (V5, V4))
        self._closes = self._socket.subprotocol == V5

    def send(self, data: bytes) -> None:
        """Write to its standard input."""
        self._socket.send(pack(STDIN, data))

    def end_input(self) -> None:
        """Close its standard input (only protocol version 5 can)."""
        if self._closes:
            self._socket.send(closing(STDIN))

    def send_raw(self, message: bytes) -> None:
        """Send a prepared message, such as a new terminal size."""
        self._socket.send(message)

    def run(self, out: Callable[[bytes], object], err: Callable[[bytes], object]) -> Ending:
        """Hand over its output as it comes, until it ends."""
        from websockets.exceptions import ConnectionClosed

        result: Ending | None = None
        try:
            while True:
                message = self._socket.recv()
                channel, payload = unpack(message if isinstance(message, bytes) else message.encode())
                if channel == STDOUT:
                    out(payload)
                elif channel == STDERR:
                    err(payload)
                elif channel == ERROR:
                    result = ending(payload)
        except ConnectionClosed as error:
            if result is None:
                reason = error.rcvd.reason if error.rcvd and error.rcvd.reason else "the connection broke"
                raise ChannelError(f"error reading from error stream: {reason}") from error
        finally:
            self._socket.close()
        return result

    def close(self) -> None:
        """Break it off."""
        self._socket.close()


def execute(
    client: Client, namespace: str, pod: str, command: Sequence[str], *, container: str = "", stdin: bytes | None = None
) -> Completed:
    """Run a command to its end and return what it wrote. Raises ApiError, ChannelError."""
    out, err = bytearray(), bytearray()
    remote = RemoteCommand(client, namespace, pod, container, command, stdin=stdin is not None)
    if stdin is not None:
        remote.send(stdin)
        remote.end_input()
    result = remote.run(out.extend, err.extend)
    return Completed(result.exit_code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"), result.message)
