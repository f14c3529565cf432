"""What an agent tells Hubble and the monitor about itself (pkg/monitor/api, AgentNotify)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lab_helpers.twin.clock import Clock

if TYPE_CHECKING:
    from lab_helpers.hubble.serving.nodelogs import NodeLog

__all__ = ["Notifier"]


class Notifier:
    """Makes ``flow_pb2.AgentEvent`` messages. Without a ``log`` and without listeners nothing is made."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.log: NodeLog | None = None
        self.listeners: list[Callable[[Any], None]] = []

    def started(self) -> None:
        """The agent is at work."""
        if self._wanted():
            event = self._event("AGENT_STARTED")
            event.agent_start.time.FromDatetime(self._clock.now())
            self._tell(event)

    def policy(self, labels: Sequence[str], revision: int, rules: int, *, deleted: bool) -> None:
        """A policy object was imported or removed."""
        if self._wanted():
            event = self._event("POLICY_DELETED" if deleted else "POLICY_UPDATED")
            update = event.policy_update
            update.labels.extend(labels)
            update.revision, update.rule_count = revision, rules
            self._tell(event)

    def regenerated(self, number: int, labels: Sequence[str]) -> None:
        """An endpoint's policy was realized."""
        if self._wanted():
            event = self._event("ENDPOINT_REGENERATE_SUCCESS")
            event.endpoint_regenerate.id = number
            event.endpoint_regenerate.labels.extend(labels)
            self._tell(event)

    def endpoint(self, number: int, labels: Sequence[str], pod: str, namespace: str, *, deleted: bool) -> None:
        """An endpoint came or went."""
        if self._wanted():
            event = self._event("ENDPOINT_DELETED" if deleted else "ENDPOINT_CREATED")
            update = event.endpoint_update
            update.id, update.pod_name, update.namespace = number, pod, namespace
            update.labels.extend(labels)
            self._tell(event)

    def _wanted(self) -> bool:
        return self.log is not None or bool(self.listeners)

    @staticmethod
    def _event(kind: str) -> Any:
        from lab_helpers.hubble.protos import flow_pb2

        return flow_pb2.AgentEvent(type=flow_pb2.AgentEventType.Value(kind))

    def _tell(self, event: Any) -> None:
        if self.log is not None:
            self.log.add_agent_event(event)
        for listener in self.listeners:
            listener(event)
