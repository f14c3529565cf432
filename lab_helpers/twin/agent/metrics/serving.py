"""Which metrics servers an agent opens, by its configuration (``prometheus-serve-addr``, ``hubble-metrics-server``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from lab_helpers.twin.agent.webserving import Answer, http_handler
from lab_helpers.twin.interfaces import StreamHandler

if TYPE_CHECKING:
    from lab_helpers.twin.agent.agents import Agents
    from lab_helpers.twin.agent.metrics.series import Metric
    from lab_helpers.twin.agent.nodeagents import NodeAgent

__all__ = ["metrics_ports"]


def _port(address: str) -> int:
    """The port of ``:9962`` or ``0.0.0.0:9962``; 0 when there is none."""
    text = address.rpartition(":")[2]
    return int(text) if text.isdigit() else 0


def _answer(metrics: Callable[[], Iterable[Metric]]) -> Answer:
    def answer() -> tuple[int, str, str]:
        from lab_helpers.twin.agent.metrics.exposing import metrics_answer

        return metrics_answer(metrics)()

    return answer


def metrics_ports(agents: Agents, agent: NodeAgent) -> dict[int, StreamHandler]:
    """Port → server of ``/metrics``, empty when none is configured. The agent must have been started."""
    found: dict[int, StreamHandler] = {}
    raw = agent.settings.raw
    own = _port(raw.get("prometheus-serve-addr", ""))
    if own:

        def agent_metrics() -> Iterable[Metric]:
            from lab_helpers.twin.agent.metrics.agentmetrics import agent_metrics

            return agent_metrics(agents, agent)

        found[own] = http_handler({"/metrics": _answer(agent_metrics)})
        agent.log.info("Serving prometheus metrics", address=raw["prometheus-serve-addr"])
    hubble = _port(raw.get("hubble-metrics-server", ""))
    metrics = agent.flow_metrics
    if hubble and metrics is not None:
        if raw.get("hubble-metrics-server-enable-tls", "false") == "true":
            agent.log.error(
                "Hubble metrics over TLS are not simulated: set hubble.metrics.tls.enabled=false", address=f":{hubble}"
            )
        else:
            found[hubble] = http_handler({"/metrics": _answer(lambda: metrics)})
            agent.log.info("Starting Hubble Metrics server", address=raw["hubble-metrics-server"], tls=False)
    return found
