"""Watching CiliumEndpoints, to keep a history of who has which address and identity.

The same life as the follower of flows (one thread while somebody listens, reconnecting, saying why), with another
stream: list, then watch. It needs no Hubble.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from lab_helpers.clusters import Cluster, Home, connect
from lab_helpers.views.identities.histories import History, Sight, sight_of
from lab_helpers.views.identities.reading import nodes_of
from lab_helpers.views.live.diagnosing import diagnose
from lab_helpers.views.live.following import Batch, Follower
from lab_helpers.views.live.statuses import LIVE, State, Status

__all__ = ["EndpointFollower", "endpoints_of"]

_ROUND: Final = 30
"""Seconds after which a watch is begun anew; a thread that is no longer wanted ends by then."""
_GROUP: Final = ("cilium.io", "v2", "ciliumendpoints")


class EndpointFollower(Follower):
    """``history`` is a value, replaced at every event. Listeners get empty batches: something changed."""

    def __init__(self, find: Callable[[], Cluster], *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(find, capacity=1, diagnose=_diagnose)
        self.history = History()
        self._clock = clock
        self._nodes: dict[str, str] = {}
        self._status = Status(State.CONNECTING, "asking the API server")

    def _stream(self, wanted: threading.Event) -> None:
        from kubernetes import client, watch

        with self.find().api() as api:
            custom = client.CustomObjectsApi(api)
            self._nodes = _node_names(api)
            while wanted.is_set():
                listed = custom.list_cluster_custom_object(*_GROUP, _request_timeout=5)
                self.took(listed.get("items") or ())
                self._say(LIVE, settled=True)
                for event in watch.Watch().stream(
                    custom.list_cluster_custom_object,
                    *_GROUP,
                    resource_version=str(listed["metadata"]["resourceVersion"]),
                    timeout_seconds=_ROUND,
                    _request_timeout=(5, _ROUND + 10),
                ):
                    self.happened(event["type"], event["object"])
                    if not wanted.is_set():
                        return

    def took(self, endpoints: Any) -> None:
        """All endpoints there are."""
        sights = [sight for item in endpoints if (sight := self._sight(item)) is not None]
        self._become(self.history.as_of(sights, self._clock()))

    def happened(self, event: str, endpoint: Mapping[str, Any]) -> None:
        """One event of a watch: ADDED, MODIFIED, DELETED; others are ignored."""
        now = self._clock()
        metadata = endpoint.get("metadata") or {}
        if event == "DELETED":
            self._become(self.history.gone(f"{metadata.get('namespace')}/{metadata.get('name')}", now))
        elif event in ("ADDED", "MODIFIED") and (sight := self._sight(endpoint)) is not None:
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


_followers: dict[tuple[str, str], EndpointFollower] = {}
_guard = threading.Lock()


def endpoints_of(cluster: Cluster) -> EndpointFollower:
    """The one follower of a cluster's endpoints in this process."""
    key = (str(cluster.state_dir), cluster.context)
    with _guard:
        if key not in _followers:
            home = Home(cluster.state_dir)
            _followers[key] = EndpointFollower(lambda: connect(home))
        return _followers[key]
