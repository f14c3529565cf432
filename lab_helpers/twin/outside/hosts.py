"""Hosts outside the cluster: resolvers on UDP 53, and HTTP(S) servers at the addresses of the names.

Construct, then ``start()`` inside the event loop once the networks exist; ``apply(internet)`` changes what is there. A
learner's names come from the ConfigMap ``kube-system/outside-names`` (each value of it in the form of ``names``), as
soon as it changes.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable

from lab_helpers.twin.clock import Clock
from lab_helpers.twin.containers.http.messages import Request, Response
from lab_helpers.twin.containers.http.serving import http_server
from lab_helpers.twin.containers.http.tls import Certificate, TlsProblem, accept
from lab_helpers.twin.dns.serving import question, reply
from lab_helpers.twin.dns.zones import Record
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed, Networks, StreamHandler
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Change
from lab_helpers.twin.outside.names import (
    CONFIG_MAP,
    Internet,
    OutsideError,
    Page,
    Server,
    load_internet,
    parse_internet,
)

__all__ = ["Outside"]

STREAM_LIMIT = 24 * 3600

log = logging.getLogger(__name__)


class Outside:
    """The outside, served."""

    def __init__(
        self, clock: Clock, networks: Networks, *, registry: Registry | None = None, internet: Internet | None = None
    ) -> None:
        self._clock = clock
        self._networks = networks
        self._registry = registry
        self._base = internet or load_internet()
        self._internet = self._base
        self._closers: dict[tuple[str, int], Callable[[], None]] = {}
        self._turns: dict[str, int] = {}
        self._started = False
        self.problem = ""

    @property
    def internet(self) -> Internet:
        """What is there now."""
        return self._internet

    def start(self) -> None:
        """Serve; from now on the ConfigMap is followed."""
        self._started = True
        if self._registry is not None:
            self._registry.listen(self._changed)
            self._read_config()
        self._listen()

    def stop(self) -> None:
        """Stop serving."""
        self._started = False
        for close in self._closers.values():
            close()
        self._closers.clear()

    def apply(self, internet: Internet) -> None:
        """Add ``internet`` to the course's outside, in place of what was added before."""
        self._internet = self._base.merged(internet)
        if self._started:
            self._listen()

    def _changed(self, change: Change) -> None:
        if (
            self._started
            and change.key.resource == "configmaps"
            and (change.key.namespace, change.key.name) == CONFIG_MAP
        ):
            self._read_config()

    def _read_config(self) -> None:
        """A broken addition is left out as a whole; ``problem`` says why."""
        assert self._registry is not None
        found = self._registry.find("configmaps", CONFIG_MAP[1], CONFIG_MAP[0])
        added = Internet()
        self.problem = ""
        try:
            for text in ((found or {}).get("data") or {}).values():
                added = added.merged(parse_internet(text))
        except OutsideError as error:
            self.problem = f"ConfigMap {'/'.join(CONFIG_MAP)}: {error}"
            log.warning("%s", self.problem)
            return
        self.apply(added)

    def _listen(self) -> None:
        wanted: dict[tuple[str, int], str] = {}
        for resolver in self._internet.resolvers:
            wanted[resolver, 53] = resolver
        for name in self._internet.names.values():
            for address in name.a:
                wanted[address, 80] = wanted[address, 443] = address
        for key in [key for key in self._closers if key not in wanted]:
            self._closers.pop(key)()
        for address, port in wanted:
            if (address, port) in self._closers:
                continue
            network = self._networks.outside(address)
            if port == 53:
                self._closers[address, port] = network.bind(53, self._resolve)
            else:
                self._closers[address, port] = network.listen(
                    port, self._secure(address) if port == 443 else self._plain(address, "http")
                )

    # --- names ---

    async def _resolve(self, payload: bytes, _source: tuple[str, int]) -> bytes | None:
        import dns.exception
        import dns.message

        try:
            query = dns.message.from_wire(payload)
        except dns.exception.DNSException:
            return None
        asked = question(query)
        if asked is None:
            return reply(query, "FORMERR")
        name, kind = asked
        code, records = self.lookup(name, kind)
        zone = ".".join(name.rstrip(".").split(".")[-2:]) + "."
        soa = Record(zone, "SOA", f"ns1.{zone} hostmaster.{zone} 1 7200 3600 1209600 300", 300)
        return reply(query, code, records, authority=() if records else (soa,))

    def lookup(self, name: str, kind: str) -> tuple[str, list[Record]]:
        """(code, records) of a question, CNAMEs followed. Names that have children but no records are empty, others do
        not exist."""
        records: list[Record] = []
        current = name.rstrip(".").lower()
        if current.endswith(".in-addr.arpa"):
            return self._reverse(name, current, kind)
        owner = name
        for _ in range(8):
            found = self._internet.names.get(current)
            if found is None:
                parent = any(known.endswith("." + current) for known in self._internet.names)
                return ("NOERROR" if records or parent else "NXDOMAIN"), records
            if found.cname:
                records.append(Record(owner, "CNAME", found.cname + ".", found.ttl))
                if kind == "CNAME":
                    return "NOERROR", records
                current, owner = found.cname, found.cname + "."
                continue
            values = found.a if kind == "A" else found.aaaa if kind == "AAAA" else ()
            records += [Record(owner, kind, value, found.ttl) for value in self._chosen(current, values, found.rotate)]
            return "NOERROR", records
        return "SERVFAIL", []

    def _chosen(self, name: str, addresses: tuple[str, ...], rotate: int) -> tuple[str, ...]:
        if not addresses:
            return ()
        turn = self._turns.get(name, 0)
        self._turns[name] = turn + 1
        size = rotate or len(addresses)
        start = turn * (rotate or 1) % len(addresses)
        return tuple(addresses[(start + index) % len(addresses)] for index in range(min(size, len(addresses))))

    def _reverse(self, name: str, lower: str, kind: str) -> tuple[str, list[Record]]:
        address = ".".join(reversed(lower.removesuffix(".in-addr.arpa").split(".")))
        names = self._internet.names_at(address)
        if not names:
            return "NXDOMAIN", []
        return "NOERROR", [Record(name, "PTR", names[0] + ".", 300)] if kind == "PTR" else []

    # --- servers ---

    def _server(self, address: str, host: str) -> tuple[str, Server]:
        """The server for a Host or SNI name at an address; another name there gets the first one's."""
        names = self._internet.names_at(address)
        bare = host.partition(":")[0].lower()
        chosen = bare if bare in names else self._alias(bare, names) or (names[0] if names else address)
        entry = self._internet.names.get(chosen)
        server = self._internet.servers.get(entry.server if entry else "page") or Server(
            pages={"*": Page(body="{host}\n")}
        )
        return (bare if self._alias(bare, names) else chosen), server

    def _alias(self, name: str, targets: list[str]) -> str:
        """The target a CNAME leads to, if it is one of ``targets``."""
        seen = 0
        current = name
        while (found := self._internet.names.get(current)) is not None and found.cname and seen < 8:
            current, seen = found.cname, seen + 1
        return current if seen and current in targets else ""

    def _plain(self, address: str, scheme: str) -> StreamHandler:
        async def handle(request: Request) -> Response:
            return self._page(address, scheme, request)

        return http_server(self._clock, handle)

    def _secure(self, address: str) -> StreamHandler:
        plain = self._plain(address, "https")

        async def serve(stream: ByteStream) -> None:
            names = self._internet.names_at(address)
            aliases = [name for name in self._internet.names if self._alias(name, names)]
            _, server = self._server(address, names[0] if names else address)
            valid = server.names or (*names, *aliases)
            try:
                tls, _ = await accept(stream, Certificate(valid[0] if valid else address, valid, server.issuer))
            except (TlsProblem, ConnectionFailed):
                stream.abort()
                return
            await plain(tls)

        return serve

    def _page(self, address: str, scheme: str, request: Request) -> Response:
        host = request.header("Host") or address
        name, server = self._server(address, host)
        headers = [("Server", server.banner)] if server.banner else []
        if scheme == "http" and server.redirect:
            return Response(301, [*headers, ("Location", f"https://{name}{request.target}")])
        path, _, query = request.target.partition("?")
        if path == "/stream":
            return Response(200, [*headers, ("Content-Type", "text/plain")], self._stream(address, query))
        page = server.pages.get(path) or server.pages.get("*") or Page(404, "text/plain", "not found\n")
        body = page.body
        for key, value in (
            ("{host}", name),
            ("{path}", request.target),
            ("{ip}", address),
            ("{method}", request.method),
        ):
            body = body.replace(key, value)
        return Response(page.status, [*headers, ("Content-Type", page.type)], body.encode("utf-8"))

    async def _stream(self, address: str, query: str) -> AsyncIterator[bytes]:
        """``/stream?seconds=N`` (60): one line a second, a download that takes its time."""
        text = query.removeprefix("seconds=")
        seconds = min(int(text), STREAM_LIMIT) if text.isdigit() else 60
        for second in range(seconds):
            yield f"second {second} from {address}\n".encode()
            await self._clock.sleep(1.0)
