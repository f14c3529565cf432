"""A service map as a value: places and the edges between them.

The text form is a table of all edges, complete without the drawing; the drawing is in ``drawings``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from lab_helpers.views.display import Tone
from lab_helpers.views.map.places import CLUSTER, OUTSIDE, Place
from lab_helpers.views.map.sightings import Line
from lab_helpers.views.tables import Marked, Table
from lab_helpers.views.verdicts import flow_tone

__all__ = ["Edge", "Node", "ServiceMap", "Use", "edge_label", "rate_text", "verdict_word"]

_WORDS: Final = {"FORWARDED": "forwarded", "DROPPED": "dropped", "AUDIT": "audited", "ERROR": "error"}
_SHOWN_USES: Final = 3
DRAWN: Final = 200
"""Edges in a drawing: more cannot be told apart."""


class Use(NamedTuple):
    """What was asked over an edge: HTTP method and path or DNS type and name, its answer, and how often."""

    kind: str
    what: str
    answer: str
    times: int

    def __str__(self) -> str:
        return f"{self.what} → {self.answer or 'no answer seen'} ×{self.times}"


@dataclass(frozen=True, slots=True)
class Node:
    """One place. ``pods`` are ``namespace/pod``, or addresses where there are no pods; ``identities`` numeric."""

    place: Place
    identities: tuple[int, ...] = ()
    pods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edge:
    """All that was seen on one line. ``connections`` is the total, the rates are per second over the map's window.

    ``proxied``: requests were seen, so a proxy is in between. ``last`` in nanoseconds since 1970.
    """

    line: Line
    connections: int = 0
    requests: int = 0
    rate: float = 0.0
    request_rate: float = 0.0
    last: int = 0
    proxied: bool = False
    uses: tuple[Use, ...] = ()
    policies: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def tone(self) -> Tone:
        """The mark of its verdict."""
        return flow_tone(self.line.verdict)

    @property
    def port(self) -> str:
        """``8080/TCP``; the protocol alone where there is no port."""
        return f"{self.line.port}/{self.line.protocol}" if self.line.port else self.line.protocol

    @property
    def key(self) -> str:
        """A text that names the edge, the same in every drawing."""
        return f"{self.line.source}→{self.line.target}:{self.port} {self.line.verdict}"

    def sentence(self) -> str:
        """The edge in words, for a screen reader."""
        line = self.line
        said = f"{line.source} to {line.target}, {self.port}: {verdict_word(line.verdict)}"
        said += f", {_number(self.connections, 'connection')}, {rate_text(self.rate)}" if self.connections else ""
        if self.requests:
            kind = f"{self.uses[0].kind.upper()} request"
            said += f", {_number(self.requests, kind)}, {rate_text(self.request_rate)}"
        if self.reasons:
            said += f", because: {', '.join(self.reasons)}"
        return said + (f", decided by {', '.join(self.policies)}" if self.policies else "")


def _number(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def verdict_word(verdict: str) -> str:
    """A Hubble verdict as a word in a sentence."""
    return _WORDS.get(verdict, verdict.lower())


def rate_text(rate: float) -> str:
    """``0.2/s``; what is too little to show is ``<0.1/s``, nothing is ``idle``."""
    if rate <= 0:
        return "idle"
    return "<0.1/s" if rate < 0.1 else f"{rate:.1f}/s" if rate < 100 else f"{rate:.0f}/s"


def edge_label(edge: Edge) -> str:
    """What stands beside an edge in the drawing: icon, port, rate, and the kind of request."""
    rate = edge.request_rate if edge.requests else edge.rate
    kind = f" {edge.uses[0].kind.upper()}" if edge.uses else ""
    shown = "" if rate <= 0 else f" {rate_text(rate)}"
    return f"{edge.tone.icon} {edge.port}{kind}{shown}"


@dataclass(frozen=True, slots=True)
class ServiceMap:
    """Nodes by group and name, edges by line. ``window`` in seconds, ``until`` in nanoseconds since 1970 (0: never).

    ``flows`` counts what the map was made from; ``note`` says why there is nothing, and what to do.
    """

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    window: float = 60.0
    until: int = 0
    flows: int = 0
    note: str = ""
    title: str = "Who speaks to whom"

    def groups(self) -> tuple[str, ...]:
        """Namespaces by name, then the cluster's nodes, then what is outside."""
        found = {node.place.group for node in self.nodes}
        return tuple(sorted(found, key=lambda group: ({CLUSTER: 1, OUTSIDE: 2}.get(group, 0), group)))

    def node(self, place: Place) -> Node:
        """The node of a place. Raises KeyError."""
        for node in self.nodes:
            if node.place == place:
                return node
        raise KeyError(place)

    def edge(self, key: str) -> Edge | None:
        """The edge of that key."""
        return next((edge for edge in self.edges if edge.key == key), None)

    def within(self, *namespaces: str) -> ServiceMap:
        """The edges with an end in one of the namespaces, and their nodes; everything when none is named."""
        if not namespaces:
            return self
        edges = tuple(e for e in self.edges if {e.line.source.group, e.line.target.group} & set(namespaces))
        ends = {place for edge in edges for place in (edge.line.source, edge.line.target)}
        nodes = tuple(node for node in self.nodes if node.place in ends or node.place.group in namespaces)
        return ServiceMap(nodes, edges, self.window, self.until, self.flows, self.note, self.title)

    def drawable(self, most: int = DRAWN) -> ServiceMap:
        """What a drawing can hold: the edges seen last, with a note when that is not all."""
        if len(self.edges) <= most:
            return self
        edges = tuple(sorted(sorted(self.edges, key=lambda edge: -edge.last)[:most], key=lambda edge: edge.line))
        ends = {place for edge in edges for place in (edge.line.source, edge.line.target)}
        told = f"The drawing shows the {most} edges seen last of {len(self.edges)}; the table has all."
        note = f"{self.note} {told}".strip()
        nodes = tuple(node for node in self.nodes if node.place in ends)
        return ServiceMap(nodes, edges, self.window, self.until, self.flows, note, self.title)

    def table(self) -> Table:
        """Every edge, one row each."""
        header = ("from", "", "to", "port", "verdict", "connections", "rate", "requests", "policies")
        return Table(header, tuple(map(_row, self.edges)), self.title, self.note or "no connection seen yet")

    def summary(self) -> str:
        """One line: how much there is, and over which time the rates are."""
        dropped = sum(edge.line.verdict == "DROPPED" for edge in self.edges)
        return (
            f"{len(self.nodes)} places, {len(self.edges)} edges ({dropped} dropped), from {self.flows} flows; "
            f"rates over the last {self.window:.0f} s."
        )

    def text(self) -> str:
        """The table, the summary, and the note."""
        lines = [self.table().text()]
        if self.edges:
            lines += [self.summary(), self.note]
        return "\n".join(line for line in lines if line)


def _row(edge: Edge) -> tuple[str | Marked, ...]:
    line = edge.line
    uses = [str(use) for use in edge.uses[:_SHOWN_USES]]
    if len(edge.uses) > _SHOWN_USES:
        uses.append(f"{len(edge.uses) - _SHOWN_USES} more")
    requests = f"{edge.uses[0].kind.upper()} {rate_text(edge.request_rate)}: {'; '.join(uses)}" if edge.uses else ""
    reasons = f" ({', '.join(edge.reasons)})" if edge.reasons else ""
    return (
        str(line.source),
        "→",
        str(line.target),
        edge.port,
        Marked(edge.tone, verdict_word(line.verdict) + reasons),
        str(edge.connections),
        rate_text(edge.rate),
        requests,
        ", ".join(edge.policies),
    )
