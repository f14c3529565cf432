"""Flow validation: does Hubble show what an action should have caused? (cilium-cli connectivity/check/action.go)

Flows are asked from Relay for the time since a test began, by the times of flows themselves, so that clocks need not
agree. The monitor aggregates: SYN-ACK and FIN may be missing, so the SYN counts, a drop, and the proxy's report.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from lab_helpers.tools.cilium.connectivity.actions import Action
from lab_helpers.tools.cilium.connectivity.deployments import HOSTS

if TYPE_CHECKING:
    from lab_helpers.hubble.client import HubbleClient
    from lab_helpers.hubble.protos.flow_pb2 import Flow

_MOST = 20_000
_ECHO_REPLY = 0
_DNS = 53


class Need(NamedTuple):
    """One thing that must (or, with ``absent``, must not) be among the flows."""

    name: str
    absent: bool = False


def needs(action: Action) -> tuple[Need, ...]:
    """What the flows of an action shall show."""
    expect = action.expect
    first = (Need("DNS"),) if action.target.outside_by_name else ()
    if expect.dropped:
        return (*first, Need("Drop"))
    first = (*first, Need("SYN"), Need("Drop", absent=True))
    return (*first, Need(f"HTTP {expect.http}")) if expect.http else first


class Telescope:
    """Hubble Relay at an address."""

    def __init__(self, client: HubbleClient) -> None:
        self._client = client

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def count(self) -> tuple[int, int, int]:
        """Connected nodes, flows kept, flows at most. Raises HubbleError."""
        status = self._client.status()
        return status.num_connected_nodes.value, status.num_flows, status.max_flows

    def now(self) -> int | None:
        """The time of the newest flow in nanoseconds, None without any."""
        latest = [answer.flow.time.ToNanoseconds() + 1 for answer in self._client.flows(last=1)]
        return max(latest, default=None)

    def since(self, moment: int | None, namespace: str) -> list[Flow]:
        """Flows from and to pods of a namespace after a moment, oldest first."""
        from lab_helpers.hubble.protos import flow_pb2

        prefix = f"{namespace}/"
        own = [flow_pb2.FlowFilter(source_pod=[prefix]), flow_pb2.FlowFilter(destination_pod=[prefix])]
        answers = self._client.flows(last=_MOST, since=moment, allow=own)
        return [answer.flow for answer in answers if answer.WhichOneof("response_types") == "flow"]


def of_action(action: Action, said: str, flows: Sequence[Flow]) -> list[Flow]:
    """The flows of one action: of its own connection where curl told the port, else between the two ends.

    For a name outside the cluster the caller's lookups belong to it too.
    """
    port = _local_port(said) if action.target.port else 0
    return [flow for flow in flows if _belongs(flow, action, port)]


def _local_port(said: str) -> int:
    """``43210`` of ``10.0.1.5:43210 -> 10.0.1.7:8080 = 200``; 0 when the connection never came to be."""
    left = said.splitlines()[-1].partition(" -> ")[0].rpartition(":")[2] if said else ""
    return int(left) if left.isdigit() else 0


def _belongs(flow: Flow, action: Action, port: int) -> bool:
    mine, target = f"{action.source.namespace}/{action.source.name}", action.target
    ends = [(flow.source, flow.IP.source, 0), (flow.destination, flow.IP.destination, 1)]
    sender = next(
        (side for end, ip, side in ends if f"{end.namespace}/{end.pod_name}" == mine or ip == action.source.ip), None
    )
    if sender is None:
        return False
    layer4 = flow.l4.WhichOneof("protocol") or ""
    if layer4 == "UDP" and target.outside_by_name:
        return _DNS in (flow.l4.UDP.source_port, flow.l4.UDP.destination_port)
    if not target.port:
        peer = flow.IP.destination if sender == 0 else flow.IP.source
        answers = sender == 0 or flow.l4.ICMPv4.type == _ECHO_REPLY
        return layer4.startswith("ICMP") and target.address == peer and answers
    if layer4 != "TCP":
        return False
    numbers = (flow.l4.TCP.source_port, flow.l4.TCP.destination_port)
    if port:
        return numbers[sender] == port
    other = flow.destination if sender == 0 else flow.source
    same = f"{other.namespace}/{other.pod_name}" == target.pod if target.pod else not other.pod_name
    return same and numbers[1 - sender] == target.port


def lacking(action: Action, flows: Sequence[Flow]) -> list[str]:
    """What is wrong with the flows of an action, in words; empty when they show what was expected.

    The flows of calls from a node's own network are not looked at.
    """
    if action.source.labels.get("kind") == HOSTS:
        return []
    wrong = []
    for need in needs(action):
        found = [flow for flow in flows if _shows(flow, need.name, icmp=not action.target.port)]
        if need.absent and found:
            wrong.append(f"Found {need.name} flow: {_reason(found[0])}")
        elif not need.absent and not found:
            wrong.append(f"{need.name} not found")
    return wrong


def _reason(flow: Flow) -> str:
    from lab_helpers.hubble.protos import flow_pb2

    return str(flow_pb2.DropReason.Name(flow.drop_reason_desc))


def _shows(flow: Flow, what: str, *, icmp: bool) -> bool:
    from lab_helpers.hubble.protos import flow_pb2

    if what == "DNS":
        return flow.l4.WhichOneof("protocol") == "UDP"
    if what == "Drop":
        return bool(flow.verdict == flow_pb2.DROPPED and not flow.HasField("l7"))
    if what == "SYN":
        if icmp:
            return True
        flags = flow.l4.TCP.flags
        return bool(flow.verdict != flow_pb2.DROPPED and (flags.SYN or flow.HasField("l7")))
    return bool(flow.HasField("l7") and flow.l7.http.method == what.removeprefix("HTTP "))


def shown(flows: Sequence[Flow]) -> list[str]:
    """Flows as ``hubble observe`` prints them."""
    import io

    from lab_helpers.hubble.printing import Options, Output, Printer
    from lab_helpers.hubble.protos import observer_pb2

    out = io.StringIO()
    printer = Printer(Options(output=Output.COMPACT), out, None)
    for flow in flows:
        printer.response(observer_pb2.GetFlowsResponse(flow=flow))
    printer.close()
    return out.getvalue().splitlines()
