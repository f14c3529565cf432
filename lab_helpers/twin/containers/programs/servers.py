"""Servers of public images: nginx, hashicorp/http-echo, cilium/json-mock, and what keeps the control plane's ports
open."""

from __future__ import annotations

import asyncio
import json
import posixpath
from collections.abc import Sequence

from lab_helpers.twin.containers.http.messages import Handler, Request, Response
from lab_helpers.twin.containers.http.serving import http_server
from lab_helpers.twin.containers.http.tls import Certificate, TlsProblem, accept
from lab_helpers.twin.containers.processes import SimulatedProcess, program
from lab_helpers.twin.interfaces import ByteStream, Program, StreamHandler

__all__ = ["NGINX_VERSION", "control_plane", "http_echo", "json_mock", "nginx", "tls_server"]

NGINX_VERSION = "1.29.3"
_TYPES = {
    ".html": "text/html",
    ".txt": "text/plain",
    ".json": "application/json",
    ".css": "text/css",
    ".js": "application/javascript",
}

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _option(arguments: Sequence[str], name: str, default: str) -> str:
    """``-name=value``, ``--name value`` … of Go programs."""
    for index, word in enumerate(arguments):
        key, assigned, value = word.lstrip("-").partition("=")
        if word.startswith("-") and key == name:
            return value if assigned else arguments[index + 1] if index + 1 < len(arguments) else default
    return default


@program
async def nginx(process: SimulatedProcess) -> int:
    """Serve /usr/share/nginx/html on port 80, with an access log; other configuration is not read."""

    async def handle(request: Request) -> Response:
        path = posixpath.normpath("/usr/share/nginx/html/" + request.path.lstrip("/"))
        if request.path.endswith("/") or process.files.is_directory(path):
            path = posixpath.join(path, "index.html")
        status, body, kind = 200, b"", _TYPES.get(posixpath.splitext(path)[1], "application/octet-stream")
        try:
            body = process.files.read(path)
        except OSError:
            status = 404
        if request.method not in ("GET", "HEAD"):
            status = 405
        if status != 200:
            phrase = {404: "404 Not Found", 405: "405 Not Allowed"}[status]
            page = (
                f"<html>\r\n<head><title>{phrase}</title></head>\r\n<body>\r\n<center><h1>{phrase}</h1></center>\r\n"
                f"<hr><center>nginx/{NGINX_VERSION}</center>\r\n</body>\r\n</html>\r\n"
            )
            body, kind = page.encode(), "text/html"
        moment = process.clock.now()
        stamp = f"{moment:%d}/{_MONTHS[moment.month - 1]}/{moment:%Y:%H:%M:%S} +0000"
        agent = request.header("User-Agent") or "-"
        line = f"{request.method} {request.target} HTTP/{request.version}"
        await process.out(f'{request.peer[0]} - - [{stamp}] "{line}" {status} {len(body)} "-" "{agent}" "-"\n')
        return Response(status, [("Content-Type", kind)], body)

    process.network.listen(80, http_server(process.clock, handle, server=f"nginx/{NGINX_VERSION}"))
    process.ready()
    await asyncio.Event().wait()
    return 0


@program
async def http_echo(process: SimulatedProcess) -> int:
    """http-echo -text=TEXT [-listen=:5678] [-status-code=200]"""
    text = _option(process.argv[1:], "text", process.env.get("ECHO_TEXT", ""))
    listen = _option(process.argv[1:], "listen", ":5678")
    status = _option(process.argv[1:], "status-code", "200")
    if not text:
        await process.err("Missing -text option or ECHO_TEXT env var!\n")
        return 127
    port = listen.rpartition(":")[2]
    if not port.isdigit() or not status.isdigit():
        await process.err(f"[ERR] server: bad -listen or -status-code: {listen} {status}\n")
        return 1

    async def handle(request: Request) -> Response:
        stamp = f"{process.clock.now():%Y/%m/%d %H:%M:%S}"
        await process.out(
            f"{stamp} {request.header('Host')} {request.peer[0]}:{request.peer[1]} "
            f'"{request.method} {request.target} HTTP/{request.version}" {status} {len(text) + 1}\n'
        )
        return Response(
            int(status),
            [("X-App-Name", "http-echo"), ("X-App-Version", "1.0.0"), ("Content-Type", "text/plain; charset=utf-8")],
            text.encode() + b"\n",
        )

    process.network.listen(int(port), http_server(process.clock, handle))
    await process.out(f"{process.clock.now():%Y/%m/%d %H:%M:%S} [INFO] server is listening on {listen}\n")
    process.ready()
    await asyncio.Event().wait()
    return 0


@program
async def json_mock(process: SimulatedProcess) -> int:
    """The server of Cilium's connectivity tests: JSON on $PORT (8080), with /, /public and /private."""
    port = process.env.get("PORT", "8080")

    async def handle(request: Request) -> Response:
        pages: dict[str, object] = {
            "/": {"message": "json-mock"},
            "/public": [{"id": 1, "body": "public information"}],
            "/private": [{"id": 1, "body": "private information"}],
            "/client-ip": {"client-ip": request.peer[0]},
        }
        headers = [("X-Powered-By", "Express"), ("Content-Type", "application/json; charset=utf-8")]
        page = pages.get(request.path)
        await process.out(f"{request.method} {request.target} {200 if page is not None else 404}\n")
        return Response(
            200 if page is not None else 404, headers, json.dumps(page if page is not None else {}, indent=2).encode()
        )

    process.network.listen(int(port) if port.isdigit() else 8080, http_server(process.clock, handle))
    await process.out(f"  Home\n  http://localhost:{port}\n")
    process.ready()
    await asyncio.Event().wait()
    return 0


def tls_server(certificate: Certificate, plain: StreamHandler) -> StreamHandler:
    """HTTPS in the twin's model of TLS: the handshake, then ``plain``. What is not TLS is cut off."""

    async def serve(stream: ByteStream) -> None:
        try:
            tls, _ = await accept(stream, certificate)
        except TlsProblem:
            stream.abort()
            return
        await plain(tls)

    return serve


def control_plane(name: str, ports: Sequence[int]) -> Program:
    """A control-plane component: it does nothing, but listens where the real one does and answers /healthz, /livez,
    /readyz.

    The cluster's real API is served by the twin itself, outside the simulated network.
    """

    async def answer(request: Request) -> Response:
        if request.path in ("/healthz", "/livez", "/readyz", "/health"):
            return Response(200, [("Content-Type", "text/plain; charset=utf-8")], b"ok")
        message = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": "Unauthorized",
            "reason": "Unauthorized",
            "code": 401,
        }
        return Response(401, [("Content-Type", "application/json")], json.dumps(message, indent=2).encode() + b"\n")

    handler: Handler = answer

    @program
    async def component(process: SimulatedProcess) -> int:
        certificate = Certificate(
            name, (name, "kubernetes", "kubernetes.default", "kubernetes.default.svc", process.machine.node), ""
        )
        plain = http_server(process.clock, handler)
        for port in ports:
            secure = port != 2381  # etcd's metrics port
            process.network.listen(port, tls_server(certificate, plain) if secure else plain)
        stamp = process.clock.now()
        await process.err(
            f"I{stamp:%m%d %H:%M:%S}.000000       1 {name}] played by the embedded cluster; "
            f"serving on {', '.join(map(str, ports))}\n"
        )
        process.ready()
        await asyncio.Event().wait()
        return 0

    return component
