"""``dig`` of BIND 9.20: the full layout, +short, sections on and off, search, several queries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lab_helpers.twin.containers.processes import SimulatedProcess, program
from lab_helpers.twin.containers.programs.lookups import no_answer, reverse_name
from lab_helpers.twin.dns.resolving import ResolutionFailed, Resolver, is_address
from lab_helpers.twin.interfaces import ConnectionFailed

if TYPE_CHECKING:
    from dns.message import Message

__all__ = ["dig"]

VERSION = "9.20.13"
TYPES = frozenset({"A", "AAAA", "ANY", "CAA", "CNAME", "HTTPS", "MX", "NS", "PTR", "SOA", "SRV", "SVCB", "TXT"})

_FLAGS = {
    "short": False,
    "search": False,
    "cmd": True,
    "comments": True,
    "question": True,
    "answer": True,
    "authority": True,
    "additional": True,
    "stats": True,
    "recurse": True,
    "tcp": False,
}


@dataclass(slots=True)
class _Query:
    name: str = ""
    kind: str = "A"
    server: str = ""
    port: int = 53
    timeout: float = 5.0
    tries: int = 3
    flags: dict[str, bool] = field(default_factory=lambda: dict(_FLAGS))


@program
async def dig(process: SimulatedProcess) -> int:
    """dig [@server] [-p port] [-x address] name [type] [+options]"""
    queries = _parse(process)
    if isinstance(queries, str):
        await process.err(queries)
        return 1
    status = 0
    for query in queries:
        status = max(status, await _run(process, query))
    return status


def _parse(process: SimulatedProcess) -> list[_Query] | str:
    query = _Query()
    names: list[tuple[str, str]] = []
    arguments = list(process.argv[1:])
    while arguments:
        word = arguments.pop(0)
        if word.startswith("@"):
            query.server = word[1:]
        elif word == "-x" and arguments:
            address = arguments.pop(0)
            if not is_address(address):
                return f"Invalid IP address {address}\n"
            names.append((reverse_name(address), "PTR"))
        elif word in ("-p", "-t", "-q", "-c", "-b", "-k") and arguments:
            value = arguments.pop(0)
            if word == "-p" and value.isdigit():
                query.port = int(value)
            elif word == "-t":
                _type(query, names, value.upper())
            elif word == "-q":
                names.append((value, ""))
        elif word in ("-4", "-u", "-m", "-r"):
            continue
        elif word.startswith("+"):
            problem = _option(query, word[1:])
            if problem:
                return problem
        elif word.startswith("-"):
            return f"Invalid option: {word}\nUsage:  dig [@global-server] [domain] [q-type] [q-class] {{q-opt}}\n"
        elif (word.upper() in TYPES and word.upper() != "ANY") or word == "ANY":
            _type(query, names, word.upper())
        elif word.upper() != "IN":
            names.append((word, ""))
    result = []
    for name, kind in names or [(".", "NS")]:
        one = _Query(name, kind or query.kind, query.server, query.port, query.timeout, query.tries, dict(query.flags))
        result.append(one)
    return result


def _type(query: _Query, names: list[tuple[str, str]], kind: str) -> None:
    if names and not names[-1][1]:
        names[-1] = (names[-1][0], kind)
    else:
        query.kind = kind


def _option(query: _Query, option: str) -> str:
    name, _, value = option.partition("=")
    wanted = not name.startswith("no")
    plain = name if wanted else name[2:]
    aliases = {"tri": "tries", "time": "timeout", "rec": "recurse", "vc": "tcp"}
    plain = aliases.get(plain, plain)
    if plain == "all":
        for key in ("comments", "question", "answer", "authority", "additional", "stats", "cmd"):
            query.flags[key] = wanted
    elif plain in query.flags:
        query.flags[plain] = wanted
    elif plain in ("timeout", "tries", "retry", "ndots"):
        if not value.isdigit():
            return f"Invalid option: +{option}\n"
        if plain == "timeout":
            query.timeout = float(max(int(value), 1))
        elif plain != "ndots":
            query.tries = int(value) + (plain == "retry")
    elif plain not in (
        "edns",
        "dnssec",
        "cookie",
        "qr",
        "multiline",
        "ttlid",
        "class",
        "adflag",
        "bufsize",
        "trace",
        "identify",
        "rrcomments",
    ):
        return f"Invalid option: +{option}\n"
    elif plain == "trace" and wanted:
        return "dig: +trace is not simulated in the embedded cluster\n"
    return ""


async def _run(process: SimulatedProcess, query: _Query) -> int:
    resolver = Resolver(process)
    server = query.server or resolver.configuration.nameservers[0]
    if not is_address(server):
        try:
            server = (await resolver.addresses(server, ("A",)))[0]
        except ResolutionFailed:
            await process.out(f"dig: couldn't get address for '{query.server}': not found\n")
            return 10
    names = resolver.configuration.candidates(query.name) if query.flags["search"] else [query.name.rstrip(".") + "."]
    greeting = _greeting(process, query)
    for name in names:
        began = process.clock.monotonic()
        answer = await _ask(process, resolver, query, server, name)
        if answer is None:
            await process.out(f"{greeting};; no servers could be reached\n")
            return 9
        import dns.rcode

        if answer.rcode() == dns.rcode.NOERROR or name == names[-1]:
            milliseconds = int((process.clock.monotonic() - began) * 1000)
            await process.out(greeting)
            await _show(process, query, answer, server, milliseconds)
            return 0
    return 0


def _greeting(process: SimulatedProcess, query: _Query) -> str:
    """The head of the output: it comes when there is an answer or none can come, after what went wrong until then."""
    if query.flags["short"] or not query.flags["cmd"]:
        return ""
    servers = "; (1 server found)\n" if query.server else ""
    return f"\n; <<>> DiG {VERSION} <<>> {' '.join(process.argv[1:])}\n{servers};; global options: +cmd\n"


async def _ask(process: SimulatedProcess, resolver: Resolver, query: _Query, server: str, name: str) -> Message | None:
    for _ in range(query.tries):
        try:
            return await resolver.ask(
                server, name, query.kind, port=query.port, timeout=query.timeout, recursion=query.flags["recurse"]
            )
        except ConnectionFailed as error:
            await process.out(no_answer(server, query.port, error))
    return None


async def _show(process: SimulatedProcess, query: _Query, answer: Message, server: str, milliseconds: int) -> None:
    import dns.flags
    import dns.rcode
    import dns.rdatatype

    if query.flags["short"]:
        await process.out("".join(f"{item.to_text()}\n" for rrset in answer.answer for item in rrset))
        return
    show = query.flags
    lines: list[str] = []
    sections = [
        ("ANSWER", "answer", answer.answer),
        ("AUTHORITY", "authority", answer.authority),
        ("ADDITIONAL", "additional", answer.additional),
    ]
    if show["comments"]:
        flags = dns.flags.to_text(answer.flags).lower()
        counts = {title: sum(len(rrset) for rrset in section) for title, _, section in sections}
        numbers = ", ".join(f"{title}: {count}" for title, count in counts.items())
        lines += [
            ";; Got answer:",
            f";; ->>HEADER<<- opcode: QUERY, status: {dns.rcode.to_text(answer.rcode())}, id: {answer.id}",
            f";; flags: {flags}; QUERY: {len(answer.question)}, {numbers}",
        ]
        if "rd" in flags.split() and "ra" not in flags.split():
            lines.append(";; WARNING: recursion requested but not available")
        lines.append("")
    if show["question"]:
        lines += [";; QUESTION SECTION:"] if show["comments"] else []
        for asked in answer.question:
            lines.append(_columns(";" + asked.name.to_text(), 32) + f"IN\t{dns.rdatatype.to_text(asked.rdtype)}")
        lines.append("")
    for title, key, section in sections:
        if not section or not show[key]:
            continue
        lines += [f";; {title} SECTION:"] if show["comments"] else []
        for rrset in section:
            for item in rrset:
                owner = _columns(rrset.name.to_text(), 24)
                lines.append(f"{owner}{rrset.ttl}\tIN\t{dns.rdatatype.to_text(rrset.rdtype)}\t{item.to_text()}")
        if show["comments"] or show["stats"]:
            lines.append("")
    if show["stats"]:
        moment = process.clock.now()
        lines += [
            f";; Query time: {milliseconds} msec",
            f";; SERVER: {server}#{query.port}({server}) (UDP)",
            f";; WHEN: {moment:%a %b %d %H:%M:%S} UTC {moment.year}",
            f";; MSG SIZE  rcvd: {len(answer.to_wire())}",
            "",
        ]
    await process.out("".join(line + "\n" for line in lines))


def _columns(text: str, width: int) -> str:
    """Padded with tabs to a column, at least one, as dig aligns owners."""
    return text + "\t" * max(1, -(-(width - len(text)) // 8))
