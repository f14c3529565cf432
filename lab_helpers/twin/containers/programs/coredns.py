"""CoreDNS: the plugins a cluster's Corefile uses.

``kubernetes`` answers from the registry, ``hosts`` from the Corefile, ``local`` for names of the machine itself,
``forward`` asks the outside resolver through the pod's own network, ``cache`` keeps those answers on the twin's clock.
``errors health ready prometheus loop reload loadbalance log`` are understood; another plugin is reported once on
standard output and otherwise left out. The Corefile is read again when it changes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lab_helpers.twin.containers.http.serving import serve
from lab_helpers.twin.dns.corefiles import COREFILE, CorefileError, Plugin, ServerBlock, parse_corefile
from lab_helpers.twin.dns.resolving import read_configuration
from lab_helpers.twin.dns.serving import question, reply
from lab_helpers.twin.dns.zones import ClusterZone, Record
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed, Process, Program
from lab_helpers.twin.objects.registry import Registry

if TYPE_CHECKING:
    from dns.message import Message

__all__ = ["coredns"]

KNOWN = frozenset(
    {
        "errors",
        "health",
        "ready",
        "kubernetes",
        "prometheus",
        "forward",
        "cache",
        "loop",
        "reload",
        "loadbalance",
        "hosts",
        "local",
        "log",
    }
)
CAPACITY = 9984
LEAST_TTL = 5
LOCAL_TTL = 604800
LOCAL_ZONES = ("localhost.", "0.in-addr.arpa.", "127.in-addr.arpa.", "255.in-addr.arpa.")
LOCAL_RECORDS = {
    ("localhost.", "A"): "127.0.0.1",
    ("localhost.", "AAAA"): "::1",
    ("1.0.0.127.in-addr.arpa.", "PTR"): "localhost.",
}
FORWARD_TIMEOUT = 2.0


def coredns(registry: Registry) -> Program:
    """The program, reading Services and EndpointSlices from ``registry``."""

    async def run(process: Process) -> int:
        try:
            server = _Server(process, registry)
        except CorefileError as error:
            await process.err(f"{error}\n")
            return 1
        return await server.run()

    return run


class _Cache:
    """Answers of upstream servers, each for its TTL (at most ``limit`` seconds)."""

    def __init__(self, process: Process, limit: int) -> None:
        self._clock = process.clock
        self._limit = limit
        self._entries: dict[tuple[str, str], tuple[float, float, Message]] = {}

    def get(self, name: str, kind: str) -> Message | None:
        """A copy with TTLs counted down, or None."""
        import copy

        found = self._entries.get((name.lower(), kind))
        now = self._clock.monotonic()
        if found is None or now >= found[1]:
            return None
        message = copy.deepcopy(found[2])
        for rrset in (*message.answer, *message.authority):
            rrset.ttl = max(int(found[1] - now), 0)
        return message

    def put(self, name: str, kind: str, message: Message) -> None:
        """Keep an answer (no failure of a server) for the shortest of its TTLs, 5 s at least, ``limit`` at most.

        All its records get this TTL, so that the first client sees no longer one than the next.
        """
        import dns.rcode

        if message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return
        everything = (*message.answer, *message.authority)
        ttl = min([self._limit, max(LEAST_TTL, min((rrset.ttl for rrset in everything), default=0))])
        for rrset in everything:
            rrset.ttl = ttl
        now = self._clock.monotonic()
        if len(self._entries) >= CAPACITY:
            del self._entries[next(iter(self._entries))]
        self._entries[name.lower(), kind] = (now, now + ttl, message)


class _Server:
    def __init__(self, process: Process, registry: Registry) -> None:
        self._process = process
        self._registry = registry
        self._text = ""
        self._blocks: list[ServerBlock] = []
        self._caches: dict[int, _Cache] = {}
        self._turn = 0
        self._load()

    async def run(self) -> int:
        process = self._process
        if not self._blocks:
            await process.err("CoreDNS: no server block in the Corefile\n")
            return 1
        for port in sorted({block.port for block in self._blocks}):
            process.network.bind(port, self._datagram)
            process.network.listen(port, self._stream)
        if self._has("health"):
            process.network.listen(8080, serve(process.clock, {"/health": b"OK"}))
        if self._has("ready"):
            process.network.listen(8181, serve(process.clock, {"/ready": b"OK"}))
        if self._has("prometheus"):
            process.network.listen(9153, serve(process.clock, {"/metrics": self._metrics}))
        for block in self._blocks:
            await process.out(f"{'.' if block.zones in ((), ('',)) else ' '.join(block.zones)}:{block.port}\n")
        await process.out(
            "[INFO] plugin/reload: Running configuration\nCoreDNS-1.12.1\nlinux/amd64, go1.24.1, 707c7c1\n"
        )
        unknown = sorted({plugin.name for block in self._blocks for plugin in block.plugins} - KNOWN)
        for name in unknown:
            await process.out(f"[WARNING] plugin/{name}: not played by the embedded cluster, ignored\n")
        process.ready()
        await asyncio.Event().wait()
        return 0

    def _has(self, name: str) -> bool:
        return any(block.plugin(name) for block in self._blocks)

    def _metrics(self) -> bytes:
        return f"# TYPE coredns_dns_requests_total counter\ncoredns_dns_requests_total {self._turn}\n".encode()

    def _load(self) -> None:
        """Read the Corefile; a broken new version leaves the old one in force, as plugin/reload does."""
        text = self._corefile()
        if text == self._text:
            return
        blocks = parse_corefile(text)
        self._text, self._blocks = text, blocks
        self._caches = {}
        for index, block in enumerate(blocks):
            plugin = block.plugin("cache")
            if plugin is not None:
                limit = int(plugin.arguments[0]) if plugin.arguments and plugin.arguments[0].isdigit() else 3600
                self._caches[index] = _Cache(self._process, limit)

    def _corefile(self) -> str:
        argv = list(self._process.argv)
        path = argv[argv.index("-conf") + 1] if "-conf" in argv[:-1] else "/etc/coredns/Corefile"
        try:
            return self._process.read_file(path).decode("utf-8", "replace")
        except OSError:
            return COREFILE

    async def _stream(self, stream: ByteStream) -> None:
        """DNS over TCP: each message after its length."""
        buffer = b""
        while chunk := await stream.read():
            buffer += chunk
            while len(buffer) >= 2 and len(buffer) >= 2 + int.from_bytes(buffer[:2], "big"):
                size = int.from_bytes(buffer[:2], "big")
                wire, buffer = buffer[2 : 2 + size], buffer[2 + size :]
                answer = await self._answer(wire, stream.remote, limit=65535)
                if answer is None:
                    return
                await stream.write(len(answer).to_bytes(2, "big") + answer)

    async def _datagram(self, payload: bytes, source: tuple[str, int]) -> bytes | None:
        return await self._answer(payload, source)

    async def _answer(self, wire: bytes, source: tuple[str, int], *, limit: int = 1232) -> bytes | None:
        import dns.exception
        import dns.message

        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        asked = question(query)
        if asked is None:
            return reply(query, "FORMERR", limit=limit)
        try:
            self._load()
        except CorefileError as error:
            await self._process.out(f"[ERROR] Restart failed: {error}\n")
        name, kind = asked
        self._turn += 1
        index = self._block_for(name)
        if index is None:
            return reply(query, "REFUSED", limit=limit)
        answer = await self._resolve(index, query, name, kind, limit)
        if self._blocks[index].plugin("log"):
            await self._process.out(
                f'[INFO] {source[0]}:{source[1]} - {query.id} "{kind} IN {name} udp {len(wire)} false {limit}"\n'
            )
        return answer

    def _block_for(self, name: str) -> int | None:
        best, length = None, -1
        for index, block in enumerate(self._blocks):
            for zone in block.zones:
                if (not zone or name.lower().rstrip(".") == zone or name.lower().endswith(f".{zone}.")) and len(
                    zone
                ) > length:
                    best, length = index, len(zone)
        return best

    async def _resolve(self, index: int, query: Message, name: str, kind: str, limit: int) -> bytes:
        block = self._blocks[index]
        if block.plugin("local") and (local := _local(name, kind)) is not None:
            return reply(query, local[0], local[1], authoritative=True, limit=limit)
        hosts = block.plugin("hosts")
        if hosts is not None and kind in ("A", "AAAA"):
            found = _hosts(hosts, name, kind)
            if found is not None:
                return reply(query, "NOERROR", found, authoritative=True, limit=limit)
        kubernetes = block.plugin("kubernetes")
        if kubernetes is not None:
            zone = self._zone(kubernetes)
            answer = zone.answer(name, kind)
            if answer is not None:
                records = list(answer.records)
                if records and records[0].kind == "CNAME" and kind != "CNAME":
                    records += await self._follow(index, records[0].value, kind)
                authority = () if records else (zone.soa(int(self._process.clock.now().timestamp())),)
                return reply(
                    query,
                    answer.code,
                    self._balanced(records),
                    authority=authority,
                    additional=answer.additional,
                    authoritative=True,
                    limit=limit,
                )
        message = await self._upstream(index, name, kind)
        if message is None:
            return reply(query, "SERVFAIL", limit=limit)
        message.id = query.id
        message.question = list(query.question)
        self._rotate(message)
        return message.to_wire(max_size=max(limit, 512), prefer_truncation=True, want_shuffle=False)

    def _balanced(self, records: list[Record]) -> list[Record]:
        """plugin/loadbalance: another address first each time."""
        if len(records) < 2 or records[0].kind not in ("A", "AAAA"):
            return records
        start = self._turn % len(records)
        return records[start:] + records[:start]

    def _rotate(self, message: Message) -> None:
        """The same for an answer from upstream."""
        for rrset in message.answer:
            items = list(rrset)
            start = self._turn % len(items) if items else 0
            rrset.items = dict.fromkeys(items[start:] + items[:start])

    def _zone(self, plugin: Plugin) -> ClusterZone:
        options = {line[0]: line[1:] for line in plugin.lines}
        domain = next((a for a in plugin.arguments if not a.endswith("arpa")), "cluster.local")
        ttl = options.get("ttl", ("5",))
        pods = options.get("pods", ("disabled",))
        return ClusterZone(
            self._registry,
            domain.rstrip("."),
            int(ttl[0]) if ttl and ttl[0].isdigit() else 5,
            pods=pods[0] if pods else "disabled",
        )

    async def _follow(self, index: int, target: str, kind: str) -> list[Record]:
        """The addresses of an ExternalName's target."""
        import dns.rdatatype

        for plugin in self._blocks[index].plugins:
            if plugin.name == "kubernetes":
                answer = self._zone(plugin).answer(target, kind)
                if answer is not None:
                    return list(answer.records)
        message = await self._upstream(index, target, kind)
        if message is None:
            return []
        return [
            Record(rrset.name.to_text(), dns.rdatatype.to_text(rrset.rdtype), item.to_text(), rrset.ttl)
            for rrset in message.answer
            for item in rrset
        ]

    async def _upstream(self, index: int, name: str, kind: str) -> Message | None:
        import dns.exception
        import dns.message

        block = self._blocks[index]
        forward = block.plugin("forward")
        if forward is None:
            return None
        cache = self._caches.get(index)
        if cache and (kept := cache.get(name, kind)):
            return kept
        for server, port in self._targets(forward):
            request = dns.message.make_query(name, kind)
            try:
                wire = await self._process.network.exchange(server, port, request.to_wire(), timeout=FORWARD_TIMEOUT)
                message = dns.message.from_wire(wire)
            except (ConnectionFailed, dns.exception.DNSException) as error:
                if block.plugin("errors"):
                    reason = "i/o timeout" if getattr(error, "errno", "") == "ETIMEDOUT" else str(error)
                    await self._process.out(
                        f"[ERROR] plugin/errors: 2 {name} {kind}: "
                        f"read udp {self._process.network.ip}:0->{server}:{port}: {reason}\n"
                    )
                continue
            if cache:
                cache.put(name, kind, message)
            return message
        return None

    def _targets(self, forward: Plugin) -> list[tuple[str, int]]:
        targets: list[tuple[str, int]] = []
        for target in forward.arguments[1:]:
            if target.startswith("/"):
                try:
                    text = self._process.read_file(target).decode("utf-8", "replace")
                except OSError:
                    continue
                targets += [(server, 53) for server in read_configuration(text).nameservers]
            else:
                host, _, port = target.removeprefix("dns://").partition(":")
                targets.append((host, int(port) if port.isdigit() else 53))
        return targets


def _local(name: str, kind: str) -> tuple[str, list[Record]] | None:
    """plugin/local: code and records for names of the machine itself, None for other names."""
    name = name.lower()
    if not any(name == zone or name.endswith(f".{zone}") for zone in LOCAL_ZONES):
        return None
    if name not in LOCAL_ZONES and all(name != known for known, _ in LOCAL_RECORDS):
        return "NXDOMAIN", []
    value = LOCAL_RECORDS.get((name, kind))
    return "NOERROR", [] if value is None else [Record(name, kind, value, LOCAL_TTL)]


def _hosts(plugin: Plugin, name: str, kind: str) -> list[Record] | None:
    """Records of plugin/hosts' inline entries; None to fall through."""
    wanted = name.rstrip(".").lower()
    addresses = [
        line[0] for line in plugin.lines if wanted in (word.lower() for word in line[1:]) and line[0][0].isdigit()
    ]
    ttl = next((int(line[1]) for line in plugin.lines if line[0] == "ttl" and line[1].isdigit()), 3600)
    found = [Record(name, kind, address, ttl) for address in addresses if (":" in address) == (kind == "AAAA")]
    return found if addresses else None
