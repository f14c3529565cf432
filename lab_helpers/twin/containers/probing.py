"""The kubelet's probes (pkg/probe): exec, httpGet, tcpSocket, grpc. Messages are the ones events show."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from lab_helpers.twin.clock import Clock
from lab_helpers.twin.containers.errors import Deadline
from lab_helpers.twin.containers.executing import execute
from lab_helpers.twin.containers.http.requesting import HttpConnection, HttpProblem
from lab_helpers.twin.containers.http.tls import TlsProblem
from lab_helpers.twin.containers.http.tls import connect as connect_tls
from lab_helpers.twin.containers.machines import Machine
from lab_helpers.twin.containers.timing import within
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed, PodNetwork

__all__ = ["probe"]

_REASONS = {
    "ECONNREFUSED": "connect: connection refused",
    "ETIMEDOUT": "i/o timeout",
    "EHOSTUNREACH": "connect: no route to host",
    "ENETUNREACH": "connect: network is unreachable",
    "ECONNRESET": "read: connection reset by peer",
}


async def probe(
    machine: Machine | None,
    ip: str,
    container: Mapping[str, Any],
    spec: Mapping[str, Any],
    network: PodNetwork,
    clock: Clock,
) -> tuple[bool, str]:
    """(success, message). ``timeoutSeconds`` (default 1) is on the twin's clock."""
    seconds = float(spec.get("timeoutSeconds") or 1)
    if "exec" in spec:
        return await _exec(machine, list(spec["exec"].get("command") or []), seconds, clock)
    if "httpGet" in spec:
        return await _http(ip, container, spec["httpGet"], network, seconds, clock)
    if "tcpSocket" in spec or "grpc" in spec:
        # a gRPC server that listens counts as SERVING: HTTP/2 is not spoken inside the twin
        target = spec.get("tcpSocket") or spec["grpc"]
        host, port = target.get("host") or ip, _port(container, target["port"])
        try:
            stream = await network.connect(host, port, timeout=seconds)
        except ConnectionFailed as error:
            return False, f"dial tcp {host}:{port}: {_REASONS.get(error.errno, str(error))}"
        if "grpc" in spec:
            await _hear_out(stream, seconds, clock)
        await stream.close()
        return True, ""
    return True, ""


async def _hear_out(stream: ByteStream, seconds: float, clock: Clock) -> None:
    """Say that nothing more comes, and let the server finish: both sides close the connection."""
    with contextlib.suppress(Deadline, ConnectionFailed):
        async with within(clock, seconds):
            await stream.write_eof()
            while await stream.read():
                pass


async def _exec(machine: Machine | None, command: list[str], seconds: float, clock: Clock) -> tuple[bool, str]:
    if machine is None:
        return False, "container is not running"
    collected = bytearray()

    async def collect(data: bytes) -> None:
        collected.extend(data[: 10 * 1024 - len(collected)])

    try:
        async with within(clock, seconds):
            result = await execute(machine, command, stdin=None, tty=False, stdout=collect, stderr=collect)
    except Deadline:
        return False, f'command timed out: "{" ".join(command)}" timed out after {seconds:g}s'
    text = collected.decode("utf-8", "replace")
    return result.exit_code == 0, text or result.message


async def _http(
    ip: str, container: Mapping[str, Any], spec: Mapping[str, Any], network: PodNetwork, seconds: float, clock: Clock
) -> tuple[bool, str]:
    host, port = spec.get("host") or ip, _port(container, spec["port"])
    scheme = str(spec.get("scheme") or "HTTP").lower()
    path = "/" + str(spec.get("path") or "/").lstrip("/")
    url = f"{scheme}://{host}:{port}{path}"
    given = [(header["name"], header["value"]) for header in spec.get("httpHeaders") or []]
    names = {name.lower() for name, _ in given}
    headers = [
        (name, value)
        for name, value in (
            ("Host", f"{host}:{port}"),
            ("User-Agent", "kube-probe/1.34"),
            ("Accept", "*/*"),
            ("Connection", "close"),
        )
        if name.lower() not in names
    ] + given
    try:
        async with within(clock, seconds):
            stream: ByteStream = await network.connect(host, port, timeout=seconds)
            if scheme == "https":
                stream, _ = await connect_tls(stream, "")
            connection = HttpConnection(stream)
            await connection.send("GET", path, headers)
            head = await connection.head()
            body = b"".join([chunk async for chunk in connection.body()])
            await stream.close()
    except Deadline:
        return False, f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    except ConnectionFailed as error:
        if error.errno == "ETIMEDOUT":
            return False, f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
        return False, f'Get "{url}": dial tcp {host}:{port}: {_REASONS.get(error.errno, str(error))}'
    except HttpProblem:
        return False, f'Get "{url}": EOF'
    except TlsProblem:
        return False, f'Get "{url}": http: server gave HTTP response to HTTPS client'
    if 200 <= head.status < 400:
        return True, body.decode("utf-8", "replace")
    return False, f"HTTP probe failed with statuscode: {head.status}"


def _port(container: Mapping[str, Any], port: object) -> int:
    """A number, or the name of one of the container's ports. Raises LookupError."""
    if isinstance(port, int) or str(port).isdigit():
        return int(str(port))
    for one in container.get("ports") or []:
        if one.get("name") == port:
            return int(one["containerPort"])
    raise LookupError(f"container {container['name']!r} has no port named {port!r}")
