"""The stub resolver: what ``getaddrinfo`` does in a container (resolv.conf(5), hosts(5)).

A and AAAA are asked at the same time; every candidate of the search list is tried in turn. NXDOMAIN, an empty answer
and REFUSED go on to the next candidate; a server that does not answer within 5 s is asked again (``attempts`` times in
all), then everything ends, because asking for other names would not be answered either. Times are on the twin's clock.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lab_helpers.twin.interfaces import ConnectionFailed, PodNetwork

if TYPE_CHECKING:
    from dns.message import Message

__all__ = ["Client", "Configuration", "ResolutionFailed", "Resolver", "is_address", "read_configuration"]


class Client(Protocol):
    """What the resolver needs of a process."""

    @property
    def network(self) -> PodNetwork:
        """Where to send questions."""

    def read_file(self, path: str) -> bytes:
        """/etc/resolv.conf and /etc/hosts."""


class ResolutionFailed(Exception):
    """No address. ``reason``: ``NXDOMAIN``, ``NODATA``, ``TRY_AGAIN`` (no server answered), ``REFUSED``,
    ``SERVFAIL``."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


class Configuration(NamedTuple):
    """A resolv.conf."""

    nameservers: tuple[str, ...]
    search: tuple[str, ...] = ()
    ndots: int = 1
    timeout: float = 5.0
    attempts: int = 2

    def candidates(self, name: str) -> list[str]:
        """Fully qualified names to try, in order."""
        if name.endswith("."):
            return [name]
        absolute = name + "."
        expanded = [f"{name}.{domain.rstrip('.')}." for domain in self.search]
        return [absolute, *expanded] if name.count(".") >= self.ndots else [*expanded, absolute]


def read_configuration(text: str) -> Configuration:
    """Parse resolv.conf; without a nameserver it is 127.0.0.1, as in every libc."""
    nameservers: list[str] = []
    search: tuple[str, ...] = ()
    numbers: dict[str, int] = {}
    for line in text.splitlines():
        words = line.split()
        if not words or words[0][0] in "#;":
            continue
        if words[0] == "nameserver" and len(words) > 1:
            nameservers.append(words[1])
        elif words[0] in ("search", "domain"):
            search = tuple(words[1:])
        elif words[0] == "options":
            for option in words[1:]:
                key, _, value = option.partition(":")
                if value.isdigit():
                    numbers[key] = int(value)
    return Configuration(
        tuple(nameservers[:3]) or ("127.0.0.1",),
        search,
        min(numbers.get("ndots", 1), 15),
        float(numbers.get("timeout", 5)),
        max(numbers.get("attempts", 2), 1),
    )


def is_address(text: str) -> bool:
    """An IPv4 or IPv6 address?"""
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


class Resolver:
    """Resolves names for one process."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def configuration(self) -> Configuration:
        """From the container's /etc/resolv.conf, read anew each time."""
        try:
            text = self._client.read_file("/etc/resolv.conf").decode("utf-8", "replace")
        except OSError:
            text = "".join(f"nameserver {server}\n" for server in self._client.network.nameservers)
        return read_configuration(text)

    def hosts(self, name: str) -> list[str]:
        """Addresses from /etc/hosts."""
        try:
            text = self._client.read_file("/etc/hosts").decode("utf-8", "replace")
        except OSError:
            return []
        wanted = name.rstrip(".").lower()
        found = []
        for line in text.splitlines():
            words = line.partition("#")[0].split()
            if len(words) > 1 and wanted in (word.lower() for word in words[1:]):
                found.append(words[0])
        return found

    async def addresses(self, name: str, families: Sequence[str] = ("A", "AAAA")) -> list[str]:
        """IPv4 addresses first, then IPv6 ones (no pod has a route for them). Raises ResolutionFailed."""
        bare = name.strip("[]")
        if is_address(bare):
            return [bare]
        local = [one for one in self.hosts(name) if (":" in one) == ("AAAA" in families and "A" not in families)]
        if local:
            return local
        reason = "NXDOMAIN"
        for candidate in self.configuration.candidates(name):
            found, why = await self._candidate(candidate, families)
            if found:
                return found
            if why == "TRY_AGAIN":
                raise ResolutionFailed(name, why)
            reason = why if why != "NXDOMAIN" else reason
        raise ResolutionFailed(name, reason)

    async def _candidate(self, name: str, families: Sequence[str]) -> tuple[list[str], str]:
        import dns.rcode
        import dns.rdatatype

        answers = await asyncio.gather(*(self.query(name, family) for family in families), return_exceptions=True)
        found: list[str] = []
        reasons = []
        for family, answer in zip(families, answers, strict=True):
            if isinstance(answer, ConnectionFailed):
                reasons.append("TRY_AGAIN")
                continue
            if isinstance(answer, BaseException):
                raise answer
            wanted = dns.rdatatype.from_text(family)
            found += [item.to_text() for rrset in answer.answer if rrset.rdtype == wanted for item in rrset]
            rcode = dns.rcode.to_text(answer.rcode())
            reasons.append("NODATA" if rcode == "NOERROR" else rcode)
        return found, "TRY_AGAIN" if "TRY_AGAIN" in reasons and not found else reasons[0]

    async def query(
        self,
        name: str,
        kind: str,
        *,
        servers: Sequence[str] = (),
        timeout: float | None = None,
        attempts: int | None = None,
    ) -> Message:
        """Ask for one name and type; the first answer of any server. Raises ConnectionFailed when there is none."""
        configuration = self.configuration
        chosen = tuple(servers) or configuration.nameservers
        failure = ConnectionFailed("ETIMEDOUT", "no name server")
        for _ in range(attempts or configuration.attempts):
            for server in chosen:
                try:
                    return await self.ask(server, name, kind, timeout=timeout or configuration.timeout)
                except ConnectionFailed as error:
                    failure = error
        raise failure

    async def ask(
        self,
        server: str,
        name: str,
        kind: str,
        *,
        port: int = 53,
        timeout: float = 5.0,
        recursion: bool = True,
    ) -> Message:
        """One query to one server. Raises ConnectionFailed."""
        import dns.exception
        import dns.flags
        import dns.message

        message = dns.message.make_query(name, kind)
        if not recursion:
            message.flags &= ~dns.flags.RD
        wire = await self._client.network.exchange(server, port, message.to_wire(), timeout=timeout)
        try:
            answer = dns.message.from_wire(wire)
        except dns.exception.DNSException as error:
            raise ConnectionFailed("EBADMSG", f"not a DNS message: {error}") from error
        if answer.id != message.id:
            raise ConnectionFailed("ETIMEDOUT", "the answer belongs to another question")
        return answer
