"""``wget`` as BusyBox has it (alpine, busybox, netshoot): -q -S -O -T -t -c, --post-data, --header, -U, --spider,
--no-check-certificate."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab_helpers.twin.containers.errors import Deadline, ProgramExit
from lab_helpers.twin.containers.http.requesting import HttpConnection, HttpProblem, ResponseHead
from lab_helpers.twin.containers.http.tls import TlsProblem
from lab_helpers.twin.containers.http.tls import connect as connect_tls
from lab_helpers.twin.containers.processes import SimulatedProcess, program
from lab_helpers.twin.containers.programs.curl.urls import BadUrl, Url, join, parse_url
from lab_helpers.twin.containers.streams import Output
from lab_helpers.twin.containers.strerror import MUSL
from lab_helpers.twin.containers.timing import within
from lab_helpers.twin.dns.resolving import ResolutionFailed, Resolver
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed

__all__ = ["wget"]

TIMEOUT = 900.0


@dataclass(slots=True)
class _Options:
    urls: list[str] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    quiet: bool = False
    server_response: bool = False
    spider: bool = False
    insecure: bool = False
    output: str = ""
    post: str | None = None
    agent: str = "Wget"
    timeout: float = TIMEOUT


_VALUES = {
    "O": "O",
    "T": "T",
    "t": "t",
    "U": "U",
    "P": "P",
    "Y": "Y",
    "output-document": "O",
    "timeout": "T",
    "tries": "t",
    "user-agent": "U",
    "header": "header",
    "post-data": "post",
    "directory-prefix": "P",
    "proxy": "Y",
}
_FLAGS = {
    "q": "q",
    "S": "S",
    "c": "c",
    "nv": "nv",
    "4": "4",
    "quiet": "q",
    "server-response": "S",
    "spider": "spider",
    "continue": "c",
    "no-check-certificate": "insecure",
    "no-verbose": "nv",
    "content-on-error": "content",
    "no-cache": "4",
}


@program
async def wget(process: SimulatedProcess) -> int:
    """wget [-qS] [-O FILE] [-T SEC] [--header STR] [--post-data STR] [--spider] URL..."""
    options = _parse(process)
    if not options.urls:
        await process.err("wget: missing URL\nUsage: wget [-qS] [-O FILE] [-T SEC] [--spider] URL...\n")
        return 1
    for text in options.urls:
        await _Wget(process, options).fetch(text)
    return 0


def _parse(process: SimulatedProcess) -> _Options:
    options = _Options()
    arguments = list(process.argv[1:])
    while arguments:
        word = arguments.pop(0)
        if not word.startswith("-") or word == "-":
            options.urls.append(word)
            continue
        if word.startswith("--"):
            name, assigned, value = word[2:].partition("=")
            _option(options, name, value if assigned else None, word, arguments)
            continue
        if word == "-nv":
            continue
        for index, letter in enumerate(word[1:], 1):
            if letter in _VALUES:
                _option(options, letter, word[index + 1 :] or None, word, arguments)
                break
            _option(options, letter, None, word, arguments)
    return options


def _option(options: _Options, name: str, value: str | None, word: str, left: list[str]) -> None:
    if name in _VALUES:
        if value is None:
            if not left:
                raise ProgramExit(1, f"wget: option requires an argument: {word}\n")
            value = left.pop(0)
        kind = _VALUES[name]
        if kind == "O":
            options.output = value
        elif kind == "T":
            options.timeout = float(value) if value.replace(".", "", 1).isdigit() else TIMEOUT
        elif kind == "U":
            options.agent = value
        elif kind == "header":
            key, _, content = value.partition(":")
            options.headers.append((key.strip(), content.strip()))
        elif kind == "post":
            options.post = value
        return
    flag = _FLAGS.get(name)
    if flag is None:
        raise ProgramExit(1, f"wget: unrecognized option: {name}\n")
    options.quiet |= flag == "q"
    options.server_response |= flag == "S"
    options.spider |= flag == "spider"
    options.insecure |= flag == "insecure"


class _Wget:
    def __init__(self, process: SimulatedProcess, options: _Options) -> None:
        self._process = process
        self._options = options

    async def _say(self, text: str) -> None:
        if not self._options.quiet:
            await self._process.err(text)

    async def fetch(self, text: str) -> None:
        """One URL. Raises ProgramExit(1) with BusyBox' message."""
        try:
            url = parse_url(text)
        except BadUrl as error:
            raise ProgramExit(
                1, f"wget: not an http or ftp url: {text}\n" if error.code == 1 else f"wget: bad address '{text}'\n"
            ) from None
        for _ in range(20):
            connection, stream = await self._open(url)
            head = await self._request(url, connection)
            location = head.header("location")
            if head.status in (301, 302, 303, 307, 308) and location:
                await stream.close()
                url = join(url, location)
                continue
            if head.status >= 400:
                await stream.close()
                raise ProgramExit(1, f"wget: server returned error: HTTP/{head.version} {head.status} {head.phrase}\n")
            await self._save(url, connection)
            await stream.close()
            return
        raise ProgramExit(1, "wget: too many redirections\n")

    async def _open(self, url: Url) -> tuple[HttpConnection, ByteStream]:
        try:
            addresses = await Resolver(self._process).addresses(url.host)
        except ResolutionFailed:
            raise ProgramExit(
                1,
                f"wget: bad address '{url.host}'\n"
                if url.port in (80, 443)
                else f"wget: bad address '{url.host}:{url.port}'\n",
            ) from None
        await self._say(
            f"Connecting to {url.host if url.port in (80, 443) else url.authority} ({addresses[0]}:{url.port})\n"
        )
        try:
            stream: ByteStream = await self._process.network.connect(
                addresses[0], url.port, timeout=self._options.timeout
            )
        except ConnectionFailed as error:
            if error.errno == "ETIMEDOUT" and self._options.timeout < TIMEOUT:
                raise ProgramExit(1, "wget: download timed out\n") from None
            reason = MUSL.get(error.errno, str(error))
            raise ProgramExit(1, f"wget: can't connect to remote host ({addresses[0]}): {reason}\n") from None
        if url.scheme == "https":
            try:
                stream, certificate = await connect_tls(stream, url.host)
            except (TlsProblem, ConnectionFailed):
                raise ProgramExit(1, "wget: error getting response: Connection reset by peer\n") from None
            if not self._options.insecure and not (certificate.issuer and certificate.covers(url.host)):
                raise ProgramExit(1, "wget: TLS error: certificate verification failed\n")
        return HttpConnection(stream), stream

    async def _request(self, url: Url, connection: HttpConnection) -> ResponseHead:
        options = self._options
        body = b"" if options.post is None else options.post.encode("utf-8", "surrogateescape")
        headers = [("Host", url.authority), ("User-Agent", options.agent), ("Connection", "close")]
        if options.post is not None:
            headers += [("Content-Type", "application/x-www-form-urlencoded"), ("Content-Length", str(len(body)))]
        given = {key.lower() for key, _ in options.headers}
        headers = [header for header in headers if header[0].lower() not in given] + options.headers
        method = "POST" if options.post is not None else "HEAD" if options.spider else "GET"
        try:
            async with within(self._process.clock, options.timeout):
                await connection.send(method, url.target, headers, body)
                head = await connection.head()
        except Deadline:
            raise ProgramExit(1, "wget: download timed out\n") from None
        except (HttpProblem, ConnectionFailed) as error:
            reason = MUSL.get(getattr(error, "errno", ""), "error getting response")
            raise ProgramExit(
                1, f"wget: {reason}\n" if "error" in reason else f"wget: error getting response: {reason}\n"
            ) from None
        if options.server_response:
            lines = [
                f"HTTP/{head.version} {head.status} {head.phrase}",
                *(f"{key}: {value}" for key, value in head.headers),
            ]
            await self._process.err("".join(f"  {line}\n" for line in lines) + "  \n")
        return head

    async def _save(self, url: Url, connection: HttpConnection) -> None:
        if self._options.spider:
            await self._say("remote file exists\n")
            return
        name = self._options.output or url.file_name or "index.html"
        sink: Output = self._process.stdout
        if name != "-":
            try:
                sink = self._process.files.open_output(self._process.path(name))
            except OSError as error:
                raise ProgramExit(1, f"wget: can't open '{name}': {error.strerror}\n") from None
        await self._say("writing to stdout\n" if name == "-" else f"saving to '{name}'\n")
        size = 0
        try:
            async with within(self._process.clock, self._options.timeout):
                async for chunk in connection.body():
                    size += len(chunk)
                    await sink.write(chunk)
        except Deadline:
            raise ProgramExit(1, "wget: download timed out\n") from None
        except (HttpProblem, ConnectionFailed):
            raise ProgramExit(1, "wget: connection closed prematurely\n") from None
        shown = "-" if name == "-" else name[:20]
        await self._say(f"{shown:<20} 100% |{'*' * 32}| {size:>5}  0:00:00 ETA\n")
        await self._say("written to stdout\n" if name == "-" else f"'{name}' saved\n")
