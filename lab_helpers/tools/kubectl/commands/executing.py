"""``kubectl exec`` (kubectl pkg/cmd/exec)."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import BinaryIO

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.choosing import default_container, pod_for
from lab_helpers.tools.kubectl.errors import KubectlError, PlainError, UsageFault
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest.channels import resized
from lab_helpers.tools.rest.executing import RemoteCommand


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        "exec (POD | TYPE/NAME) [-c CONTAINER] [flags] -- COMMAND [args...]",
        short="Run a command in a container",
        example="""# One command in a pod
kubectl exec frontend -n shop -- curl -s http://backend:8080/api/v1/products

# In a pod of a Deployment or DaemonSet
kubectl exec deploy/frontend -n shop -- hostname
kubectl exec -n kube-system ds/cilium -c cilium-agent -- cilium-dbg status

# A shell
kubectl exec -it frontend -n shop -- sh""",
        run=run,
    )
    flags = command.flags
    flags.string("container", "", "Container of the pod", "c")
    flags.strings("filename", [], "File that names the pod", "f")
    flags.duration("pod-running-timeout", 60_000_000_000, "Accepted")
    flags.bool("quiet", False, "Only the command's own output", "q")
    flags.bool("stdin", False, "Pass standard input on", "i")
    flags.bool("tty", False, "Standard input is a terminal", "t")
    return command


def run(invocation: Invocation) -> int:
    """Do it; the exit status is the command's."""
    session = Session(invocation)
    words, dash = session.args, session.flags.dash
    if session.flags["filename"]:
        raise KubectlError("exec -f is not part of the bundled kubectl; name the pod")
    if not words or dash == 0:
        raise KubectlError("pod, type/name or --filename must be specified")
    if dash < 0 and len(words) > 1:
        raise UsageFault(
            session.path, "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead"
        )
    if dash > 1:
        raise UsageFault(session.path, f"expected one pod before --, got: {' '.join(words[:dash])}")
    if len(words) < 2:
        raise KubectlError("you must specify at least one command for the container")
    pod = pod_for(session, words[0])
    phase = (pod.get("status") or {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise KubectlError(f"cannot exec into a container in a completed pod; current phase is {phase}")
    container = session.flags["container"] or default_container(session, pod, quiet=session.flags["quiet"])
    return play(session, pod["metadata"]["namespace"], pod["metadata"]["name"], container, words[1:])


def play(session: Session, namespace: str, pod: str, container: str, words: list[str], *, terminal: bool = True) -> int:
    """Run a command, or without words join the container's own, on this program's streams.

    Without `terminal` there is none at the other end. Raises KubectlError, PlainError with the command's exit status,
    RestError.
    """
    stdin, tty = session.flags["stdin"], session.flags["tty"] and terminal
    if tty and not stdin:
        tty = False
    if tty and not sys.stdin.isatty():
        session.complain("Unable to use a TTY - input is not a terminal or the right kind of file")
        tty = False
    session.out.flush()
    if not words and stdin and not session.flags["quiet"]:
        session.complain("If you don't see a command prompt, try pressing enter.")
    remote = RemoteCommand(session.client, namespace, pod, container, words, stdin=stdin, tty=tty)
    with _raw_terminal() if tty else contextlib.nullcontext():
        if stdin:
            threading.Thread(target=_pump, args=(remote,), daemon=True).start()
        if tty:
            _follow_size(remote)
        result = remote.run(_writer(sys.stdout.buffer), _writer(sys.stderr.buffer))
    if result.message:
        raise KubectlError(result.message)
    if result.exit_code:
        raise PlainError(f"command terminated with exit code {result.exit_code}", result.exit_code)
    return 0


def _writer(stream: BinaryIO) -> Callable[[bytes], None]:
    """A function that writes at once."""

    def write(data: bytes) -> None:
        stream.write(data)
        stream.flush()

    return write


def _pump(remote: RemoteCommand) -> None:
    """Standard input to the command, until either ends."""
    from websockets.exceptions import ConnectionClosed

    with contextlib.suppress(OSError, ConnectionClosed):
        while data := os.read(sys.stdin.fileno(), 32768):
            remote.send(data)
        remote.end_input()


@contextlib.contextmanager
def _raw_terminal() -> Iterator[None]:
    """Pass every key on while the block runs, where the system has terminals like that."""
    try:
        import termios
        import tty
    except ImportError:
        yield
        return
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    tty.setraw(number)
    try:
        yield
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def _follow_size(remote: RemoteCommand) -> None:
    """Tell the terminal's size now and whenever it changes."""
    import signal
    import types

    def tell(_number: int = 0, _frame: types.FrameType | None = None) -> None:
        with contextlib.suppress(OSError):
            size = os.get_terminal_size(sys.stdin.fileno())
            remote.send_raw(resized(size.columns, size.lines))

    tell()
    if hasattr(signal, "SIGWINCH"):
        signal.signal(signal.SIGWINCH, tell)
