"""The long-lived clients of lab 07 as the twin plays them: the same lines as lab_helpers/course/shop/caller.py.

A test runs the real script beside this and compares.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from lab_helpers.twin.containers.errors import Deadline
from lab_helpers.twin.containers.http.requesting import HttpConnection, HttpProblem
from lab_helpers.twin.containers.http.tls import TlsProblem
from lab_helpers.twin.containers.http.tls import connect as connect_tls
from lab_helpers.twin.containers.processes import SimulatedProcess, program
from lab_helpers.twin.containers.timing import within
from lab_helpers.twin.dns.resolving import ResolutionFailed, Resolver
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed

__all__ = ["shop_caller"]

HABITS = ("fresh", "cache-dns", "keep-alive")
PATIENCE = 5.0
_REASONS = {"ETIMEDOUT": "timed out", "ECONNREFUSED": "refused", "ECONNRESET": "reset", "EPIPE": "reset"}


@program
async def shop_caller(process: SimulatedProcess) -> int:
    """``caller.py HABIT URL [SECONDS]`` until told to end."""
    arguments = list(process.argv)
    script = next(index for index, word in enumerate(arguments) if index and not word.startswith("-"))
    words = arguments[script + 1 :]
    url = urlsplit(words[1]) if len(words) in (2, 3) else SplitResult("", "", "", "", "")
    seconds = words[2] if len(words) == 3 else "30"
    if not url.hostname or words[0] not in HABITS or not seconds.isdigit():
        await process.out(f"usage: caller.py {'|'.join(HABITS)} URL [SECONDS]\n")
        return 2
    caller = _Caller(process, words[0], url)
    await process.out(f"{words[0]}: {words[1]} every {seconds} s\n")
    process.ready()
    while True:
        await caller.call()
        await process.clock.sleep(int(seconds))


class _Caller:
    """One habit and one address on the web."""

    def __init__(self, process: SimulatedProcess, habit: str, url: SplitResult) -> None:
        self._process = process
        self._clock = process.clock
        self._habit = habit
        self._host = str(url.hostname)
        self._port = url.port or (443 if url.scheme == "https" else 80)
        self._path = url.path or "/"
        self._tls = url.scheme == "https"
        self._addresses: list[str] = []
        self._connection: HttpConnection | None = None

    async def call(self) -> None:
        """One call, whatever it takes."""
        if self._connection is None:
            if self._habit != "cache-dns" or not self._addresses:
                await self._resolve()
            if not self._addresses:
                return
            await self._connect()
        if self._connection is not None:
            await self._ask(self._connection)

    async def _resolve(self) -> None:
        try:
            found = await Resolver(self._process).addresses(self._host, ("A",))
        except ResolutionFailed:
            self._addresses = []
            await self._say(f"{self._host} cannot be resolved")
            return
        self._addresses = list(dict.fromkeys(found))
        await self._say(f"{self._host} is at {', '.join(self._addresses)}")

    async def _connect(self) -> None:
        stream: ByteStream | None = None
        try:
            async with within(self._clock, PATIENCE):
                stream = await self._process.network.connect(self._addresses[0], self._port)
                if self._tls:
                    stream, _ = await connect_tls(stream, self._host)
        except (Deadline, ConnectionFailed, TlsProblem) as error:
            if stream is not None:
                stream.abort()
            await self._say(f"{self._addresses[0]}: no connection: {_reason(error)}")
            return
        self._connection = HttpConnection(stream)

    async def _ask(self, connection: HttpConnection) -> None:
        keep = self._habit == "keep-alive"
        port = "" if self._port == 80 else f":{self._port}"
        headers = [
            ("Host", f"{self._host}{port}"),
            ("Accept-Encoding", "identity"),
            ("User-Agent", "shop-caller/1"),
            ("Connection", "keep-alive" if keep else "close"),
        ]
        try:
            async with within(self._clock, PATIENCE):
                await connection.send("GET", self._path, headers)
                head = await connection.head()
                async for _ in connection.body():
                    pass
        except (Deadline, ConnectionFailed, HttpProblem, TlsProblem) as error:
            await self._say(f"{self._addresses[0]}: connection lost: {_reason(error)}")
            await self._close(connection)
            return
        of = f", call {connection.requests} of this connection" if keep else ""
        await self._say(f"{self._addresses[0]}: {head.status}{of}")
        if not keep or not connection.reusable:
            await self._close(connection)

    async def _close(self, connection: HttpConnection) -> None:
        self._connection = None
        await connection.stream.close()

    async def _say(self, line: str) -> None:
        await self._process.out(line + "\n")


def _reason(error: Exception) -> str:
    """In the words of the script."""
    if isinstance(error, Deadline):
        return "timed out"
    if isinstance(error, HttpProblem):
        return "closed by the server" if error.kind == "empty" else "no answer in HTTP"
    if isinstance(error, TlsProblem):
        return "no TLS"
    return _REASONS.get(error.errno, "no way there") if isinstance(error, ConnectionFailed) else "no way there"
