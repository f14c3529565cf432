"""How curl gets a connection: addresses, TCP, TLS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from lab_helpers.twin.containers.http.tls import TlsProblem
from lab_helpers.twin.containers.http.tls import connect as connect_tls
from lab_helpers.twin.containers.processes import SimulatedProcess
from lab_helpers.twin.containers.programs.curl.options import Options
from lab_helpers.twin.containers.programs.curl.transfers import CurlFailure, Transfer
from lab_helpers.twin.containers.programs.curl.urls import Url
from lab_helpers.twin.dns.resolving import ResolutionFailed, Resolver
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed

__all__ = ["SYSTEM", "Connector"]

SYSTEM = {
    "ECONNREFUSED": "Connection refused",
    "ETIMEDOUT": "Connection timed out",
    "EHOSTUNREACH": "Host is unreachable",
    "ENETUNREACH": "Network unreachable",
    "ECONNRESET": "Connection reset by peer",
    "EPERM": "Operation not permitted",
}
_MORE = (
    "More details here: https://curl.se/docs/sslcerts.html\n\n"
    "curl failed to verify the legitimacy of the server and therefore could not\n"
    "establish a secure connection to it. To learn more about this situation and\n"
    "how to fix it, please visit the webpage mentioned above."
)


class Connector:
    """``note`` writes a line of ``-v``; ``elapsed`` is the transfer's age in seconds."""

    def __init__(
        self,
        process: SimulatedProcess,
        options: Options,
        note: Callable[[str], Awaitable[None]],
        elapsed: Callable[[], float],
    ) -> None:
        self._process = process
        self._options = options
        self._note = note
        self._elapsed = elapsed

    def redirected(self, url: Url) -> tuple[str, int]:
        """Host and port after --connect-to."""
        for rule in self._options.connect_to:
            parts = rule.split(":")
            if len(parts) == 4 and parts[0] in ("", url.host) and parts[1] in ("", str(url.port)):
                return parts[2] or url.host, int(parts[3] or url.port)
        return url.host, url.port

    def forced(self, host: str, port: int) -> list[str]:
        """Addresses given by --resolve."""
        for rule in self._options.resolve:
            name, _, rest = rule.lstrip("+").partition(":")
            number, _, addresses = rest.partition(":")
            if name.lower() in (host.lower(), "*") and number == str(port):
                return [address.strip("[]") for address in addresses.split(",")]
        return []

    async def lookup(self, host: str) -> list[str]:
        """The host's addresses. Raises CurlFailure(6)."""
        families = ("A",) if self._options.on("ipv4") else ("AAAA",) if self._options.on("ipv6") else ("A", "AAAA")
        try:
            return await Resolver(self._process).addresses(host, families)
        except ResolutionFailed:
            raise CurlFailure(6, f"Could not resolve host: {host}") from None

    async def tcp(self, host: str, port: int, addresses: Sequence[str]) -> ByteStream:
        """A connection to the first address that answers. Raises CurlFailure(7 | 28); ``elapsed`` tells the seconds."""
        failure: ConnectionFailed | None = None
        for address in addresses:
            await self._note(f"  Trying {f'[{address}]' if ':' in address else address}:{port}...")
            try:
                return await self._process.network.connect(address, port)
            except ConnectionFailed as error:
                reason = SYSTEM.get(error.errno, "Connection failed")
                await self._note(
                    f"connect to {address} port {port} from {self._process.network.ip} port 0 failed: {reason}"
                )
                failure = error if failure is None or ":" not in address else failure
        milliseconds = int(self._elapsed() * 1000)
        code = 28 if failure is not None and failure.errno == "ETIMEDOUT" else 7
        raise CurlFailure(
            code, f"Failed to connect to {host} port {port} after {milliseconds} ms: Could not connect to server"
        )

    async def tls(self, stream: ByteStream, url: Url, transfer: Transfer) -> ByteStream:
        """The handshake. Raises CurlFailure(35 | 60)."""
        await self._note("TLSv1.3 (OUT), TLS handshake, Client hello (1):")
        try:
            tls, certificate = await connect_tls(stream, url.host)
        except TlsProblem as problem:
            stream.abort()
            raise CurlFailure(35, f"TLS connect error: error:0A00010B:SSL routines::{problem}") from None
        except ConnectionFailed as error:
            raise CurlFailure(35, f"Recv failure: {SYSTEM.get(error.errno, 'Connection reset by peer')}") from None
        transfer.time_appconnect = self._elapsed()
        if not self._options.on("insecure"):
            if not certificate.issuer:
                await tls.close()
                raise CurlFailure(60, "SSL certificate problem: self-signed certificate\n" + _MORE)
            if not certificate.covers(url.host):
                await tls.close()
                text = f"SSL: no alternative certificate subject name matches target host name '{url.host}'\n"
                raise CurlFailure(60, text + _MORE)
        await self._note("SSL connection using TLSv1.3 / TLS_AES_256_GCM_SHA384 / x25519 / id-ecPublicKey")
        await self._note(
            f"Server certificate:\n*  subject: CN={certificate.subject}\n"
            f"*  issuer: {certificate.issuer or certificate.subject}"
        )
        await self._note(f"Connected to {url.host} ({stream.remote[0]}) port {stream.remote[1]}")
        await self._note("using HTTP/1.x")
        return tls
