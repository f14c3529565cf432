"""Redirections: descriptors of a command, from files, other descriptors, here-documents and bash's /dev/tcp."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lab_helpers.twin.containers.processes import Descriptor
from lab_helpers.twin.containers.shell.errors import ShellError
from lab_helpers.twin.containers.shell.trees import Redirect
from lab_helpers.twin.containers.streams import BytesInput, Input, Output
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed

if TYPE_CHECKING:
    from lab_helpers.twin.containers.shell.running import Shell

__all__ = ["RedirectProblem", "redirect"]

_NETWORK = re.compile(r"/dev/tcp/([^/]+)/(\d+)\Z")
_REASONS = {
    "ECONNREFUSED": "Connection refused",
    "ETIMEDOUT": "Connection timed out",
    "EHOSTUNREACH": "No route to host",
}


class RedirectProblem(ShellError):
    """A redirection cannot be made; the command is not run."""


class SocketDescriptor(Input, Output):
    """A connection opened by ``/dev/tcp/host/port``."""

    def __init__(self, stream: ByteStream) -> None:
        super().__init__()
        self._stream = stream

    async def _receive(self) -> bytes:
        return await self._stream.read()

    async def write(self, data: bytes) -> None:
        """Send."""
        await self._stream.write(data)

    def close(self) -> None:
        """Left to the end of the process."""


async def redirect(shell: Shell, redirects: tuple[Redirect, ...]) -> dict[int, Descriptor]:
    """The shell's descriptors with the redirections applied, in order. Raises RedirectProblem."""
    result = dict(shell.descriptors)
    for one in redirects:
        if one.operator in ("<<", "<<-"):
            body = await shell.expander.single(one.target)
            result[one.descriptor] = BytesInput(body.encode("utf-8", "surrogateescape"))
            continue
        target = await shell.expander.single(one.target)
        if one.operator == "<<<":
            result[one.descriptor] = BytesInput((target + "\n").encode("utf-8", "surrogateescape"))
        elif one.operator in ("<&", ">&") and (target == "-" or target.isdigit()):
            _duplicate(result, one.descriptor, target)
        elif one.operator in ("&>", "&>>") or one.operator == ">&":
            result[1] = result[2] = await _open(shell, target, ">>" if one.operator == "&>>" else ">", result)
        else:
            result[one.descriptor] = await _open(shell, target, one.operator, result)
    return result


def _duplicate(descriptors: dict[int, Descriptor], number: int, target: str) -> None:
    if target == "-":
        descriptors.pop(number, None)
        return
    source = descriptors.get(int(target))
    if source is None:
        raise RedirectProblem(f"{target}: Bad file descriptor")
    descriptors[number] = source


async def _open(shell: Shell, target: str, operator: str, descriptors: dict[int, Descriptor]) -> Descriptor:
    network = _NETWORK.match(target)
    if network and shell.extended:
        return await _connect(shell, network.group(1), int(network.group(2)), target)
    known = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2, "/proc/1/fd/1": 1, "/proc/1/fd/2": 2}.get(target)
    if known is None and (number := re.fullmatch(r"/dev/fd/(\d+)", target)):
        known = int(number.group(1))
    if known is not None:
        if target.startswith("/proc/1/") and 1 in shell.process.machine.children:
            main = shell.process.machine.children[1].process
            return main.descriptors[known]
        if known not in descriptors:
            raise RedirectProblem(f"{target}: Bad file descriptor")
        return descriptors[known]
    path = shell.process.path(target if target.startswith("/") else f"{shell.cwd}/{target}")
    try:
        if operator in ("<", "<>"):
            return shell.files.open_input(path)
        return shell.files.open_output(path, append=operator == ">>")
    except FileNotFoundError:
        if shell.extended:
            raise RedirectProblem(f"{target}: No such file or directory") from None
        text = (
            f"can't open {target}: no such file" if operator == "<" else f"can't create {target}: nonexistent directory"
        )
        raise RedirectProblem(text) from None
    except OSError as error:
        if shell.extended:
            raise RedirectProblem(f"{target}: {error.strerror}") from None
        verb = "open" if operator == "<" else "create"
        raise RedirectProblem(f"can't {verb} {target}: {error.strerror}") from None


async def _connect(shell: Shell, host: str, port: int, target: str) -> Descriptor:
    from lab_helpers.twin.dns.resolving import ResolutionFailed, Resolver

    try:
        addresses = await Resolver(shell.process).addresses(host, families=("A",))
    except ResolutionFailed:
        await shell.complain(f"{host}: Name does not resolve")
        raise RedirectProblem(f"{target}: Invalid argument") from None
    try:
        return SocketDescriptor(await shell.process.network.connect(addresses[0], port))
    except ConnectionFailed as error:
        reason = _REASONS.get(error.errno, str(error))
        await shell.err(f"{shell.name}: connect: {reason}\n")
        raise RedirectProblem(f"{target}: {reason}") from None
