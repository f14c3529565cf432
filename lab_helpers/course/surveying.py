"""Looking at the cluster as a whole: flows by filter, identities, who reaches whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from lab_helpers.course.api import Api
from lab_helpers.course.errors import CourseError
from lab_helpers.course.fields import select
from lab_helpers.course.observing import FlowSource
from lab_helpers.course.probing import Probe, Prober
from lab_helpers.course.shopping import CLIENTS
from lab_helpers.course.workloads import Workload
from lab_helpers.views.display import Tones
from lab_helpers.views.flows import FlowTable, row
from lab_helpers.views.identities import IdentityRow, IdentityTable
from lab_helpers.views.matrices import Matrix
from lab_helpers.views.panels import Panel
from lab_helpers.views.verdicts import Outcome

__all__ = ["TARGETS", "agent_version", "flood", "flow_table", "identity_table", "reachability"]

TARGETS: Final[Mapping[str, str]] = {
    "backend:8080": "curl -s -o /dev/null --connect-timeout 1 http://backend.shop:8080/api/v1/products",
    "redis:6379": "nc -z -w 1 redis.shop 6379",
}
"""What the shop offers, and how a client tries it."""

_EVENT_TYPES: Final = {"drop": 1, "trace": 4, "policy-verdict": 5, "trace-sock": 7, "l7": 129}


def flow_table(source: FlowSource, last: int, filters: Mapping[str, Any]) -> FlowTable:
    """The last flows that pass all filters (see ``Lab.flows``), newest last. Raises CourseError for an unknown
    filter.
    """
    from lab_helpers.hubble.protos import observer_pb2

    request = observer_pb2.GetFlowsRequest(number=last, whitelist=_whitelist(filters))
    title = "Flows" + (" with " + ", ".join(f"{name} {value}" for name, value in filters.items()) if filters else "")
    try:
        found = source.flows(request)
    except Exception as error:  # noqa: BLE001 - whatever keeps Hubble from answering is what the learner needs to see
        first = str(error).splitlines()[0]
        return FlowTable((), title, f"Hubble cannot be asked: {first} (is Hubble Relay running? `cilium status`)")
    # Relay gives so many flows of each node
    return FlowTable(tuple(map(row, found))[-last:], title)


def _whitelist(filters: Mapping[str, Any]) -> list[Any]:
    """Filters of a side (``namespace``, ``pod``) match at either end, as ``hubble observe`` means them."""
    from lab_helpers.hubble.protos import flow_pb2

    either = {"namespace": "{}/", "pod": "{}"}
    one = {"to_pod": "destination_pod", "from_pod": "source_pod", "node": "node_name"}
    common: dict[str, Any] = {}
    sides: list[dict[str, Any]] = [{}]
    for name, value in filters.items():
        if name in either:
            text = either[name].format(value)
            sides = [{**side, end: [text]} for side in sides for end in ("source_pod", "destination_pod")]
        elif name in one:
            common[one[name]] = [value]
        elif name == "verdict":
            common["verdict"] = [flow_pb2.Verdict.Value(str(value).upper())]
        elif name == "label":
            sides = [{**side, end: [value]} for side in sides for end in ("source_label", "destination_label")]
        elif name == "port":
            sides = [{**side, end: [str(value)]} for side in sides for end in ("source_port", "destination_port")]
        elif name == "kind" and value in _EVENT_TYPES:
            common["event_type"] = [flow_pb2.EventTypeFilter(type=_EVENT_TYPES[value])]
        else:
            known = "namespace, pod, to_pod, from_pod, verdict, label, port, kind, node"
            raise CourseError(f'there is no filter "{name}={value}"', try_=f"one of: {known}")
    return [flow_pb2.FlowFilter(**common, **side) for side in sides] if filters else []


def flood(api: Api, source: str, url: str, requests: int) -> Panel:
    """Send many requests from one pod, one after the other, each on a connection of its own."""
    command = (
        f"n=0; ok=0; while [ $n -lt {requests} ]; do n=$((n+1)); "
        f"curl -s -o /dev/null --max-time 2 {url} && ok=$((ok+1)); done; echo $ok"
    )
    attempt = Prober(api).run(Probe(Workload.parse(source), command, timeout=600.0))
    if attempt.outcome is Outcome.NOT_RUN:
        return Panel(f"{source} was not busy", Tones.NOTE.value, "not run", (attempt.note,))
    answered = attempt.output.strip()
    line = f"{requests} requests in {attempt.seconds:.1f} s, {answered or 'none'} answered"
    return Panel(f"{source} was busy", Tones.PLAIN.value, "done", (line,))


def agent_version(api: Api) -> str:
    """The version of the agents' image, without ``v``; empty when Cilium is not installed."""
    agents = api.get("DaemonSet", "cilium", "kube-system")
    images = select(agents, "spec.template.spec.containers[?name=cilium-agent].image") if agents else []
    return str(images[0]).partition("@")[0].rpartition(":")[2].removeprefix("v") if images else ""


def identity_table(api: Api, namespaces: Iterable[str]) -> IdentityTable:
    """The identities of the pods of some namespaces, from their CiliumEndpoint objects, by number."""
    labels: dict[int, tuple[str, ...]] = {}
    pods: dict[int, list[str]] = {}
    for namespace in namespaces:
        for endpoint in api.list("CiliumEndpoint", namespace):
            status = endpoint.get("status", {})
            identity = status.get("identity", {})
            numeric = int(identity.get("id", 0))
            addresses = status.get("networking", {}).get("addressing") or [{}]
            labels[numeric] = tuple(sorted(map(str, identity.get("labels", ()))))
            pods.setdefault(numeric, []).append(
                f"{namespace}/{endpoint['metadata']['name']} ({addresses[0].get('ipv4', 'no address')})"
            )
    rows = tuple(IdentityRow(numeric, labels[numeric], tuple(pods[numeric])) for numeric in sorted(pods))
    return IdentityTable(rows, "Security identities in " + " and ".join(namespaces))


def reachability(api: Api) -> Matrix:
    """Every client of the story against everything the shop offers, all at once."""
    pairs = [(source, target) for source in CLIENTS for target in TARGETS]
    attempts = Prober(api).run_all([Probe(Workload.parse(source), TARGETS[target]) for source, target in pairs])
    cells = {pair: attempt.outcome for pair, attempt in zip(pairs, attempts, strict=True)}
    return Matrix(CLIENTS, tuple(TARGETS), cells, "Who reaches whom")
