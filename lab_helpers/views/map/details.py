"""What an edge is made of: the command that lists its flows, the flows, the policies that decided, and why.

The policies' names are those the flows carry; what the rules say comes from the policy engine, asked about the cluster
as it is now. A default deny has no policy to name in a flow: there the engine says what switched it on.
"""

from __future__ import annotations

import ipaddress
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lab_helpers.policy.errors import PolicyEngineError
from lab_helpers.views.display import View, cell_text, escape
from lab_helpers.views.flows import FlowTable, row
from lab_helpers.views.map.maps import Edge, verdict_word
from lab_helpers.views.map.places import Place, PlaceKind
from lab_helpers.views.map.sightings import Line

if TYPE_CHECKING:
    from lab_helpers.hubble.protos.flow_pb2 import Flow
    from lab_helpers.policy.inventories import Inventory
    from lab_helpers.policy.requests import HTTPRequest

__all__ = ["EdgeDetails", "details_of", "explanation", "hubble_command", "manifests"]

_ASKED_BY_MANY: Final = "other requests"


@dataclass(frozen=True, slots=True)
class EdgeDetails(View):
    """An edge, opened. ``why`` are lines of the policy engine, ``policies`` (name, YAML); both empty until known."""

    edge: Edge
    flows: FlowTable
    why: tuple[str, ...] = ()
    policies: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        """Caller, called, port, verdict."""
        line = self.edge.line
        return f"{line.source} → {line.target} {self.edge.port} {self.edge.tone.icon} {verdict_word(line.verdict)}"

    @property
    def command(self) -> str:
        """The same flows in a terminal."""
        return hubble_command(self.edge.line, proxied=self.edge.proxied)

    def text(self) -> str:
        """Everything, one after the other."""
        lines = [self.title, f"  {self.edge.sentence()}", *(f"  {use}" for use in self.edge.uses)]
        lines += ["", f"$ {self.command}", self.flows.text()]
        if self.why:
            lines += ["", "Why, says the policy engine:", *self.why]
        for name, text in self.policies:
            lines += ["", f"{name}:", text.rstrip()]
        return "\n".join(lines)

    def body(self) -> str:
        """The same as a panel."""
        uses = "".join(f"<li>{cell_text(use)}</li>" for use in self.edge.uses)
        why = f"<p>Why, says the policy engine</p><pre>{escape(chr(10).join(self.why))}</pre>" if self.why else ""
        policies = "".join(
            f"<details><summary>{escape(name)}</summary><pre>{escape(text.rstrip())}</pre></details>"
            for name, text in self.policies
        )
        return (
            f'<div class="cl-panel cl-plain"><h4>{escape(self.title)}</h4><p>{escape(self.edge.sentence())}</p>'
            f"{f'<ul>{uses}</ul>' if uses else ''}<p><code>{escape(self.command)}</code></p>{self.flows.body()}"
            f"{why}{policies}</div>"
        )


def details_of(edge: Edge, flows: Iterable[Flow], inventory: Inventory | None = None) -> EdgeDetails:
    """An edge with its flows; with an ``inventory`` also why, and the policies that decided."""
    table = FlowTable(tuple(map(row, flows)), "The last flows")
    if inventory is None:
        return EdgeDetails(edge, table)
    return EdgeDetails(edge, table, explanation(edge, inventory), manifests(edge, inventory))


def hubble_command(line: Line, *, proxied: bool = False) -> str:
    """``hubble observe`` with the filters that mean this edge. ``proxied``: what goes to a proxy counts as well."""
    words = ["hubble observe", _end("from", line.source), _end("to", line.target)]
    if line.port:
        words.append(f"--to-port {line.port}")
    words += [f"--protocol {line.protocol.lower()}", f"--verdict {line.verdict}"]
    if proxied and line.verdict == "FORWARDED":
        words.append("--verdict REDIRECTED")
    return " ".join(word for word in words if word)


def _end(side: str, place: Place) -> str:
    if place.kind is PlaceKind.WORKLOAD:
        return f"--{side}-pod {place}"
    if place.kind is PlaceKind.NAME:
        return " ".join(f"--{side}-fqdn {name}" for name in place.name.split(" / "))
    return f"--{side}-ip {place.name}" if place.kind is PlaceKind.CIDR else f"--{side}-identity {place.name}"


def explanation(edge: Edge, inventory: Inventory) -> tuple[str, ...]:
    """Why connections of this edge pass or do not, as the cluster is now."""
    from lab_helpers.policy.explaining import Question, explain
    from lab_helpers.policy.explanations import explanation_lines
    from lab_helpers.policy.parties import find_party
    from lab_helpers.policy.protocols import Protocol

    line = edge.line
    try:
        source = find_party(inventory, _called(line.source)).endpoint
        target = find_party(inventory, _called(line.target)).endpoint
        protocol = Protocol[line.protocol]
        port = line.port if line.protocol != "ICMP" else 8
        question = Question(source, target, protocol, port, http=_request(edge), dns=_query(edge))
        return tuple(explanation_lines(explain(inventory.repository, question)))
    except PolicyEngineError as error:
        return (f"The engine cannot say: {error}",)


def manifests(edge: Edge, inventory: Inventory) -> tuple[tuple[str, str], ...]:
    """The policies the flows name, as they are now. One that is gone since is said to be."""
    import yaml

    found = []
    for name in edge.policies:
        kind, _, where = name.partition(" ")
        item = inventory.sources.get(f"{kind}/{where}")
        if item is None:
            found.append((name, "This policy is no longer there."))
            continue
        metadata = item.obj.get("metadata") or {}
        shown = {key: metadata[key] for key in ("name", "namespace", "labels") if metadata.get(key)}
        spec: dict[str, Any] = {key: item.obj[key] for key in ("spec", "specs") if key in item.obj}
        document = {"apiVersion": item.obj.get("apiVersion"), "kind": item.obj.get("kind"), "metadata": shown, **spec}
        found.append((name, yaml.safe_dump(document, sort_keys=False)))
    return tuple(found)


def _called(place: Place) -> str:
    """The place in words that the engine's questions take."""
    if place.kind is PlaceKind.NAME:
        return place.name.partition(" / ")[0]
    if place.kind is PlaceKind.CIDR:
        return str(next(ipaddress.ip_network(place.name).hosts()))
    return str(place)


def _request(edge: Edge) -> HTTPRequest | None:
    """The commonest HTTP request of the edge, as a question about it."""
    from lab_helpers.policy.requests import HTTPRequest

    for use in edge.uses:
        if use.kind == "http" and use.what != _ASKED_BY_MANY:
            method, _, path = use.what.partition(" ")
            return HTTPRequest(method, urllib.parse.quote(path, safe="/%:@!$&'()*+,;=~"))
    return None


def _query(edge: Edge) -> str:
    return next(
        (use.what.partition(" ")[2] for use in edge.uses if use.kind == "dns" and use.what != _ASKED_BY_MANY), ""
    )
