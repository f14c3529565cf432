"""Watching CiliumEndpoints, to keep a history of who has which address and identity.

The same life as the follower of flows (one thread while somebody listens, reconnecting, saying why), with another
stream: list, then watch. It needs no Hubble.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from lab_helpers.clusters import Cluster
from lab_helpers.views.identities.histories import History, Sight, sight_of
from lab_helpers.views.identities.reading import nodes_of
from lab_helpers.views.identities.snapshots import called
from lab_helpers.views.live.diagnosing import diagnose
from lab_helpers.views.live.following import Batch, Follower, Subscription
from lab_helpers.views.live.sharing import PerCluster
from lab_helpers.views.live.statuses import LIVE, State, Status

__all__ = ["EndpointFollower", "endpoints_of"]

_ROUND: Final = 30
"""Seconds after which a watch is begun anew."""
_GROUP: Final = ("cilium.io", "v2", "ciliumendpoints")


class EndpointFollower(Follower):
    """``history`` and ``endpoints`` (the objects, by ``namespace/name``) are values, replaced at every event. Listeners
    get empty batches: something changed.
    """

    def __init__(self, find: Callable[[], Cluster], *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(find, capacity=1, diagnose=_diagnose)
        self.history = History()
        self.endpoints: Mapping[str, Mapping[str, Any]] = {}
        self._clock = clock
        self._response: Any = None
        self._nodes: dict[str, str] = {}
        self._status = Status(State.CONNECTING, "asking the API server")

    def leave(self, subscription: Subscription) -> None:
        """The last one ends the watch at once, not when the server does."""
        super().leave(subscription)
        if not self._listeners:
            self._hang_up()

    def stop(self, timeout: float = 2.0) -> None:
        """End the thread, whoever listens: a kernel that exits must not leave it in the middle of a read."""
        thread = self._thread
        self._wanted.clear()
        self._hang_up()
        if thread is not None:
            thread.join(timeout)

    def _hang_up(self) -> None:
        """Wake the thread from its read: the other end seems to have gone."""
        response, self._response = self._response, None
        if response is None:
            return
        with contextlib.suppress(OSError, ValueError, AttributeError):  # it may be closed already
            twin = socket.fromfd(response.fileno(), socket.AF_INET, socket.SOCK_STREAM)
            with twin:
                twin.shutdown(socket.SHUT_RDWR)

    def _stream(self, wanted: threading.Event) -> None:
        from kubernetes import client, watch

        with self.find().api() as api:
            custom = client.CustomObjectsApi(api)

            @functools.wraps(custom.list_cluster_custom_object)
            def listen(*arguments: Any, **options: Any) -> Any:
                response = self._response = custom.list_cluster_custom_object(*arguments, **options)
                if not wanted.is_set():
                    self._hang_up()
                return response

            self._nodes = _node_names(api)
            while wanted.is_set():
                listed = custom.list_cluster_custom_object(*_GROUP, _request_timeout=5)
                self.took(listed.get("items") or ())
                self._say(LIVE, settled=True)
                if not wanted.is_set():
                    return
                events = watch.Watch().stream(
                    listen,
                    *_GROUP,
                    resource_version=str(listed["metadata"]["resourceVersion"]),
                    timeout_seconds=_ROUND,
                    _request_timeout=(5, _ROUND + 10),
                )
                with contextlib.closing(events):
                    for event in events:
                        self.happened(event["type"], event["object"])
                        if not wanted.is_set():
                            return

    def took(self, endpoints: Any) -> None:
        """All endpoints there are."""
        self.endpoints = {called(item): item for item in endpoints}
        sights = [sight for item in self.endpoints.values() if (sight := self._sight(item)) is not None]
        self._become(self.history.as_of(sights, self._clock()))

    def happened(self, event: str, endpoint: Mapping[str, Any]) -> None:
        """One event of a watch: ADDED, MODIFIED, DELETED; others are ignored."""
        now, name = self._clock(), called(endpoint)
        if event == "DELETED":
            self.endpoints = {other: item for other, item in self.endpoints.items() if other != name}
            self._become(self.history.gone(name, now))
        elif event in ("ADDED", "MODIFIED"):
            self.endpoints = {**self.endpoints, name: endpoint}
            if (sight := self._sight(endpoint)) is not None:
                self._become(self.history.seen(sight, now))

    def _sight(self, endpoint: Mapping[str, Any]) -> Sight | None:
        return sight_of(endpoint, self._nodes)

    def _become(self, history: History) -> None:
        if history.tenures != self.history.tenures:
            self.history = history
            for listener in self._listeners:
                if not listener.ended:
                    listener.flows(Batch(0, ()))


def _node_names(api: Any) -> dict[str, str]:
    return {
        str(address.get("address")): str(node["metadata"]["name"])
        for node in nodes_of(api)
        for address in (node.get("status") or {}).get("addresses") or ()
    }


def _diagnose(find: Callable[[], Cluster], failure: str) -> Status:
    """The same as for flows, but Hubble's absence is no reason here."""
    found = diagnose(find, failure)
    if found.state is not State.NO_HUBBLE:
        return found
    return Status(State.GONE, f"the API server ended the watch: {failure or 'no reason given'}", "`cilium-labs status`")


def _made(find: Callable[[], Cluster]) -> EndpointFollower:
    follower = EndpointFollower(find)
    atexit.register(follower.stop)
    return follower


_followers = PerCluster(_made)


def endpoints_of(cluster: Cluster) -> EndpointFollower:
    """The one follower of a cluster's endpoints in this process."""
    return _followers.of(cluster)
