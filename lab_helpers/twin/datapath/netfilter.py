"""The iptables of one node: chains and rules as text, and what they do to the first packet of a connection.

Filled by kube-proxy and by ``iptables-restore``; Cilium's load balancing comes before it, so that a packet whose
destination was translated already meets no rule for a Service. Of a rule's matches those are understood that
kube-proxy writes (iptables-extensions(8)); a rule with others is refused when it is loaded.
"""

from __future__ import annotations

import ipaddress
import random
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

__all__ = ["Hook", "Netfilter", "NetfilterError", "Packet", "Verdict"]

BUILT_IN: Final = {
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
}
_TERMINAL: Final = frozenset({"ACCEPT", "DROP", "REJECT", "DNAT", "MASQUERADE", "SNAT"})
_WITH_VALUE: Final = frozenset((
    "-s", "-d", "-p", "-m", "-j", "-i", "-o", "--dport", "--sport", "--comment", "--mode", "--probability",
    "--dst-type", "--src-type", "--mark", "--ctstate", "--to-destination", "--set-xmark", "--reject-with",
))  # fmt: skip
_DEEPEST: Final = 32


class NetfilterError(ValueError):
    """A rule, chain or table that cannot be loaded; the message is iptables' own."""


class Hook(Enum):
    """Where a packet comes from: the node's own processes, or an interface."""

    OUTPUT = "OUTPUT"
    PREROUTING = "PREROUTING"


class Packet(NamedTuple):
    """The first packet of a connection. ``protocol`` in small letters; ``local``: ``destination`` is the node's own."""

    protocol: str
    source: str
    destination: str
    port: int
    local: bool


class Verdict(NamedTuple):
    """Where the packet goes on to; ``rejected``: it is answered with an ICMP error instead."""

    ip: str
    port: int
    rejected: bool = False


@dataclass(slots=True)
class Rule:
    """``text`` is what stands after ``-A CHAIN``; ``options`` are (negated, option, value)."""

    text: str
    options: tuple[tuple[bool, str, str], ...]
    packets: int = 0

    @property
    def target(self) -> str:
        """What it jumps to."""
        return self.value("-j")

    def value(self, option: str) -> str:
        """The value of an option, "" without."""
        return next((value for _, name, value in self.options if name == option), "")


@dataclass(slots=True)
class Chain:
    """``policy`` is "-" for chains made by somebody."""

    policy: str
    rules: list[Rule] = field(default_factory=list)
    packets: int = 0


class Netfilter:
    """The tables of one network namespace."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._tables = {name: _fresh(name) for name in BUILT_IN}

    # --- as iptables-save and iptables-restore see it ---

    @property
    def empty(self) -> bool:
        """Is there no rule at all?"""
        return not any(chain.rules for table in self._tables.values() for chain in table.values())

    def chains(self, table: str) -> Sequence[str]:
        """Its chains. Raises NetfilterError."""
        return tuple(self._table(table))

    def save(self, table: str, *, counters: bool = False) -> Iterator[str]:
        """The lines between the comments of ``iptables-save``."""
        chains = self._table(table)
        yield f"*{table}"
        for name, chain in chains.items():
            yield f":{name} {chain.policy} [{chain.packets}:{chain.packets * 60}]"
        for name, chain in chains.items():
            for rule in chain.rules:
                count = f"[{rule.packets}:{rule.packets * 60}] " if counters else ""
                yield f"{count}-A {name} {rule.text}".rstrip()
        yield "COMMIT"

    def rules(self, table: str, chain: str) -> Sequence[str]:
        """What follows ``-A CHAIN``, in order. Raises NetfilterError."""
        return [rule.text for rule in self._chain(table, chain).rules]

    def restore(self, text: str, *, flush: bool = True) -> None:
        """Load what ``save`` wrote: each table named in it is replaced (with ``flush`` off, only the chains it
        declares), all or nothing. Raises NetfilterError with the line.
        """
        new: dict[str, dict[str, Chain]] = {}
        table = ""
        for number, raw in enumerate(text.splitlines(), 1):
            line = raw.strip()
            if not line or line.startswith("#"):
                continue
            if line.startswith("*"):
                table = line[1:]
                if table not in BUILT_IN:
                    raise NetfilterError(f"line {number}: table '{table}' does not exist")
                before = {} if flush else dict(self._tables[table])
                new[table] = {**_fresh(table), **before}
            elif line == "COMMIT":
                table = ""
            elif not table:
                raise NetfilterError(f"line {number}: no table given before {line!r}")
            else:
                _load(new[table], line, number)
        for name, chains in new.items():
            for chain in chains.values():
                for rule in chain.rules:
                    if rule.target not in _TERMINAL | {"RETURN", "MARK", ""} and rule.target not in chains:
                        raise NetfilterError(f"Couldn't load target `{rule.target}':No such file or directory")
            self._tables[name] = chains

    def flush(self, table: str, chain: str = "") -> None:
        """Remove the rules of a chain, or of all. Raises NetfilterError."""
        for name in [chain] if chain else self.chains(table):
            self._chain(table, name).rules.clear()

    def delete(self, table: str, chain: str = "") -> None:
        """Remove empty chains. Raises NetfilterError for one that is built in or still in use."""
        chains = self._table(table)
        for name in [chain] if chain else [name for name in chains if name not in BUILT_IN[table]]:
            used = any(rule.target == name for other in chains.values() for rule in other.rules)
            if self._chain(table, name).rules or used or name in BUILT_IN[table]:
                raise NetfilterError(f"CHAIN_DEL failed (Device or resource busy): chain {name}")
            del chains[name]

    # --- as a packet sees it ---

    def judge(self, hook: Hook, packet: Packet) -> Verdict:
        """What becomes of the first packet of a connection; rules it meets count it."""
        if self.empty:
            return Verdict(packet.destination, packet.port)
        found = self._walk("nat", hook.value, packet, 0)
        if found is not None and found.target == "DNAT":
            ip, _, port = found.value("--to-destination").partition(":")
            packet = packet._replace(destination=ip, port=int(port or packet.port), local=False)
        forward = "OUTPUT" if hook is Hook.OUTPUT else "INPUT" if packet.local else "FORWARD"
        found = self._walk("filter", forward, packet, 0)
        rejected = found is not None and found.target in ("REJECT", "DROP")
        return Verdict(packet.destination, packet.port, rejected)

    def _walk(self, table: str, name: str, packet: Packet, depth: int) -> Rule | None:
        """The terminal rule the packet ends at, None at the end of the chain."""
        chain = self._tables[table].get(name)
        if chain is None or depth > _DEEPEST:
            return None
        chain.packets += depth == 0
        for rule in chain.rules:
            if not self._matches(rule, packet):
                continue
            rule.packets += 1
            if rule.target == "RETURN":
                return None
            if rule.target in _TERMINAL:
                return rule
            found = self._walk(table, rule.target, packet, depth + 1)
            if found is not None:
                return found
        return None

    def _matches(self, rule: Rule, packet: Packet) -> bool:
        for negated, option, value in rule.options:
            if option in ("-s", "-d"):
                address = packet.source if option == "-s" else packet.destination
                fits = ipaddress.ip_address(address) in ipaddress.ip_network(value, strict=False)
            elif option == "-p":
                fits = value == packet.protocol
            elif option == "--dport":
                fits = packet.port == int(value)
            elif option == "--probability":
                fits = self._chance() < float(value)
            elif option == "--dst-type":
                fits = packet.local == (value == "LOCAL")
            elif option == "--mark":
                fits = False
            elif option == "--ctstate":
                fits = "NEW" in value.split(",")
            else:
                continue
            if fits == negated:
                return False
        return True

    def _table(self, name: str) -> dict[str, Chain]:
        if name not in self._tables:
            raise NetfilterError(f"can't initialize iptables table `{name}': Table does not exist")
        return self._tables[name]

    def _chain(self, table: str, name: str) -> Chain:
        found = self._table(table).get(name)
        if found is None:
            raise NetfilterError("No chain/target/match by that name.")
        return found


def _fresh(table: str) -> dict[str, Chain]:
    return {name: Chain("ACCEPT") for name in BUILT_IN[table]}


def _load(chains: dict[str, Chain], line: str, number: int) -> None:
    """One line of ``iptables-restore``'s input. Raises NetfilterError."""
    words = line.split(maxsplit=2)
    if line.startswith(":"):
        chains[words[0][1:]] = Chain(words[1] if len(words) > 1 else "-")
    elif words[0] == "-A" and len(words) > 1:
        if words[1] not in chains:
            raise NetfilterError(f"line {number}: Chain '{words[1]}' does not exist")
        text = words[2] if len(words) > 2 else ""
        chains[words[1]].rules.append(Rule(text, tuple(_options(text, number))))
    else:
        raise NetfilterError(f"line {number}: {words[0]} is not understood here (only chains and -A)")


def _options(text: str, number: int) -> Iterator[tuple[bool, str, str]]:
    words = iter(shlex.split(text))
    negated = False
    for word in words:
        if word == "!":
            negated = True
            continue
        if word in _WITH_VALUE:
            value = next(words, "")
            yield negated, word, value
        elif word != "--random-fully":
            raise NetfilterError(f'line {number}: unknown option "{word}"')
        negated = False
