"""Context options of Hubble's metrics: which labels say who talked to whom (pkg/hubble/metrics/api/context.go)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from lab_helpers.hubble.protos import flow_pb2

__all__ = ["Context", "MetricsConfigError"]

_SHORT_POD: Final = re.compile(r"^(.+?)(-[a-z0-9]+){1,2}$")
_APPS: Final = ("k8s:app.kubernetes.io/name", "k8s:k8s-app", "k8s:app")
_ENDS: Final = ("ip", "pod", "namespace", "workload", "workload_kind", "app")
_LABELS: Final = (*(f"{end}_{name}" for end in ("source", "destination") for name in _ENDS), "traffic_direction")
_OPTIONS: Final = {
    "sourcecontext": "source",
    "sourceegresscontext": "source-egress",
    "sourceingresscontext": "source-ingress",
    "destinationcontext": "destination",
    "destinationegresscontext": "destination-egress",
    "destinationingresscontext": "destination-ingress",
}


class MetricsConfigError(ValueError):
    """``hubble-metrics`` names something that does not exist."""


def _reserved(labels: list[str]) -> str:
    if "reserved:kube-apiserver" in labels:
        return "reserved:kube-apiserver"
    return next((label for label in labels if label.startswith("reserved:")), "")


def _app(labels: list[str]) -> str:
    for label in labels:
        name, _, value = label.partition("=")
        if name in _APPS and value:
            return value
    return ""


class _End(NamedTuple):
    """One end of a flow: its ``flow_pb2.Endpoint``, its DNS names, its address."""

    endpoint: Any
    names: Sequence[str]
    ip: str

    @property
    def workload(self) -> str:
        return self.endpoint.workloads[0].name if self.endpoint.workloads else ""

    @property
    def workload_kind(self) -> str:
        return self.endpoint.workloads[0].kind if self.endpoint.workloads else ""

    def within(self, name: str) -> str:
        """``namespace/name``."""
        return f"{self.endpoint.namespace}/{name}" if self.endpoint.namespace else name


_IDENTIFIERS: Final[Mapping[str, Callable[[_End], str]]] = {
    "identity": lambda end: ",".join(end.endpoint.labels),
    "namespace": lambda end: end.endpoint.namespace,
    "pod": lambda end: end.within(end.endpoint.pod_name),
    "pod-short": lambda end: end.within(_SHORT_POD.sub(r"\1", end.endpoint.pod_name)),
    "pod-name": lambda end: end.endpoint.pod_name,
    "dns": lambda end: ",".join(end.names),
    "ip": lambda end: end.ip,
    "reserved-identity": lambda end: _reserved(list(end.endpoint.labels)),
    "workload": lambda end: end.within(end.workload) if end.workload else "",
    "workload-name": lambda end: end.workload,
    "app": lambda end: _app(list(end.endpoint.labels)),
}
_PARTS: Final[Mapping[str, Callable[[_End], str]]] = {
    **{name: _IDENTIFIERS[name] for name in ("ip", "namespace", "app")},
    "pod": lambda end: end.endpoint.pod_name,
    "workload": lambda end: end.workload,
    "workload_kind": lambda end: end.workload_kind,
}


class Context:
    """The context labels of one metric. Raises MetricsConfigError for an unknown identifier or label."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self._identifiers: dict[str, tuple[str, ...]] = {}
        self._labels: tuple[str, ...] = ()
        for key, value in options.items():
            name = key.lower()
            if name in _OPTIONS:
                found = tuple(part.lower() for part in value.split("|"))
                unknown = [part for part in found if part not in _IDENTIFIERS]
                if unknown:
                    raise MetricsConfigError(f"unknown context '{unknown[0]}'")
                self._identifiers[_OPTIONS[name]] = found
            elif name == "labelscontext":
                wanted = value.split(",")
                wrong = [label for label in wanted if label not in _LABELS]
                if wrong:
                    raise MetricsConfigError(f"invalid labelsContext value: {wrong[0]}")
                self._labels = tuple(label for label in _LABELS if label in wanted)
        ends = tuple(
            end for end in ("source", "destination") if any(key.partition("-")[0] == end for key in self._identifiers)
        )
        self.names = (*self._labels, *ends)
        """The names of the labels; ``values`` gives theirs in the same order."""
        self._used = ends

    def values(self, flow: Any, *, invert: bool = False) -> tuple[str, ...]:
        """``invert``: the flow is an answer, but the labels shall name who asked as the source."""
        if not self.names:
            return ()
        ends = {
            "source": _End(flow.source, flow.source_names, flow.IP.source),
            "destination": _End(flow.destination, flow.destination_names, flow.IP.destination),
        }
        if invert:
            ends = {"source": ends["destination"], "destination": ends["source"]}
        direction = flow_pb2.TrafficDirection.Name(flow.traffic_direction).lower()
        direction = direction if flow.traffic_direction else "unknown"
        found = []
        for label in self._labels:
            which, _, what = label.partition("_")
            found.append(direction if which == "traffic" else _PARTS[what](ends[which]))
        for end in self._used:
            identifiers = self._identifiers.get(f"{end}-{direction}") or self._identifiers.get(end) or ()
            texts = (_IDENTIFIERS[identifier](ends[end]) for identifier in identifiers)
            found.append(next((text for text in texts if text), ""))
        return tuple(found)
