"""Asking for names: nslookup (of bind-tools and of BusyBox), host, getent."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab_helpers.twin.containers.processes import SimulatedProcess, program
from lab_helpers.twin.dns.resolving import ResolutionFailed, Resolver, is_address
from lab_helpers.twin.interfaces import ConnectionFailed

if TYPE_CHECKING:
    from dns.message import Message

__all__ = ["busybox_nslookup", "getent", "host", "no_answer", "nslookup", "reverse_name"]


def reverse_name(address: str) -> str:
    """``4.3.2.1.in-addr.arpa.`` of 1.2.3.4."""
    return ipaddress.ip_address(address).reverse_pointer + "."


def _rcode(message: Message) -> str:
    import dns.rcode

    return dns.rcode.to_text(message.rcode())


def _records(message: Message, kind: str) -> list[tuple[str, str]]:
    """(owner, value) of the answer's records of a type."""
    import dns.rdatatype

    wanted = dns.rdatatype.from_text(kind)
    return [
        (rrset.name.to_text(), item.to_text()) for rrset in message.answer if rrset.rdtype == wanted for item in rrset
    ]


def no_answer(server: str, port: int, error: ConnectionFailed) -> str:
    """bind-tools' line about a server that did not answer (bin/dig/dighost.c)."""
    reason = {"ETIMEDOUT": "timed out", "ECONNREFUSED": "connection refused"}.get(error.errno, "host unreachable")
    return f";; communications error to {server}#{port}: {reason}\n"


async def _ask(
    process: SimulatedProcess, resolver: Resolver, server: str, name: str, kind: str, *, port: int = 53, tries: int = 3
) -> Message | None:
    """bind-tools' way: three tries of 5 s each, with a line for each that failed; None when there was no answer."""
    for _ in range(tries):
        try:
            return await resolver.ask(server, name, kind, port=port, timeout=5.0)
        except ConnectionFailed as error:
            await process.out(no_answer(server, port, error))
    await process.out(";; no servers could be reached\n\n")
    return None


async def _server_address(process: SimulatedProcess, resolver: Resolver, server: str) -> str | None:
    if is_address(server):
        return server
    try:
        return (await resolver.addresses(server, ("A",)))[0]
    except ResolutionFailed:
        await process.out(f"nslookup: couldn't get address for '{server}': not found\n")
        return None


@program
async def nslookup(process: SimulatedProcess) -> int:
    """nslookup [-type=T] [-port=N] NAME [SERVER], as bind-tools has it."""
    kinds, port, rest, debug = ["A", "AAAA"], 53, [], False
    for word in process.argv[1:]:
        if word.startswith(("-type=", "-query=", "-q=", "-querytype=", "-ty=")):
            kinds = [word.partition("=")[2].upper()]
        elif word.startswith("-port="):
            port = int(word.partition("=")[2]) if word.partition("=")[2].isdigit() else 53
        elif word.startswith("-"):
            debug = debug or word == "-debug"
        else:
            rest.append(word)
    if not rest:
        await process.err("nslookup: interactive mode is not simulated; use nslookup NAME [SERVER]\n")
        return 1
    resolver = Resolver(process)
    server = resolver.configuration.nameservers[0]
    if len(rest) > 1:
        found = await _server_address(process, resolver, rest[1])
        if found is None:
            return 1
        server = found
    header = f"Server:\t\t{rest[1] if len(rest) > 1 else server}\nAddress:\t{server}#{port}\n\n"
    return await _nslookup(process, resolver, server, port, rest[0], kinds, header)


async def _nslookup(
    process: SimulatedProcess, resolver: Resolver, server: str, port: int, name: str, kinds: Sequence[str], header: str
) -> int:
    if is_address(name):
        return await _reverse(process, resolver, server, port, name, header)
    answer: Message | None = None
    used = name
    for used in resolver.configuration.candidates(name):
        answer = await _ask(process, resolver, server, used, kinds[0], port=port)
        if answer is None:
            return 1
        if _rcode(answer) == "NOERROR":
            break
    assert answer is not None
    code = _rcode(answer)
    if code != "NOERROR":
        await process.out(f"{header}** server can't find {name.rstrip('.')}: {code}\n\n")
        return 1
    import dns.flags

    text = header + ("" if answer.flags & dns.flags.AA else "Non-authoritative answer:\n")
    shown, text = _shown(answer, kinds[0], text)
    if kinds == ["A", "AAAA"]:
        second = await _ask(process, resolver, server, used, "AAAA", port=port)
        if second is not None and _rcode(second) == "NOERROR":
            more, text = _shown(second, "AAAA", text, cnames=False)
            shown = shown or more
    if not shown:
        text += f"*** Can't find {name}: No answer\n"
    await process.out(text + "\n")
    return 0 if shown else 1


def _shown(answer: Message, kind: str, text: str, *, cnames: bool = True) -> tuple[bool, str]:
    found = False
    for owner, value in _records(answer, "CNAME") if cnames else []:
        text += f"{owner.rstrip('.')}\tcanonical name = {value}\n"
        found = found or kind == "CNAME"
    if kind in ("A", "AAAA"):
        for owner, value in _records(answer, kind):
            text += f"Name:\t{owner.rstrip('.')}\nAddress: {value}\n"
            found = True
        return found, text
    names = {"SRV": "service", "TXT": "text", "NS": "nameserver", "PTR": "name", "MX": "mail exchanger"}
    for owner, value in _records(answer, kind) if kind != "CNAME" else []:
        text += f"{owner.rstrip('.')}\t{names.get(kind, kind)} = {value}\n"
        found = True
    return found, text


async def _reverse(
    process: SimulatedProcess, resolver: Resolver, server: str, port: int, address: str, header: str
) -> int:
    name = reverse_name(address)
    answer = await _ask(process, resolver, server, name, "PTR", port=port)
    if answer is None:
        return 1
    found = _records(answer, "PTR")
    if not found:
        await process.out(f"{header}** server can't find {name.rstrip('.')}: {_rcode(answer)}\n\n")
        return 1
    await process.out("".join(f"{owner.rstrip('.')}\tname = {value}\n" for owner, value in found) + "\n")
    return 0


@program
async def busybox_nslookup(process: SimulatedProcess) -> int:
    """nslookup [-type=T] NAME [SERVER], as BusyBox has it: the search list only for names without a dot, and every
    attempt is shown."""
    kinds, rest = ["A", "AAAA"], []
    for word in process.argv[1:]:
        if word.startswith(("-type=", "-querytype=", "-t=", "-q=")):
            kinds = [word.partition("=")[2].upper()]
        elif not word.startswith("-"):
            rest.append(word)
    if not rest:
        return await process.fail("usage: nslookup [-type=QUERY_TYPE] [-debug] HOST [DNS_SERVER]")
    resolver = Resolver(process)
    configuration = resolver.configuration
    server = rest[1] if len(rest) > 1 else configuration.nameservers[0]
    name = rest[0]
    if is_address(name):
        names, kinds = [reverse_name(name)], ["PTR"]
    elif "." in name or not configuration.search:
        names = [name.rstrip(".") + "."]
    else:
        names = [f"{name}.{domain}." for domain in configuration.search]
    await process.out(f"Server:\t\t{server}\nAddress:\t{server}:53\n\n")
    status, answered = 1, False
    for candidate in names:
        for kind in kinds:
            try:
                answer = await resolver.query(candidate, kind, servers=[server], timeout=5.0, attempts=2)
            except ConnectionFailed:
                continue
            answered = True
            status = min(status, await _busybox_answer(process, answer, candidate, kind))
    if not answered:
        await process.out(";; connection timed out; no servers could be reached\n\n")
    return status


async def _busybox_answer(process: SimulatedProcess, answer: Message, name: str, kind: str) -> int:
    code = _rcode(answer)
    plain = name.rstrip(".")
    if code != "NOERROR":
        await process.out(f"** server can't find {plain}: {code}\n\n")
        return 1
    import dns.flags

    text = "" if answer.flags & dns.flags.AA else "Non-authoritative answer:\n"
    for owner, value in _records(answer, "CNAME"):
        text += f"{owner.rstrip('.')}\tcanonical name = {value.rstrip('.')}\n"
    for owner, value in _records(answer, kind) if kind != "CNAME" else []:
        if kind in ("A", "AAAA"):
            text += f"Name:\t{owner.rstrip('.')}\nAddress: {value}\n"
        else:
            words = {"PTR": "name", "SRV": "service", "TXT": "text"}
            text += f"{owner.rstrip('.')}\t{words.get(kind, kind)} = {value.rstrip('.') if kind == 'PTR' else value}\n"
    await process.out(text + "\n")
    return 0


@program
async def host(process: SimulatedProcess) -> int:
    """host [-t TYPE] NAME [SERVER]"""
    arguments, kinds, rest = list(process.argv[1:]), ["A", "AAAA", "MX"], []
    while arguments:
        word = arguments.pop(0)
        if word == "-t" and arguments:
            kinds = [arguments.pop(0).upper()]
        elif not word.startswith("-"):
            rest.append(word)
    if not rest:
        return await process.fail("usage: host [-t type] {name} [server]")
    resolver = Resolver(process)
    server = rest[1] if len(rest) > 1 else resolver.configuration.nameservers[0]
    if len(rest) > 1:
        await process.out(f"Using domain server:\nName: {server}\nAddress: {server}#53\nAliases: \n\n")
    name = rest[0]
    if is_address(name):
        names, kinds = [reverse_name(name)], ["PTR"]
    else:
        names = resolver.configuration.candidates(name)
    answer: Message | None = None
    candidate = name
    for candidate in names:
        answer = await _ask(process, resolver, server, candidate, kinds[0])
        if answer is None:
            return 1
        if _rcode(answer) == "NOERROR":
            break
    assert answer is not None
    if _rcode(answer) != "NOERROR":
        shown = candidate.rstrip(".") if is_address(name) else name
        await process.out(f"Host {shown} not found: {3 if _rcode(answer) == 'NXDOMAIN' else 5}({_rcode(answer)})\n")
        return 1
    plain = candidate.rstrip(".")
    for owner, value in _records(answer, "CNAME"):
        await process.out(f"{owner.rstrip('.')} is an alias for {value}\n")
    found = await _host_lines(process, answer, kinds[0])
    for kind in kinds[1:]:
        more = await _ask(process, resolver, server, candidate, kind)
        if more is not None and _rcode(more) == "NOERROR":
            found = await _host_lines(process, more, kind) or found
    if not found:
        await process.out(f"{plain} has no {kinds[0]} record\n")
    return 0 if found else 1


async def _host_lines(process: SimulatedProcess, answer: Message, kind: str) -> bool:
    words = {
        "A": "has address", "AAAA": "has IPv6 address", "PTR": "domain name pointer", "SRV": "has SRV record",
        "TXT": "descriptive text", "NS": "name server", "MX": "mail is handled by", "CNAME": "is an alias for",
    }  # fmt: skip
    found = _records(answer, kind) if kind != "CNAME" else []
    for owner, value in found:
        await process.out(f"{owner.rstrip('.')} {words.get(kind, 'has ' + kind + ' record')} {value}\n")
    return bool(found)


@program
async def getent(process: SimulatedProcess) -> int:
    """getent hosts|ahosts|ahostsv4 NAME..."""
    if len(process.argv) < 3 or process.argv[1] not in ("hosts", "ahosts", "ahostsv4", "ahostsv6"):
        return await process.fail(
            "usage: getent hosts|ahosts|ahostsv4|ahostsv6 NAME (other databases are not simulated)"
        )
    database = process.argv[1]
    families = {"ahostsv4": ("A",), "ahostsv6": ("AAAA",)}.get(database, ("A", "AAAA"))
    resolver = Resolver(process)
    status = 0
    for name in process.argv[2:]:
        try:
            addresses = await resolver.addresses(name, families)
        except ResolutionFailed:
            status = 2
            continue
        if database == "hosts":
            chosen = [a for a in addresses if ":" in a] or addresses
            await process.out("".join(f"{address:<15} {name}\n" for address in chosen))
        else:
            for index, address in enumerate(addresses):
                for number, kind in enumerate(("STREAM", "DGRAM", "RAW")):
                    await process.out(f"{address:<15} {kind:<6} {name if index == number == 0 else ''}\n")
    return status
