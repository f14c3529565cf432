"""redis-server and redis-cli: RESP2 with PING, ECHO, SET (EX, PX, NX, XX), GET, DEL, EXISTS, INCR, DECR, KEYS, TTL,
EXPIRE, DBSIZE, FLUSHALL, INFO, QUIT.

Any other command gets the server's own "unknown command" error.
"""

from __future__ import annotations

import asyncio
import fnmatch
import shlex
from typing import Any

from lab_helpers.twin.containers.errors import ContainersError, ProgramExit
from lab_helpers.twin.containers.processes import SimulatedProcess, program
from lab_helpers.twin.dns.resolving import ResolutionFailed, Resolver
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed

__all__ = ["redis_cli", "redis_server"]

VERSION = "7.4.6"
LIMIT = 8 * 1024 * 1024


class _Problem(ContainersError):
    pass


class _Reader:
    """Values of the RESP2 protocol from a stream."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    async def _line(self) -> bytes | None:
        while (index := self._buffer.find(b"\n")) < 0:
            chunk = await self._stream.read()
            if not chunk or len(self._buffer) > LIMIT:
                return None
            self._buffer += chunk
        line = bytes(self._buffer[:index]).rstrip(b"\r")
        del self._buffer[: index + 1]
        return line

    async def value(self) -> Any:
        """str, int, None, list or _Problem; EOFError at the end."""
        line = await self._line()
        if line is None:
            raise EOFError
        kind, rest = line[:1], line[1:].decode("utf-8", "replace")
        if kind == b"+":
            return rest
        if kind == b"-":
            return _Problem(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            size = int(rest)
            if size < 0:
                return None
            if size > LIMIT:
                raise EOFError
            while len(self._buffer) < size + 2:
                chunk = await self._stream.read()
                if not chunk:
                    raise EOFError
                self._buffer += chunk
            data = bytes(self._buffer[:size])
            del self._buffer[: size + 2]
            return data.decode("utf-8", "surrogateescape")
        if kind == b"*":
            return [await self.value() for _ in range(min(int(rest), 1024))]
        return line.decode("utf-8", "replace").split()


def _encode(value: Any) -> bytes:
    if isinstance(value, _Problem):
        return f"-{value}\r\n".encode()
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, bool):
        return b"+OK\r\n"
    if isinstance(value, int):
        return f":{value}\r\n".encode()
    if isinstance(value, list):
        return f"*{len(value)}\r\n".encode() + b"".join(_encode(item) for item in value)
    data = str(value).encode("utf-8", "surrogateescape")
    return b"$%d\r\n%s\r\n" % (len(data), data)


class _Store:
    def __init__(self, process: SimulatedProcess) -> None:
        self._clock = process.clock
        self._values: dict[str, str] = {}
        self._ends: dict[str, float] = {}

    def answer(self, words: list[str]) -> Any:
        """The reply: True is the simple string OK."""
        name, *rest = words
        for key in [key for key, end in self._ends.items() if end <= self._clock.monotonic()]:
            self._drop(key)
        handler = getattr(self, f"do_{name.lower()}", None)
        if handler is None:
            shown = "".join(f"'{word}' " for word in rest)
            return _Problem(f"ERR unknown command '{name}', with args beginning with: {shown}")
        try:
            return handler(*rest)
        except (TypeError, IndexError):
            return _Problem(f"ERR wrong number of arguments for '{name.lower()}' command")

    def _drop(self, key: str) -> bool:
        self._ends.pop(key, None)
        return self._values.pop(key, None) is not None

    def do_ping(self, text: str = "") -> Any:
        return text or _Simple("PONG")

    def do_echo(self, text: str) -> str:
        return text

    def do_set(self, key: str, value: str, *options: str) -> Any:
        words = [word.upper() for word in options]
        if ("NX" in words and key in self._values) or ("XX" in words and key not in self._values):
            return None
        self._ends.pop(key, None)
        for index, word in enumerate(words):
            if word in ("EX", "PX"):
                if not words[index + 1].isdigit():
                    return _Problem("ERR value is not an integer or out of range")
                self._ends[key] = self._clock.monotonic() + int(words[index + 1]) / (1 if word == "EX" else 1000)
        self._values[key] = value
        return True

    def do_get(self, key: str) -> str | None:
        return self._values.get(key)

    def do_del(self, first: str, *more: str) -> int:
        return sum(self._drop(key) for key in (first, *more))

    def do_exists(self, first: str, *more: str) -> int:
        return sum(key in self._values for key in (first, *more))

    def do_incr(self, key: str, step: int = 1) -> Any:
        text = self._values.get(key, "0")
        if not text.lstrip("-").isdigit():
            return _Problem("ERR value is not an integer or out of range")
        self._values[key] = str(int(text) + step)
        return int(text) + step

    def do_decr(self, key: str) -> Any:
        return self.do_incr(key, -1)

    def do_keys(self, pattern: str) -> list[str]:
        return [key for key in self._values if fnmatch.fnmatchcase(key, pattern)]

    def do_ttl(self, key: str) -> int:
        if key not in self._values:
            return -2
        return round(self._ends[key] - self._clock.monotonic()) if key in self._ends else -1

    def do_expire(self, key: str, seconds: str) -> Any:
        if not seconds.isdigit():
            return _Problem("ERR value is not an integer or out of range")
        if key in self._values:
            self._ends[key] = self._clock.monotonic() + int(seconds)
        return int(key in self._values)

    def do_dbsize(self) -> int:
        return len(self._values)

    def do_flushall(self, *_options: str) -> bool:
        self._values.clear()
        self._ends.clear()
        return True

    do_flushdb = do_flushall

    def do_select(self, _number: str) -> bool:
        return True

    def do_info(self, *_sections: str) -> str:
        lines = (
            "# Server",
            f"redis_version:{VERSION}",
            "redis_mode:standalone",
            "# Keyspace",
            f"db0:keys={len(self._values)}",
        )
        return "".join(line + "\r\n" for line in lines)

    def do_command(self, *_rest: str) -> list[str]:
        return []


class _Simple(str):
    """A reply that is a simple string, not a bulk one."""

    __slots__ = ()


@program
async def redis_server(process: SimulatedProcess) -> int:
    """redis-server [--port N]"""
    arguments = list(process.argv[1:])
    port = int(arguments[arguments.index("--port") + 1]) if "--port" in arguments[:-1] else 6379
    store = _Store(process)

    async def serve(stream: ByteStream) -> None:
        reader = _Reader(stream)
        while True:
            try:
                words = await reader.value()
            except EOFError:
                return
            if not isinstance(words, list) or not words:
                continue
            if str(words[0]).upper() == "QUIT":
                await stream.write(b"+OK\r\n")
                return
            reply = store.answer([str(word) for word in words])
            await stream.write(f"+{reply}\r\n".encode() if isinstance(reply, _Simple) else _encode(reply))

    process.network.listen(port, serve)
    stamp = f"{process.clock.now():%d %b %Y %H:%M:%S}.000"
    await process.out(
        f"1:C {stamp} * oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo\n1:C {stamp} * Redis version={VERSION}, bits=64\n"
    )
    await process.out(
        f"1:M {stamp} * Running mode=standalone, port={port}.\n1:M {stamp} * Ready to accept connections tcp\n"
    )
    process.ready()
    await asyncio.Event().wait()
    return 0


@program
async def redis_cli(process: SimulatedProcess) -> int:
    """redis-cli [-h HOST] [-p PORT] [-t SECONDS] [COMMAND]; commands from standard input without one"""
    arguments = list(process.argv[1:])
    values = {"-h": "127.0.0.1", "-p": "6379", "-t": "", "-n": "0", "-a": "", "-u": ""}
    while arguments and arguments[0].startswith("-"):
        option = arguments.pop(0)
        if option in values and arguments:
            values[option] = arguments.pop(0)
        elif option not in ("--raw", "--no-raw", "--no-auth-warning"):
            raise ProgramExit(1, f'Unrecognized option or bad number of args for: "{option}"\n')
    host, port = values["-h"], values["-p"]
    try:
        address = (await Resolver(process).addresses(host, ("A",)))[0]
        stream = await process.network.connect(
            address, int(port), timeout=float(values["-t"]) if values["-t"] else None
        )
    except ResolutionFailed:
        raise ProgramExit(1, f"Could not connect to Redis at {host}:{port}: Name does not resolve\n") from None
    except ConnectionFailed as error:
        reason = {"ECONNREFUSED": "Connection refused", "ETIMEDOUT": "Connection timed out"}.get(
            error.errno, "Host is unreachable"
        )
        raise ProgramExit(1, f"Could not connect to Redis at {host}:{port}: {reason}\n") from None
    reader = _Reader(stream)
    if arguments:
        return await _send(process, stream, reader, arguments)
    status = 0
    while line := await process.stdin.read_line():
        words = shlex.split(line.decode("utf-8", "replace"))
        if words:
            status = await _send(process, stream, reader, words)
    return status


async def _send(process: SimulatedProcess, stream: ByteStream, reader: _Reader, words: list[str]) -> int:
    try:
        await stream.write(_encode(list(words)))
        reply = await reader.value()
    except (EOFError, ConnectionFailed):
        raise ProgramExit(1, "Error: Server closed the connection\n") from None
    await process.out(_shown(reply, tty=process.tty) + "\n")
    return 1 if isinstance(reply, _Problem) else 0


def _shown(reply: Any, *, tty: bool) -> str:
    """On a terminal with types, else raw, as redis-cli does."""
    if isinstance(reply, _Problem):
        return f"(error) {reply}" if tty else str(reply)
    if reply is None:
        return "(nil)" if tty else ""
    if isinstance(reply, bool) or not tty:
        return "\n".join(str(item) for item in reply) if isinstance(reply, list) else str(reply)
    if isinstance(reply, int):
        return f"(integer) {reply}"
    if isinstance(reply, list):
        return "\n".join(f'{number}) "{item}"' for number, item in enumerate(reply, 1)) or "(empty array)"
    return reply if reply in ("OK", "PONG") else f'"{reply}"'
