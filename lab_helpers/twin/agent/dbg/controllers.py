"""The agent's controllers: what runs again and again, for the node and for every endpoint (pkg/controller).

When a controller ran last, and how often, follows from its interval and from when it was started.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from lab_helpers.twin.agent.dbg.durations import go_duration
from lab_helpers.twin.agent.endpoints import ManagedEndpoint
from lab_helpers.twin.agent.names import GC_INTERVAL
from lab_helpers.twin.agent.nodeagents import NodeAgent

__all__ = ["Controller", "controller_rows", "controllers", "endpoint_controllers"]

_NAMESPACE: Final = uuid.UUID("0a3a36b2-5b0f-4a27-8f8e-3a0c2f3c6b11")
_NODE: Final = (
    ("cilium-health-ep", 60.0),
    ("ct-map-pressure", 30.0),
    ("daemon-validate-config", 60.0),
    ("dns-garbage-collector-job", GC_INTERVAL),
    ("endpoint-gc", 300.0),
    ("ipcache-inject-labels", 60.0),
    ("k8s-heartbeat", 30.0),
    ("metricsmap-bpf-prom-sync", 5.0),
    ("sync-host-ips", 60.0),
    ("sync-lb-maps-with-k8s-services", 0.0),
    ("write-cni-file", 0.0),
)


class Controller(NamedTuple):
    """``interval`` in seconds, 0: runs once; ``age``: seconds since it was started; ``ran``: False when nothing asked
    it to run yet.
    """

    name: str
    interval: float
    age: float
    ran: bool = True

    @property
    def successes(self) -> int:
        """How often it ran; none failed, for nothing here can."""
        if not self.ran:
            return 0
        return 1 + (int(self.age // self.interval) if self.interval else 0)

    @property
    def since(self) -> float:
        """Seconds since it ran last."""
        return self.age % self.interval if self.interval else self.age

    def model(self, now: datetime) -> dict[str, Any]:
        """The ControllerStatus of the agent's REST API."""
        never = "0001-01-01T00:00:00.000Z"
        last = (now - timedelta(seconds=self.since)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "configuration": {"error-retry": True, "interval": go_duration(self.interval)},
            "name": self.name,
            "status": {
                "last-failure-timestamp": never,
                "last-success-timestamp": last if self.ran else never,
                "success-count": self.successes,
            },
            "uuid": str(uuid.uuid5(_NAMESPACE, self.name)),
        }


def _age(agent: NodeAgent, stamp: str) -> float:
    started = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return max(0.0, (agent.clock.now() - started).total_seconds())


def endpoint_controllers(agent: NodeAgent, endpoint: ManagedEndpoint) -> list[Controller]:
    """Those of one endpoint."""
    number, age = endpoint.id, _age(agent, max(endpoint.created, agent.started_at))
    found = [
        Controller(f"endpoint-{number}-regeneration-recovery", 0.0, age, ran=False),
        Controller(f"resolve-identity-{number}", 300.0, age),
        Controller(f"sync-policymap-{number}", 900.0, age),
    ]
    if endpoint.kind == "pod":
        found.append(Controller(f"resolve-labels-{endpoint.name}", 0.0, age))
        found.append(Controller(f"sync-to-k8s-ciliumendpoint ({number})", 10.0, age))
    return sorted(found)


def controllers(agent: NodeAgent) -> list[Controller]:
    """All of the agent, by name."""
    age = _age(agent, agent.started_at)
    found = [Controller(name, interval, age) for name, interval in _NODE]
    for endpoint in agent.endpoints.values():
        found += endpoint_controllers(agent, endpoint)
    return sorted(found)


def controller_rows(agent: NodeAgent) -> list[str]:
    """Lines of ``status --verbose`` and ``--all-controllers``, cells separated by tabs."""
    rows = ["  Name\tLast success\tLast error\tCount\tMessage"]
    for controller in controllers(agent):
        last = f"{_span(controller.since)} ago" if controller.ran else "never"
        rows.append(f"  {controller.name}\t{last}\tnever\t0\tno error\t")
    return rows


def _span(seconds: float) -> str:
    """``1m5s``, as Go prints a duration of whole seconds."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes or hours else "") + f"{rest}s"
