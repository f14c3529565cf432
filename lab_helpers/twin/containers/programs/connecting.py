"""nc and ping: the plainest questions to a network."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from dataclasses import dataclass

from lab_helpers.twin.containers.errors import Deadline
from lab_helpers.twin.containers.processes import SIGNALS, SimulatedProcess, program
from lab_helpers.twin.containers.strerror import MUSL
from lab_helpers.twin.containers.timing import within
from lab_helpers.twin.dns.resolving import ResolutionFailed, Resolver
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed

__all__ = ["busybox_nc", "nc", "ping"]

_UNKNOWN = 'getaddrinfo for host "{host}" port {ports}: Name does not resolve'


@dataclass(slots=True)
class _Nc:
    scan: bool = False
    verbose: bool = False
    listen: bool = False
    udp: bool = False
    keep: bool = False
    wait: float | None = None
    finish: bool = False  # send FIN when standard input ends
    busybox: bool = False


@program
async def nc(process: SimulatedProcess) -> int:
    """nc [-zvlukN] [-w SECONDS] HOST PORT[-PORT], or nc -l [-k] [-p] PORT: netcat-openbsd"""
    return await _nc(process, _Nc())


@program
async def busybox_nc(process: SimulatedProcess) -> int:
    """BusyBox' nc: other messages, and the end of standard input ends the sending side."""
    return await _nc(process, _Nc(finish=True, busybox=True))


async def _nc(process: SimulatedProcess, options: _Nc) -> int:
    rest: list[str] = []
    arguments = list(process.argv[1:])
    while arguments:
        word = arguments.pop(0)
        if not re.fullmatch(r"-[a-zA-Z0-9]+", word):
            rest.append(word)
            continue
        for index, letter in enumerate(word[1:], 1):
            if letter in "wpisqGeX":
                value = word[index + 1 :] or (arguments.pop(0) if arguments else "")
                if letter in "wG":
                    if not value.replace(".", "", 1).isdigit():
                        return await process.fail(f"timeout too small or not a number: {value}")
                    options.wait = float(value)
                elif letter == "p":
                    rest.append(value)
                elif letter == "e":
                    return await process.fail("-e is not simulated in the embedded cluster")
                break
            if letter not in "zvluk46nNdtr":
                return await process.fail(f"invalid option -- '{letter}'")
            options.scan |= letter == "z"
            options.verbose |= letter == "v"
            options.listen |= letter == "l"
            options.udp |= letter == "u"
            options.keep |= letter == "k"
            options.finish |= letter == "N"
    if options.listen:
        port = next((word for word in reversed(rest) if word.isdigit()), None)
        return await _listen(process, options, int(port)) if port else await process.fail("missing port with option -l")
    if len(rest) != 2 or not re.fullmatch(r"\d+(-\d+)?", rest[1]):
        return await process.fail("usage: nc [-zvu] [-w timeout] host port")
    return await _connect(process, options, rest[0], rest[1])


async def _connect(process: SimulatedProcess, options: _Nc, host: str, ports: str) -> int:
    try:
        address = (await Resolver(process).addresses(host, ("A",)))[0]
    except ResolutionFailed:
        text = f"bad address '{host}'" if options.busybox else _UNKNOWN.format(host=host, ports=ports)
        await process.err(f"nc: {text}\n")
        return 1
    first, _, last = ports.partition("-")
    status = 1
    for port in range(int(first), min(int(last or first), 65535) + 1):
        if options.udp:
            status = await _datagrams(process, options, host, address, port)
            continue
        try:
            stream = await process.network.connect(address, port, timeout=options.wait)
        except ConnectionFailed as error:
            if options.verbose or not options.scan:
                if options.busybox:
                    await process.err(f"nc: {host} ({address}:{port}): {MUSL.get(error.errno, str(error))}\n")
                    continue
                kind = (
                    "Operation in progress"
                    if error.errno == "ETIMEDOUT" and options.wait
                    else MUSL.get(error.errno, str(error))
                )
                await process.err(f"nc: connect to {host} ({address}) port {port} (tcp) failed: {kind}\n")
            continue
        status = 0
        if options.verbose:
            shown = f"{host} ({address})" if host != address else f"{host}"
            opened = (
                f"{host} ({address}:{port}) open"
                if options.busybox
                else f"Connection to {shown} {port} port [tcp/*] succeeded!"
            )
            await process.err(opened + "\n")
        if options.scan:
            await stream.close()
        else:
            await _talk(process, stream, options)
    return status


async def _talk(process: SimulatedProcess, stream: ByteStream, options: _Nc) -> None:
    """Standard input to the peer, the peer's bytes to standard output, until the peer ends (or ``wait`` idle
    seconds)."""

    async def send() -> None:
        async for chunk in process.stdin:
            await stream.write(chunk)
        if options.finish:
            await stream.write_eof()

    sender = asyncio.create_task(send())
    try:
        while True:
            async with within(process.clock, options.wait):
                data = await stream.read()
            if not data:
                break
            await process.out(data)
    except (Deadline, ConnectionFailed):
        pass
    finally:
        sender.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionFailed):
            await sender
        await stream.close()


async def _datagrams(process: SimulatedProcess, options: _Nc, host: str, address: str, port: int) -> int:
    if options.scan:
        try:
            await process.network.exchange(address, port, b"X", timeout=options.wait or 1.0)
        except ConnectionFailed as error:
            if error.errno != "ETIMEDOUT":
                return 1
        if options.verbose:
            await process.err(f"Connection to {host} ({address}) {port} port [udp/*] succeeded!\n")
        return 0
    while line := await process.stdin.read_line():
        try:
            await process.out(await process.network.exchange(address, port, line, timeout=options.wait or 2.0))
        except ConnectionFailed as error:
            if error.errno != "ETIMEDOUT":
                return 1
    return 0


async def _listen(process: SimulatedProcess, options: _Nc, port: int) -> int:
    done = asyncio.Event()
    busy = asyncio.Lock()

    async def serve(stream: ByteStream) -> None:
        if options.verbose:
            await process.err(f"Connection received on {stream.remote[0]} {stream.remote[1]}\n")
        async with busy:
            await _talk(process, stream, options)
        if not options.keep:
            done.set()

    async def answer(payload: bytes, _source: tuple[str, int]) -> bytes | None:
        await process.out(payload)
        return await process.stdin.read_line() or None

    try:
        close = process.network.bind(port, answer) if options.udp else process.network.listen(port, serve)
    except (ConnectionFailed, OSError):
        return await process.fail("Address in use")
    if options.verbose:
        await process.err(f"Listening on 0.0.0.0 {port}\n")
    process.ready()
    await done.wait()
    close()
    return 0


@program
async def ping(process: SimulatedProcess) -> int:
    """ping [-c COUNT] [-i INTERVAL] [-W TIMEOUT] [-w DEADLINE] [-q] [-n] HOST (iputils' output)"""
    numbers = {"c": math.inf, "i": 1.0, "W": 10.0, "w": math.inf, "s": 56.0, "t": 64.0}
    quiet, rest, arguments = False, [], list(process.argv[1:])
    while arguments:
        word = arguments.pop(0)
        if not word.startswith("-") or word == "-":
            rest.append(word)
            continue
        letter = word[1:2]
        if letter in numbers:
            value = word[2:] or (arguments.pop(0) if arguments else "")
            try:
                numbers[letter] = float(value)
            except ValueError:
                return await process.fail(f"invalid argument: '{value}'")
        elif letter in "qn46O":
            quiet = quiet or letter == "q"
        else:
            return await process.fail(f"invalid option -- '{letter}'", 2)
    if not rest:
        await process.err("ping: usage error: Destination address required\n")
        return 1
    host = rest[-1]
    try:
        address = (await Resolver(process).addresses(host, ("A",)))[0]
    except ResolutionFailed:
        return await process.fail(f"{host}: Name does not resolve", 2)
    if ":" in address:
        return await process.fail("connect: Network unreachable", 2)
    size = int(numbers["s"])
    await process.out(f"PING {host} ({address}) {size}({size + 28}) bytes of data.\n")
    return await _Ping(process, host, address, numbers, quiet).run()


class _Ping:
    def __init__(
        self, process: SimulatedProcess, host: str, address: str, numbers: dict[str, float], quiet: bool
    ) -> None:
        self._process, self._host, self._address, self._numbers, self._quiet = process, host, address, numbers, quiet
        self._sent = 0
        self._errors = 0
        self._times: list[float] = []
        self._began = process.clock.monotonic()

    async def run(self) -> int:
        clock = self._process.clock
        pending: set[asyncio.Task[None]] = set()
        deadline = self._numbers["w"]
        try:
            async with within(clock, deadline if deadline < math.inf else None):
                while self._sent < self._numbers["c"]:
                    self._sent += 1
                    task = asyncio.create_task(self._one(self._sent))
                    pending.add(task)
                    task.add_done_callback(pending.discard)
                    if self._sent < self._numbers["c"]:
                        await clock.sleep(self._numbers["i"])
                while pending:
                    await asyncio.wait(set(pending))
        except Deadline:
            await self._cancel(pending)
        except asyncio.CancelledError:
            await self._cancel(pending)
            if self._process.signal not in (SIGNALS["INT"], SIGNALS["QUIT"]):
                raise
        await self._statistics()
        if self._numbers["c"] < math.inf and deadline < math.inf and len(self._times) < self._numbers["c"]:
            return 1
        return 0 if self._times else 1

    async def _cancel(self, pending: set[asyncio.Task[None]]) -> None:
        waiting = set(pending)
        for task in waiting:
            task.cancel()
        if waiting:
            await asyncio.wait(waiting)

    async def _one(self, sequence: int) -> None:
        try:
            seconds = await self._process.network.ping(self._address, sequence=sequence, timeout=self._numbers["W"])
        except ConnectionFailed as error:
            if error.errno in ("EHOSTUNREACH", "ENETUNREACH"):
                self._errors += 1
                await self._process.out(
                    f"From {self._process.network.ip} icmp_seq={sequence} Destination Host Unreachable\n"
                )
            elif error.errno == "EPERM":
                await self._process.err("ping: sendmsg: Operation not permitted\n")
            return
        self._times.append(seconds * 1000)
        if not self._quiet:
            size = int(self._numbers["s"]) + 8
            await self._process.out(
                f"{size} bytes from {self._address}: icmp_seq={sequence} ttl={self._ttl()} "
                f"time={_milliseconds(seconds * 1000)} ms\n"
            )

    def _ttl(self) -> int:
        """Hops left of 64: a pod's own address is no hop; Cilium's delivery to a pod, from near or a tunnel, is one."""
        own = self._address == self._process.network.ip or self._address.startswith("127.")
        return 64 if own else 63

    async def _statistics(self) -> None:
        received = len(self._times)
        loss = 100 * (self._sent - received) / self._sent if self._sent else 0
        elapsed = int((self._process.clock.monotonic() - self._began) * 1000)
        errors = f"+{self._errors} errors, " if self._errors else ""
        text = f"\n--- {self._host} ping statistics ---\n"
        text += (
            f"{self._sent} packets transmitted, {received} received, {errors}{loss:g}% packet loss, time {elapsed}ms\n"
        )
        if self._times:
            mean = sum(self._times) / received
            deviation = math.sqrt(max(sum(t * t for t in self._times) / received - mean * mean, 0))
            text += (
                f"rtt min/avg/max/mdev = {min(self._times):.3f}/{mean:.3f}/{max(self._times):.3f}/{deviation:.3f} ms\n"
            )
        await self._process.out(text)


def _milliseconds(value: float) -> str:
    """iputils' precision: fewer decimals for longer times."""
    return (
        f"{value:.0f}"
        if value >= 100
        else f"{value:.1f}"
        if value >= 10
        else f"{value:.2f}"
        if value >= 1
        else f"{value:.3f}"
    )
