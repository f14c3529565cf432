"""Kubernetes Events as components write them, repeated ones counted (k8s.io/client-go tools/record).

An event lives for an hour, the API server's ``--event-ttl``.
"""

from __future__ import annotations

import itertools
import logging
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from lab_helpers.twin.clock import Clock, Timer, timestamp
from lab_helpers.twin.objects.errors import StatusError
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Object

__all__ = ["Recorder"]

log = logging.getLogger(__name__)

TTL = timedelta(hours=1)
SWEEP = 60.0
REMEMBERED = 4_096


class _Same(NamedTuple):
    """What two occurrences share when they are counted in one Event."""

    uid: str
    field: str
    component: str
    host: str
    kind: str
    reason: str
    message: str


class Recorder:
    """Writes Events about objects. A refused write (its namespace is going away) is logged, never raised."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._known: OrderedDict[_Same, str] = OrderedDict()
        self._order = itertools.count()
        self._sweeper: Timer | None = None

    def start(self) -> None:
        """Begin to remove events that are older than an hour."""
        self._sweeper = self._clock.call_later(SWEEP, self._sweep)

    def stop(self) -> None:
        """Remove no more."""
        if self._sweeper is not None:
            self._sweeper.cancel()

    def event(
        self,
        item: Object,
        reason: str,
        message: str,
        *,
        component: str,
        host: str = "",
        kind: str = "Normal",
        field: str = "",
    ) -> None:
        """Record that ``reason`` happened to ``item``. ``field`` names a part of it, ``spec.containers{web}``."""
        metadata = item["metadata"]
        same = _Same(metadata["uid"], field, component, host, kind, reason, message)
        namespace = metadata.get("namespace") or "default"
        try:
            if not self._count(same, namespace):
                self._create(same, namespace, item)
        except StatusError as error:
            log.info("event %s about %s/%s not stored: %s", reason, namespace, metadata["name"], error.message)

    def _count(self, same: _Same, namespace: str) -> bool:
        name = self._known.get(same)
        if name is None or self._registry.find("events", name, namespace) is None:
            return False
        draft = self._registry.draft("events", name, namespace)
        draft["count"] = draft.get("count", 1) + 1
        draft["lastTimestamp"] = self._clock.timestamp()
        self._registry.update("events", draft)
        self._known.move_to_end(same)
        return True

    def _create(self, same: _Same, namespace: str, item: Object) -> None:
        now = self._clock.now()
        name = f"{item['metadata']['name']}.{int(now.timestamp() * 1e9) + next(self._order):x}"
        involved: dict[str, Any] = {
            "kind": item["kind"],
            "namespace": item["metadata"].get("namespace", ""),
            "name": item["metadata"]["name"],
            "uid": same.uid,
            "apiVersion": item["apiVersion"],
            "resourceVersion": item["metadata"].get("resourceVersion", ""),
            "fieldPath": same.field,
        }
        body = {
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {key: value for key, value in involved.items() if value},
            "reason": same.reason,
            "message": same.message,
            "source": {"component": same.component, **({"host": same.host} if same.host else {})},
            "firstTimestamp": timestamp(now),
            "lastTimestamp": timestamp(now),
            "count": 1,
            "type": same.kind,
            "eventTime": None,
            "reportingComponent": same.component,
            "reportingInstance": same.host,
        }
        self._registry.create("events", body, namespace)
        self._known[same] = name
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def _sweep(self) -> None:
        oldest = self._clock.now() - TTL
        for item in self._registry.list("events"):
            last = item.get("lastTimestamp") or item.get("eventTime") or item["metadata"]["creationTimestamp"]
            if datetime.fromisoformat(last) < oldest:
                self._registry.delete("events", item["metadata"]["name"], item["metadata"]["namespace"])
        self._sweeper = self._clock.call_later(SWEEP, self._sweep)
