"""Running curl: the transfers, one after the other, over connections that are kept while they can be (lib/multi.c,
src/tool_operate.c).

Exit codes and messages are curl 8.14's. Waiting for an address, a connection or an answer ends by ``--connect-timeout``
and ``--max-time`` on the twin's clock.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab_helpers.twin.containers.errors import Deadline, ProgramExit
from lab_helpers.twin.containers.files import FileOutput
from lab_helpers.twin.containers.http.requesting import HttpConnection, HttpProblem, ResponseHead
from lab_helpers.twin.containers.processes import SimulatedProcess, program
from lab_helpers.twin.containers.programs.curl import meters
from lab_helpers.twin.containers.programs.curl.connecting import SYSTEM, Connector
from lab_helpers.twin.containers.programs.curl.options import HINT, VERSION, Options, parse_options
from lab_helpers.twin.containers.programs.curl.requests import RequestParts
from lab_helpers.twin.containers.programs.curl.transfers import CurlFailure, Transfer, write_out
from lab_helpers.twin.containers.programs.curl.urls import BadUrl, Url, glob, join, parse_url
from lab_helpers.twin.containers.streams import NullOutput, Output
from lab_helpers.twin.containers.timing import within
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed

__all__ = ["curl"]

CONNECT_TIMEOUT = 300.0


@program
async def curl(process: SimulatedProcess) -> int:
    """curl [options...] <url>"""
    options = parse_options(process.argv[1:])
    if options.on("version"):
        await process.out(
            f"curl {VERSION} (x86_64-alpine-linux-musl) libcurl/{VERSION} simulated by cilium-labs\n"
            "Protocols: http https\nFeatures: IPv6\n"
        )
        return 0
    if options.on("help"):
        await process.out(
            "Usage: curl [options...] <url>\nThe embedded cluster plays curl's HTTP and HTTPS options; see curl(1).\n"
        )
        return 0
    if not options.urls:
        raise ProgramExit(2, "curl: (2) no URL specified\n" + HINT)
    return await _Curl(process, options).run()


class _Curl:
    def __init__(self, process: SimulatedProcess, options: Options) -> None:
        self._process = process
        self._options = options
        self._clock = process.clock
        self._connections: dict[tuple[str, str, int], HttpConnection] = {}
        self._began = 0.0
        self._metered = False
        self._request = RequestParts(process, options)
        self._connector = Connector(process, options, self._note, self._elapsed)

    async def run(self) -> int:
        status = 0
        number = 0
        for position, pattern in enumerate(self._options.urls):
            try:
                urls = [pattern] if self._options.on("globoff") else glob(pattern)
            except BadUrl as error:
                await self._complain(error.code, error.message)
                return error.code
            output = self._options.outputs[position] if position < len(self._options.outputs) else None
            if output is None and self._options.on("remote-name-all"):
                output = "-O"
            for text in urls:
                status = await self._with_retries(text, number, output)
                number += 1
                if status and self._options.on("fail-early"):
                    return status
        return status

    async def _with_retries(self, text: str, number: int, output: str | None) -> int:
        left = int(self._options.number("retry") or 0)
        delay = self._options.number("retry-delay") or 0
        attempt = 0
        while True:
            transfer = Transfer(text, number, retries=attempt)
            status = await self._one(text, transfer, output, last=attempt >= left)
            again = self._transient(transfer)
            if not again or attempt >= left:
                return status
            wait = delay or min(2.0**attempt, 600)
            attempt += 1
            if not self._options.on("silent") or self._options.on("show-error"):
                why = f"HTTP {transfer.http_code}" if transfer.exit_code in (0, 22) else self._why(transfer.exit_code)
                await self._process.err(
                    f"curl: (0) Problem {why}. Will retry in {wait:.0f} second{'' if wait == 1 else 's'}. "
                    f"{left - attempt + 1} retr{'y' if left - attempt + 1 == 1 else 'ies'} left.\n".replace(
                        "curl: (0)", "Warning:"
                    )
                )
            await self._clock.sleep(wait)

    def _why(self, code: int) -> str:
        return {28: ": timeout", 7: ": connection refused", 6: ": (retrying all errors)"}.get(
            code, "(retrying all errors)"
        )

    def _transient(self, transfer: Transfer) -> bool:
        code = transfer.exit_code
        if self._options.on("retry-all-errors") and code:
            return True
        if code == 7 and self._options.on("retry-connrefused"):
            return True
        return code in (5, 6, 28) or transfer.http_code in (408, 429, 500, 502, 503, 504)

    async def _one(self, text: str, transfer: Transfer, output: str | None, *, last: bool) -> int:
        self._began = self._clock.monotonic()
        try:
            url = parse_url(text)
            sink = await self._sink(url, output, transfer)
            await self._meter(transfer, begin=True)
            await self._follow(url, transfer, sink)
        except BadUrl as error:
            transfer.exit_code, transfer.error = error.code, error.message
        except CurlFailure as error:
            transfer.exit_code, transfer.error = error.code, error.message
        transfer.time_total = self._elapsed()
        await self._meter(transfer, begin=False)
        if transfer.exit_code and (last or not self._transient(transfer)):
            await self._complain(transfer.exit_code, transfer.error)
        form = self._options.values.get("write-out")
        if form is not None:
            if form.startswith("@"):
                form = (await self._request.read_data(form[1:])).decode("utf-8", "replace")
            out, err = write_out(form, transfer)
            await self._process.out(out)
            await self._process.err(err)
        return transfer.exit_code

    async def _meter(self, transfer: Transfer, *, begin: bool) -> None:
        """The progress meter: at the beginning and at the end of a transfer."""
        silent = self._options.on("silent") or self._options.on("no-progress-meter")
        shown = not self._process.stdout.tty or transfer.file_name not in ("", "-")
        if silent or not shown or not (begin or self._metered):
            return
        if begin:
            self._metered = True
            await self._process.err(meters.HEADER + meters.line(transfer, 0.0))
            return
        self._metered = False
        await self._process.err(meters.line(transfer, transfer.time_total) + "\n")

    def _elapsed(self) -> float:
        return self._clock.monotonic() - self._began

    async def _complain(self, code: int, message: str) -> None:
        if not self._options.on("silent") or self._options.on("show-error"):
            await self._process.err(f"curl: ({code}) {message}\n")

    async def _note(self, text: str) -> None:
        if self._options.on("verbose"):
            await self._process.err(f"* {text}\n")

    async def _sink(self, url: Url, output: str | None, transfer: Transfer) -> Output:
        if output is None or output == "-":
            return self._process.stdout
        name = output
        if output == "-O":
            name = url.file_name or "curl_response"
        if self._options.values.get("output-dir"):
            name = f"{self._options.values['output-dir'].rstrip('/')}/{name}"
        transfer.file_name = name
        path = self._process.path(name)
        if path == "/dev/null":
            return NullOutput()
        if path in ("/dev/stdout", "/dev/stderr"):
            return self._process.stdout if path.endswith("out") else self._process.stderr
        try:
            return self._process.files.open_output(path)
        except OSError as error:
            await self._process.err(f"curl: Failed to open the file {name}: {error.strerror}\n")
            raise CurlFailure(23, f"client returned ERROR on write, {error.strerror}") from None

    # --- redirects ---

    async def _follow(self, url: Url, transfer: Transfer, sink: Output) -> None:
        limit = int(self._options.number("max-redirs") or 50)
        method, body = self._request.method(), await self._request.body()
        while True:
            transfer.effective, transfer.method, transfer.scheme = url.text, method, url.scheme
            head = await self._exchange(url, method, body, transfer, sink)
            location = head.header("location")
            if head.status not in (301, 302, 303, 307, 308) or not location:
                return
            following = join(url, location)
            transfer.redirect_url = following.text
            if not (self._options.on("location") or self._options.on("location-trusted")):
                return
            if transfer.redirects >= limit:
                raise CurlFailure(47, f"Maximum ({limit}) redirects followed")
            transfer.redirects += 1
            transfer.redirect_url = ""
            transfer.time_redirect = self._elapsed()
            await self._note(f"Issue another request to this URL: '{following.text}'")
            if (
                head.status == 303 or (head.status in (301, 302) and method == "POST")
            ) and "request" not in self._options.values:
                method, body = ("HEAD" if method == "HEAD" else "GET"), b""
            url = following

    # --- one exchange ---

    async def _exchange(self, url: Url, method: str, body: bytes, transfer: Transfer, sink: Output) -> ResponseHead:
        seconds = self._options.number("max-time")
        left = None if not seconds else seconds - self._elapsed()
        try:
            async with within(self._clock, left):
                return await self._steps(url, method, body, transfer, sink)
        except Deadline:
            milliseconds = int(self._elapsed() * 1000)
            raise CurlFailure(28, self._timed_out(transfer, milliseconds)) from None

    def _timed_out(self, transfer: Transfer, milliseconds: int) -> str:
        if not transfer.time_namelookup:
            return f"Resolving timed out after {milliseconds} milliseconds"
        if not transfer.time_pretransfer:
            return f"Connection timed out after {milliseconds} milliseconds"
        length = next((value for key, value in transfer.headers if key.lower() == "content-length"), None)
        if length is not None:
            received = f"{transfer.downloaded} out of {length} bytes received"
            return f"Operation timed out after {milliseconds} milliseconds with {received}"
        return f"Operation timed out after {milliseconds} milliseconds with {transfer.downloaded} bytes received"

    async def _steps(self, url: Url, method: str, body: bytes, transfer: Transfer, sink: Output) -> ResponseHead:
        target = url.target
        if self._options.on("get") and self._options.data and not transfer.redirects:
            target += ("&" if "?" in target else "?") + (await self._request.data()).decode("utf-8", "replace")
        headers = self._request.headers(url, method, body)
        while True:
            connection, fresh = await self._connection(url, transfer)
            transfer.time_pretransfer = max(self._elapsed(), 1e-6)
            await self._show_request(method, target, headers)
            try:
                await connection.send(method, target, headers, body)
                transfer.uploaded += len(body)
                head = await connection.head()
                break
            except (HttpProblem, ConnectionFailed) as error:
                self._connections.pop((url.scheme, url.host, url.port), None)
                if not fresh:
                    await self._note("Connection died, retrying a fresh connect (retry count: 1)")
                    continue
                raise self._receive_failure(error) from None
        transfer.time_starttransfer = self._elapsed()
        return await self._receive(url, connection, head, method, transfer, sink)

    def _receive_failure(self, error: Exception) -> CurlFailure:
        if isinstance(error, ConnectionFailed):
            if error.errno == "EPIPE":
                return CurlFailure(55, "Send failure: Broken pipe")
            return CurlFailure(56, f"Recv failure: {SYSTEM.get(error.errno, 'Connection reset by peer')}")
        assert isinstance(error, HttpProblem)
        if error.kind == "empty":
            return CurlFailure(52, "Empty reply from server")
        if error.kind == "malformed":
            return CurlFailure(1, "Received HTTP/0.9 when not allowed")
        return CurlFailure(18, "transfer closed with outstanding read data remaining")

    async def _show_request(self, method: str, target: str, headers: Sequence[tuple[str, str]]) -> None:
        if self._options.on("verbose"):
            lines = [f"{method} {target} HTTP/1.1", *(f"{key}: {value}" for key, value in headers), ""]
            await self._process.err("".join(f"> {line}\r\n" for line in lines))
            await self._process.err("* Request completely sent off\n")

    # --- connections ---

    async def _connection(self, url: Url, transfer: Transfer) -> tuple[HttpConnection, bool]:
        key = (url.scheme, url.host, url.port)
        kept = self._connections.get(key)
        if kept is not None and kept.reusable:
            transfer.time_namelookup = transfer.time_namelookup or 1e-6
            transfer.time_connect = transfer.time_connect or 1e-6
            transfer.local, transfer.remote = kept.stream.local, kept.stream.remote
            await self._note(f"Re-using existing connection with host {url.host}")
            return kept, False
        limit = self._options.number("connect-timeout") or CONNECT_TIMEOUT
        try:
            async with within(self._clock, limit):
                stream = await self._open(url, transfer)
        except Deadline:
            raise CurlFailure(28, self._timed_out(transfer, int(self._elapsed() * 1000))) from None
        connection = HttpConnection(stream)
        self._connections[key] = connection
        return connection, True

    async def _open(self, url: Url, transfer: Transfer) -> ByteStream:
        host, port = self._connector.redirected(url)
        addresses = self._connector.forced(host, port) or await self._connector.lookup(host)
        transfer.time_namelookup = max(self._elapsed(), 1e-6)
        if not host.replace(".", "").isdigit():
            await self._note(f"Host {host}:{port} was resolved.")
            await self._note("IPv6: " + (", ".join(a for a in addresses if ":" in a) or "(none)"))
            await self._note("IPv4: " + (", ".join(a for a in addresses if ":" not in a) or "(none)"))
        stream = await self._connector.tcp(host, port, addresses)
        transfer.connects += 1
        transfer.time_connect = max(self._elapsed(), 1e-6)
        transfer.local, transfer.remote = stream.local, stream.remote
        if url.scheme == "https":
            return await self._connector.tls(stream, url, transfer)
        await self._note(f"Connected to {host} ({stream.remote[0]}) port {port}")
        await self._note("using HTTP/1.x")
        return stream

    # --- the response ---

    async def _receive(
        self, url: Url, connection: HttpConnection, head: ResponseHead, method: str, transfer: Transfer, sink: Output
    ) -> ResponseHead:
        transfer.http_code, transfer.http_version = head.status, head.version
        transfer.headers = list(head.headers)
        transfer.content_type = head.header("content-type") or ""
        lines = [
            f"HTTP/{head.version} {head.status} {head.phrase}".rstrip()
            if not head.phrase
            else f"HTTP/{head.version} {head.status} {head.phrase}"
        ]
        lines += [f"{key}: {value}" for key, value in head.headers]
        text = "".join(f"{line}\r\n" for line in lines) + "\r\n"
        transfer.header_size += len(text)
        if self._options.on("verbose"):
            await self._process.err("".join(f"< {line}\r\n" for line in [*lines, ""]))
        failing = self._options.on("fail") and head.status >= 400
        following = (
            self._options.on("location") and head.status in (301, 302, 303, 307, 308) and head.header("location")
        )
        if (self._options.on("include") or self._options.on("head")) and not failing:
            await sink.write(text.encode("latin-1", "replace"))
        if "dump-header" in self._options.values:
            await self._dump(text)
        try:
            async for chunk in connection.body():
                transfer.downloaded += len(chunk)
                if not failing and not following and method != "HEAD":
                    await sink.write(chunk)
        except HttpProblem:
            length = head.header("content-length")
            remaining = (
                f"end of response with {int(length) - transfer.downloaded} bytes missing"
                if length
                else "transfer closed with outstanding read data remaining"
            )
            raise CurlFailure(18, remaining) from None
        except ConnectionFailed as error:
            raise CurlFailure(56, f"Recv failure: {SYSTEM.get(error.errno, 'Connection reset by peer')}") from None
        except OSError as error:
            raise CurlFailure(23, f"client returned ERROR on write, {error.strerror}") from None
        await self._finish(url, connection)
        if head.status >= 400 and (self._options.on("fail") or self._options.on("fail-with-body")):
            raise CurlFailure(22, f"The requested URL returned error: {head.status}")
        return head

    async def _dump(self, text: str) -> None:
        name = self._options.values["dump-header"]
        data = text.encode("latin-1", "replace")
        if name == "-":
            await self._process.stdout.write(data)
        elif name != "/dev/null":
            try:
                output = self._process.files.open_output(self._process.path(name), append=True)
            except OSError as error:
                raise CurlFailure(23, f"Failed to open {name}: {error.strerror}") from None
            assert isinstance(output, FileOutput)
            await output.write(data)

    async def _finish(self, url: Url, connection: HttpConnection) -> None:
        if connection.reusable:
            await self._note(f"Connection #0 to host {url.host} left intact")
            return
        self._connections.pop((url.scheme, url.host, url.port), None)
        await connection.stream.close()
        await self._note("Closing connection")
