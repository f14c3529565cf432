"""Everything one flow says, in an order for reading: what happened, who with whom, what was said, who decided."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lab_helpers.views.display import View, badge, cell_text, escape
from lab_helpers.views.flows import FlowRow, Peer, row
from lab_helpers.views.verdicts import flow_tone

if TYPE_CHECKING:
    from lab_helpers.hubble.protos.flow_pb2 import Endpoint, Flow, Policy

__all__ = ["Deciding", "FlowDetail", "Section", "detail"]

_SIDES: Final = (
    ("egress_denied_by", "egress denied by"),
    ("ingress_denied_by", "ingress denied by"),
    ("egress_allowed_by", "egress allowed by"),
    ("ingress_allowed_by", "ingress allowed by"),
)
_SHORT: Final = {
    "CiliumNetworkPolicy": "cnp",
    "CiliumClusterwideNetworkPolicy": "ccnp",
    "NetworkPolicy": "networkpolicy",
}
_UNTOLD: Final = "no policy is named: none selects the endpoint in this direction, or this event does not carry it"
_REFUSED: Final = "no policy is named: the proxy refused the request, because no rule at layer 7 matches it"
_DEFAULT_DENY: Final = "no policy is named: no rule allowed it, so the default deny of a selected endpoint applies"


class Section(NamedTuple):
    """``facts`` are (name, value); ``flag`` of a fact is the filter that finds more like it, or empty."""

    title: str
    facts: tuple[tuple[str, str, str], ...]


class Deciding(NamedTuple):
    """A policy that decided: ``how`` ("ingress allowed by"), its name as ``namespace/name``, and how to see it."""

    how: str
    name: str
    kind: str
    revision: int
    command: str


@dataclass(frozen=True, slots=True)
class FlowDetail(View):
    """``json`` is the flow as ``hubble observe -o jsonpb`` prints it."""

    row: FlowRow
    sections: tuple[Section, ...]
    policies: tuple[Deciding, ...]
    untold: str
    json: str

    def text(self) -> str:
        """One fact per line."""
        lines = [f"{flow_tone(self.row.verdict).icon} {self.row.verdict}  {self.row.source} → {self.row.destination}"]
        for section in self.sections:
            lines.append(f"{section.title}:")
            lines += [f"  {name}: {value}" for name, value, _ in section.facts]
        lines.append("decided by:")
        lines += [f"  {policy.how} {policy.name} ({policy.kind}): {policy.command}" for policy in self.policies]
        return "\n".join(lines if self.policies else [*lines, f"  {self.untold}"])

    def body(self) -> str:
        """A panel of definition lists."""
        tone = flow_tone(self.row.verdict)
        parts = [f'<div class="cl-panel {tone.css}"><p>{badge(tone, self.row.verdict)} {escape(self.row.summary)}</p>']
        for section in self.sections:
            facts = "".join(f"<li>{escape(name)}: {escape(value)}</li>" for name, value, _ in section.facts)
            parts.append(f"<p><b>{escape(section.title)}</b></p><ul>{facts}</ul>")
        decided = "".join(
            f"<li>{escape(policy.how)} <b>{escape(policy.name)}</b> ({escape(policy.kind)}): "
            f"<code>{escape(policy.command)}</code></li>"
            for policy in self.policies
        )
        parts.append(f"<p><b>decided by</b></p><ul>{decided or f'<li>{cell_text(self.untold)}</li>'}</ul>")
        return "".join(parts) + "</div>"

    def message(self) -> dict[str, Any]:
        """For the page."""
        return {
            "verdict": self.row.verdict,
            "title": f"{self.row.source} → {self.row.destination}",
            "sections": [[section.title, [list(fact) for fact in section.facts]] for section in self.sections],
            "policies": [list(policy) for policy in self.policies],
            "untold": self.untold,
            "json": self.json,
        }


def detail(flow: Flow) -> FlowDetail:
    """Read one message."""
    from lab_helpers.hubble import jsonpb

    shown = row(flow)
    policies = tuple(_deciding(how, policy) for field, how in _SIDES for policy in getattr(flow, field))
    happened = [
        ("time", shown.time.strftime("%Y-%m-%d %H:%M:%S.%f UTC"), ""),
        ("seen at", shown.kind, ""),
        ("direction", shown.direction.lower(), f"--traffic-direction {shown.direction.lower()}"),
        ("node", shown.node, f"--node-name {shlex.quote(flow.node_name)}" if flow.node_name else ""),
        ("reply", {None: "", True: "yes", False: "no"}[shown.reply], ""),
        ("drop reason", shown.reason, f"--drop-reason-desc {_reason(flow)}" if _reason(flow) else ""),
        ("summary", shown.summary, ""),
    ]
    sections = (
        Section("what happened", _told(happened)),
        Section("from", _told(_end(flow.source, flow.IP.source, shown.source, flow.source_names, "from", flow))),
        Section(
            "to",
            _told(_end(flow.destination, flow.IP.destination, shown.destination, flow.destination_names, "to", flow)),
        ),
        Section("what was said", _told(_said(flow))),
    )
    refused = shown.verdict == "DROPPED" and flow.HasField("l7")
    untold = (
        _REFUSED
        if refused
        else _DEFAULT_DENY
        if shown.verdict == "DROPPED" and "olicy denied" in shown.reason
        else _UNTOLD
    )
    return FlowDetail(shown, tuple(part for part in sections if part.facts), policies, untold, jsonpb.dumps(flow))


def _told(facts: Iterable[tuple[str, str, str]]) -> tuple[tuple[str, str, str], ...]:
    return tuple(fact for fact in facts if fact[1])


def _reason(flow: Flow) -> str:
    from lab_helpers.hubble.protos import flow_pb2

    number = flow.drop_reason_desc
    return flow_pb2.DropReason.Name(number) if number else ""


def _end(
    endpoint: Endpoint, ip: str, peer: Peer, names: Iterable[str], side: str, flow: Flow
) -> list[tuple[str, str, str]]:
    service = flow.source_service if side == "from" else flow.destination_service
    pod = f"{endpoint.namespace}/{endpoint.pod_name}" if endpoint.pod_name else ""
    facts = [("pod", pod, f"--{side}-pod {pod}")]
    facts += [("workload", f"{item.kind}/{item.name}", f"--{side}-workload {item.name}") for item in endpoint.workloads]
    facts += [("name", name, f"--{side}-fqdn {name}") for name in names]
    if service.name:
        name = f"{service.namespace}/{service.name}"
        facts.append(("Service", name, f"--{side}-service {name}"))
    if endpoint.identity:
        reserved = f" ({peer.reserved})" if peer.reserved else ""
        facts.append(("identity", f"{endpoint.identity}{reserved}", f"--{side}-identity {endpoint.identity}"))
    facts += [("label", label, f"--{side}-label {shlex.quote(label)}") for label in _labels(endpoint)]
    facts.append(("address", ip, f"--{side}-ip {ip}"))
    facts.append(("port", str(peer.port or ""), f"--{side}-port {peer.port}"))
    return facts


def _labels(endpoint: Endpoint) -> list[str]:
    """Those that people wrote, and what kind of thing it is."""
    return [label for label in sorted(endpoint.labels) if not label.startswith("k8s:io.cilium.k8s.namespace.labels")]


def _said(flow: Flow) -> list[tuple[str, str, str]]:
    if not flow.HasField("l7"):
        return []
    layer7, facts = flow.l7, []
    if layer7.HasField("http"):
        http = layer7.http
        facts += [
            ("method", http.method, f"--http-method {http.method}"),
            ("URL", http.url, ""),
            ("status", str(http.code or ""), f"--http-status {http.code}"),
            ("protocol", http.protocol, ""),
        ]
        facts += [("header", f"{header.key}: {header.value}", "") for header in http.headers]
    elif layer7.HasField("dns"):
        dns = layer7.dns
        facts += [
            ("query", dns.query, ""),
            ("types", ", ".join(dns.qtypes), ""),
            ("answers", ", ".join(dns.ips) or ", ".join(dns.cnames), ""),
            ("TTL", f"{dns.ttl} s" if dns.ttl else "", ""),
            ("response code", str(dns.rcode) if dns.rcode else "", ""),
            ("seen by", dns.observation_source, ""),
        ]
    elif layer7.HasField("kafka"):
        kafka = layer7.kafka
        facts += [
            ("topic", kafka.topic, ""),
            ("call", kafka.api_key, ""),
            ("error code", str(kafka.error_code or ""), ""),
        ]
    if layer7.latency_ns:
        facts.append(("latency", f"{layer7.latency_ns / 1e6:.2f} ms", ""))
    return facts


def _deciding(how: str, policy: Policy) -> Deciding:
    kind = policy.kind or next(
        (
            label.partition("=")[2]
            for label in policy.labels
            if label.startswith("k8s:io.cilium.k8s.policy.derived-from=")
        ),
        "policy",
    )
    name = f"{policy.namespace}/{policy.name}" if policy.namespace else policy.name
    where = ["-n", policy.namespace] if policy.namespace else []
    short = _SHORT.get(kind, "")
    command = shlex.join(["kubectl", *where, "get", short, policy.name, "-o", "yaml"]) if short and policy.name else ""
    return Deciding(how, name, kind, policy.revision, command)
