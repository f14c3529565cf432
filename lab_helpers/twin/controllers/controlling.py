"""What every controller is made of: the parts it works with, and its place in the queue."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from lab_helpers.twin.clock import Clock
from lab_helpers.twin.controllers.dispatching import Dispatcher
from lab_helpers.twin.controllers.events import Recorder
from lab_helpers.twin.controllers.indexes import Indexes
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Change, Key, Object

__all__ = ["Controller", "Parts", "key_of"]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a controller needs."""

    registry: Registry
    clock: Clock
    indexes: Indexes
    dispatcher: Dispatcher
    recorder: Recorder


def key_of(resource: str, item: Object) -> Key:
    """The storage key of an object."""
    metadata = item["metadata"]
    return Key(resource, metadata.get("namespace", ""), metadata["name"])


class Controller(ABC):
    """Hears of changes (``observe``), queues keys, brings one object at a time to its wished state (``reconcile``)."""

    name: str
    primary: ClassVar[str]
    watches: ClassVar[frozenset[str]]
    """Resources whose changes ``observe`` is told; empty means all."""

    def __init__(self, parts: Parts) -> None:
        self.registry = parts.registry
        self.clock = parts.clock
        self.indexes = parts.indexes
        self.recorder = parts.recorder
        self._dispatcher = parts.dispatcher

    def prime(self) -> None:
        """Queue everything there is, once, at the start."""
        for item in self.registry.list(self.primary):
            self.enqueue(key_of(self.primary, item))

    def enqueue(self, key: Key, delay: float = 0.0) -> None:
        """Have ``key`` reconciled soon, or after ``delay`` clock seconds."""
        self._dispatcher.later(self, key, delay)

    @abstractmethod
    def observe(self, change: Change) -> None:
        """Queue what the change concerns; must not write."""

    @abstractmethod
    def reconcile(self, key: Key) -> None:
        """Bring the object to its wished state; it may be gone."""

    def write_status(self, resource: str, item: Object, status: Mapping[str, Any]) -> None:
        """Replace the status if it differs; a later write by somebody else raises Conflict and is retried."""
        if item.get("status") == status:
            return
        metadata = item["metadata"]
        head = {"name": metadata["name"], "resourceVersion": metadata["resourceVersion"]}
        if "namespace" in metadata:
            head["namespace"] = metadata["namespace"]
        self.registry.update(resource, {"metadata": head, "status": dict(status)}, subresource="status")

    def enqueue_controller(self, item: Object, kind: str, resource: str) -> None:
        """Queue the controller of ``item`` if it is a ``kind``."""
        for reference in item["metadata"].get("ownerReferences") or ():
            if reference.get("controller") and reference["kind"] == kind:
                self.enqueue(Key(resource, item["metadata"].get("namespace", ""), reference["name"]))
