"""Why a flow's connection is allowed or denied: the policy engine's walk, over the cluster's own pods and policies.

The same engine and words as ``cilium-labs policy why``. It answers by the policies of now: where that is not what the
flow met, the answer says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab_helpers.clusters import Cluster
from lab_helpers.views.display import Tones
from lab_helpers.views.panels import Detail, Panel

if TYPE_CHECKING:
    from lab_helpers.hubble.protos.flow_pb2 import Flow

__all__ = ["reason"]


def reason(cluster: Cluster, flow: Flow) -> Panel:
    """The answer. Reads the cluster's objects, so it takes a moment. Raises ClusterError when it does not answer."""
    from lab_helpers.clusters.policy_inputs import flow_record, read_cluster
    from lab_helpers.policy.errors import PolicyEngineError
    from lab_helpers.policy.explaining import Question, explain
    from lab_helpers.policy.explanations import explanation_lines
    from lab_helpers.policy.recorded_flows import end_endpoint

    inventory = read_cluster(cluster)
    ports = {f"{member.namespace}/{member.name}": member.endpoint.named_ports for member in inventory.members}
    record = flow_record(_as_asked(flow), ports)
    if record is None:
        line = (
            "Policy does not decide about this event: it was seen before the Service's address was translated, or "
            "it has no port, or it is the answer of a proxy. Look at the flow of the same connection that follows."
        )
        return Panel("Why", Tones.NOTE.value, "not a decision", (line,))
    source, target = (end_endpoint(inventory.repository, end) for end in (record.source, record.target))
    question = Question(source, target, record.protocol, record.port, record.http, record.dns)
    try:
        explanation = explain(inventory.repository, question)
    except PolicyEngineError as error:
        return Panel("Why", Tones.NOTE.value, "no answer", (str(error),))
    text = "\n".join(explanation_lines(explanation))
    lines = ["By the policies as they are now."]
    if explanation.allowed == record.dropped:
        met = "dropped" if record.dropped else "let through"
        lines.append(f"The flow itself was {met}: policies have changed since, or something else than policy decided.")
    tone, word = (Tones.GOOD, "allowed") if explanation.allowed else (Tones.BAD, "denied")
    return Panel("Why", tone.value, word, tuple(lines), (), (Detail("", text),))


def _as_asked(flow: Flow) -> Flow:
    """A reply as the request it answers: policy decides about who began."""
    if not flow.is_reply.value or flow.HasField("l7"):
        return flow
    from lab_helpers.hubble.protos import flow_pb2

    asked = flow_pb2.Flow()
    asked.CopyFrom(flow)
    asked.source.CopyFrom(flow.destination)
    asked.destination.CopyFrom(flow.source)
    asked.IP.source, asked.IP.destination = flow.IP.destination, flow.IP.source
    del asked.source_names[:], asked.destination_names[:]
    asked.source_names.extend(flow.destination_names)
    asked.destination_names.extend(flow.source_names)
    name = flow.l4.WhichOneof("protocol")
    if name in ("TCP", "UDP", "SCTP"):
        was, now = getattr(flow.l4, name), getattr(asked.l4, name)
        now.source_port, now.destination_port = was.destination_port, was.source_port
    asked.is_reply.value = False
    return asked
