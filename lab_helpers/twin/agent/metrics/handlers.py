"""Hubble's metrics, one handler per name in ``hubble-metrics`` (pkg/hubble/metrics/*/handler.go)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from lab_helpers.hubble.events import ACCESS_LOG, CAPTURE, DROP, POLICY_VERDICT, TRACE, trace_point
from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.hubble.summaries import RCODES
from lab_helpers.twin.agent.metrics.contexts import Context
from lab_helpers.twin.agent.metrics.series import Histogram, Metric, Series

__all__ = ["HANDLERS", "Handler"]

_TYPES: Final = {ACCESS_LOG: "L7", DROP: "Drop", CAPTURE: "Capture", TRACE: "Trace", POLICY_VERDICT: "PolicyVerdict"}
_MATCHES: Final = ("none", "l3-only", "l3-l4", "l4-only", "all", "l3-proto", "proto-only")
_ICMP: Final = {0: "EchoReply", 3: "DestinationUnreachable(Net)", 8: "EchoRequest", 11: "TimeExceeded(TTLExceeded)"}
_REPORTERS: Final = {flow_pb2.EGRESS: "client", flow_pb2.INGRESS: "server"}
_HOST: Final = 1


class Handler(Protocol):
    """One metric name with its options. ``metrics`` are what it counts."""

    metrics: tuple[Metric, ...]

    def take(self, flow: Any) -> None:
        """Count a flow."""


def _l7(flow: Any) -> str:
    return {"dns": "DNS", "http": "HTTP", "kafka": "Kafka"}.get(flow.l7.WhichOneof("record") or "", "")


def protocol_of(flow: Any) -> str:
    """The protocol that describes a flow best: of layer 7, else of layer 4."""
    kind = flow.event_type.type
    if kind == ACCESS_LOG:
        return _l7(flow) or "Unknown L7"
    if kind in _TYPES:
        return flow.l4.WhichOneof("protocol") or "Unknown L4"
    return "Unknown flow"


def _verdict(flow: Any) -> str:
    return flow_pb2.Verdict.Name(flow.verdict)


class _Flows:
    def __init__(self, options: Mapping[str, str]) -> None:
        self._context = Context(options)
        labels = ("protocol", "type", "subtype", "verdict", *self._context.names)
        self._flows = Series("hubble_flows_processed_total", "Total number of flows processed", "counter", labels)
        self.metrics: tuple[Metric, ...] = (self._flows,)

    def take(self, flow: Any) -> None:
        kind = flow.event_type.type
        name = _TYPES.get(kind, "Unknown")
        part = str(kind) if name == "Unknown" else ""
        if kind == ACCESS_LOG:
            part = _l7(flow)
        elif kind == TRACE:
            part = trace_point(flow.event_type.sub_type)
        self._flows.add((protocol_of(flow), name, part, _verdict(flow), *self._context.values(flow)))


class _Drops:
    def __init__(self, options: Mapping[str, str]) -> None:
        self._context = Context(options)
        self._drops = Series(
            "hubble_drop_total", "Number of drops", "counter", (*self._context.names, "reason", "protocol")
        )
        self.metrics: tuple[Metric, ...] = (self._drops,)

    def take(self, flow: Any) -> None:
        if flow.verdict == flow_pb2.DROPPED:
            reason = flow_pb2.DropReason.Name(flow.drop_reason_desc)
            self._drops.add((*self._context.values(flow), reason, protocol_of(flow)))


class _Dns:
    def __init__(self, options: Mapping[str, str]) -> None:
        self._context = Context(options)
        names = {key.lower() for key in options}
        self._query, self._ignore_aaaa = "query" in names, "ignoreaaaa" in names
        query = ("query",) if self._query else ()
        text = "Number of DNS queries observed"
        both = (*self._context.names, "rcode", "qtypes", "ips_returned", *query)
        self._queries = Series("hubble_dns_queries_total", text, "counter", both)
        self._responses = Series("hubble_dns_responses_total", text, "counter", both)
        kinds = (*self._context.names, "type", "qtypes", *query)
        self._types = Series("hubble_dns_response_types_total", text, "counter", kinds)
        self.metrics: tuple[Metric, ...] = (self._queries, self._responses, self._types)

    def take(self, flow: Any) -> None:
        if flow.l7.WhichOneof("record") != "dns":
            return
        record = flow.l7.dns
        if self._ignore_aaaa and list(record.qtypes) == ["AAAA"]:
            return
        context, asked = self._context.values(flow), ",".join(record.qtypes)
        query = (record.query,) if self._query else ()
        denied, reply = flow.verdict == flow_pb2.DROPPED, flow.is_reply.value
        rcode = "Policy denied" if denied else RCODES.get(record.rcode, "Unknown") if reply else ""
        counted = self._queries if denied or not reply else self._responses
        counted.add((*context, rcode, asked, str(len(record.ips)), *query))
        if counted is self._responses:
            for kind in record.rrtypes:
                self._types.add((*context, kind, asked, *query))


class _Http:
    """``http``: requests and responses apart; ``httpV2``: one counter with the status, from responses alone."""

    def __init__(self, options: Mapping[str, str], *, second: bool = False) -> None:
        self._context = Context(options)
        self._second = second
        names = self._context.names
        status = ("method", "protocol", "status", "reporter")
        plain = ("method", "protocol", "reporter")
        self._requests = Series(
            "hubble_http_requests_total", "Count of HTTP requests", "counter", (*names, *(status if second else plain))
        )
        self._responses = Series("hubble_http_responses_total", "Count of HTTP responses", "counter", (*names, *status))
        self._duration = Histogram(
            "hubble_http_request_duration_seconds",
            "Quantiles of HTTP request duration in seconds",
            (*names, "method", "reporter"),
        )
        self.metrics: tuple[Metric, ...] = (self._requests, self._responses, self._duration)

    def take(self, flow: Any) -> None:
        if flow.l7.WhichOneof("record") != "http":
            return
        http, response = flow.l7.http, flow.l7.type == flow_pb2.RESPONSE
        reporter = _REPORTERS.get(flow.traffic_direction, "unknown")
        if not response:
            if not self._second:
                self._requests.add((*self._context.values(flow), http.method, http.protocol, reporter))
            return
        context = self._context.values(flow, invert=self._second)
        counted = self._requests if self._second else self._responses
        counted.add((*context, http.method, http.protocol, str(http.code), reporter))
        self._duration.observe((*context, http.method, reporter), flow.l7.latency_ns / 1e9)


class _HttpSecond(_Http):
    def __init__(self, options: Mapping[str, str]) -> None:
        super().__init__(options, second=True)


class _Ports:
    def __init__(self, options: Mapping[str, str]) -> None:
        self._context = Context(options)
        self._ports = Series(
            "hubble_port_distribution_total",
            "Numbers of packets distributed by destination port",
            "counter",
            ("protocol", "port", *self._context.names),
        )
        self.metrics: tuple[Metric, ...] = (self._ports,)

    def take(self, flow: Any) -> None:
        layer = flow.l4.WhichOneof("protocol")
        wanted = flow.verdict in (flow_pb2.FORWARDED, flow_pb2.REDIRECTED)
        if layer is None or not wanted or not flow.HasField("is_reply") or flow.is_reply.value:
            return
        port = getattr(getattr(flow.l4, layer), "destination_port", 0)
        self._ports.add((layer, str(port), *self._context.values(flow)))


class _Tcp:
    def __init__(self, options: Mapping[str, str]) -> None:
        self._context = Context(options)
        labels = ("flag", "family", *self._context.names)
        self._flags = Series("hubble_tcp_flags_total", "TCP flag occurrences", "counter", labels)
        self.metrics: tuple[Metric, ...] = (self._flags,)

    def take(self, flow: Any) -> None:
        if flow.verdict != flow_pb2.FORWARDED or flow.l4.WhichOneof("protocol") != "TCP":
            return
        flags = flow.l4.TCP.flags
        found = [name for name in ("FIN", "RST") if getattr(flags, name)]
        if flags.SYN:
            found.append("SYN-ACK" if flags.ACK else "SYN")
        for name in found:
            self._flags.add((name, "IPv4", *self._context.values(flow)))


class _Icmp:
    def __init__(self, options: Mapping[str, str]) -> None:
        self._context = Context(options)
        labels = ("family", "type", *self._context.names)
        self._icmp = Series("hubble_icmp_total", "Number of ICMP messages", "counter", labels)
        self.metrics: tuple[Metric, ...] = (self._icmp,)

    def take(self, flow: Any) -> None:
        if flow.l4.WhichOneof("protocol") == "ICMPv4":
            kind = flow.l4.ICMPv4.type
            self._icmp.add(("IPv4", _ICMP.get(kind, f"{kind}({flow.l4.ICMPv4.code})"), *self._context.values(flow)))


class _Policy:
    def __init__(self, options: Mapping[str, str]) -> None:
        self._context = Context(options)
        self._verdicts = Series(
            "hubble_policy_verdicts_total",
            "Total number of Cilium network policy verdicts",
            "counter",
            ("direction", "match", "action", *self._context.names),
        )
        self.metrics: tuple[Metric, ...] = (self._verdicts,)

    def take(self, flow: Any) -> None:
        kind = flow.event_type.type
        if kind == ACCESS_LOG:
            match = f"l7/{_l7(flow).lower()}"
        elif kind == POLICY_VERDICT and flow.source.identity != _HOST:
            match = _MATCHES[flow.policy_match_type]
        else:
            return
        direction = flow_pb2.TrafficDirection.Name(flow.traffic_direction).lower()
        self._verdicts.add((direction, match, _verdict(flow).lower(), *self._context.values(flow)))


class _World:
    def __init__(self, options: Mapping[str, str]) -> None:
        self._context = Context(options)
        names = {key.lower() for key in options}
        self._any_drop, self._port, self._syn_only = "any-drop" in names, "port" in names, "syn-only" in names
        labels = ("protocol", "verdict", *(("port",) if self._port else ()), *self._context.names)
        self._flows = Series(
            "hubble_flows_to_world_total", "Total number of flows to reserved:world", "counter", labels
        )
        self.metrics: tuple[Metric, ...] = (self._flows,)

    def take(self, flow: Any) -> None:
        layer = flow.l4.WhichOneof("protocol")
        if layer is None or "reserved:world" not in flow.destination.labels:
            return
        dropped, reply = flow.verdict == flow_pb2.DROPPED, flow.is_reply.value
        if dropped and not self._any_drop and flow.drop_reason_desc != flow_pb2.POLICY_DENIED:
            return
        if (not dropped and reply) or (self._syn_only and (not flow.l4.TCP.flags.SYN or reply)):
            return
        detail = getattr(flow.l4, layer)
        port = (str(detail.destination_port) if layer in ("TCP", "UDP", "SCTP") else "",) if self._port else ()
        self._flows.add((protocol_of(flow), _verdict(flow), *port, *self._context.values(flow)))


HANDLERS: Final[Mapping[str, Callable[[Mapping[str, str]], Handler]]] = {
    "dns": _Dns,
    "drop": _Drops,
    "flow": _Flows,
    "flows-to-world": _World,
    "http": _Http,
    "httpV2": _HttpSecond,
    "icmp": _Icmp,
    "policy": _Policy,
    "port-distribution": _Ports,
    "tcp": _Tcp,
}
