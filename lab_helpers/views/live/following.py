"""The follower: the flows of one cluster as they happen, for all live views of a kernel.

One daemon thread with one stream from Hubble Relay, for as long as somebody listens. It hands out batches, ten a second
however many flows there are, the first after a quiet time sooner; when the stream ends it says why, and tries again
until the cluster is back.

::

    follower = follower_of(cluster)
    subscription = follower.subscribe(flows=lambda batch: …, status=lambda status: …)
    subscription.end()

Listeners are called from the follower's thread (``status`` once more at once, from the caller's). They must be quick.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lab_helpers.clusters import Cluster, ClusterError
from lab_helpers.hubble.errors import CallError
from lab_helpers.hubble.records import Record
from lab_helpers.views.live.diagnosing import diagnose
from lab_helpers.views.live.pacing import Pace
from lab_helpers.views.live.rings import CAPACITY, FlowRing
from lab_helpers.views.live.sharing import PerCluster
from lab_helpers.views.live.statuses import CONNECTING, LIVE, Status

if TYPE_CHECKING:
    from lab_helpers.hubble.calling import Stream
    from lab_helpers.hubble.protos.observer_pb2 import GetFlowsResponse

__all__ = ["Batch", "Follower", "Subscription", "follower_of"]

HISTORY: Final = 10_000
"""Flows asked for at first, of each node."""
INTERVAL: Final = 0.1
"""Seconds between two batches while flows keep coming."""
MOST: Final = 4_000
"""Flows in a batch."""
_STEP: Final = 0.25
"""Seconds after which a quiet thread looks whether it is still wanted."""
_QUIET: Final = 0.1
"""Seconds without a flow after which what there was has arrived, where nobody knows how much that is."""
_MISSING: Final = 1.0
"""The same where Hubble counts more than it has sent: the ring of a real agent counts other events, too."""
_BACKLOG: Final = 5.0
"""Seconds after which nobody waits for the rest of what there was."""
_BACKOFF: Final = (0.25, 0.5, 1.0, 2.0, 3.0)
_REMEMBERED: Final = 4_096


@dataclass(frozen=True, slots=True)
class Batch:
    """New flows, oldest first. ``first`` is the number of the first in the ring, ``lost`` how many Hubble lost."""

    first: int
    records: tuple[Record, ...]
    lost: int = 0


@dataclass(eq=False)
class Subscription:
    """One listener. ``end`` may be called from anywhere, and again."""

    follower: Follower
    flows: Callable[[Batch], None]
    status: Callable[[Status], None]
    ended: bool = field(default=False, init=False)

    def end(self) -> None:
        """Stop listening; the last one turns off the light."""
        self.ended = True
        self.follower.leave(self)


class Follower:
    """See the module. ``find`` gives the cluster as it is now: after a restart its address may be another."""

    def __init__(
        self,
        find: Callable[[], Cluster],
        *,
        capacity: int = CAPACITY,
        history: int = HISTORY,
        diagnose: Callable[[Callable[[], Cluster], str], Status] = diagnose,
    ) -> None:
        self.find = find
        self.ring = FlowRing(capacity)
        self.lost = 0
        self._history = history
        self._diagnose = diagnose
        self._status = CONNECTING
        self._listeners: tuple[Subscription, ...] = ()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wanted = threading.Event()
        self._settled = threading.Event()
        self._recent: deque[str] = deque(maxlen=_REMEMBERED)
        self._newest = 0

    @property
    def status(self) -> Status:
        """The state of affairs."""
        return self._status

    @property
    def running(self) -> bool:
        """Is there a thread?"""
        return self._thread is not None and self._thread.is_alive()

    def subscribe(self, flows: Callable[[Batch], None], status: Callable[[Status], None]) -> Subscription:
        """Listen from now on; what came before is in ``ring``."""
        subscription = Subscription(self, flows, status)
        with self._lock:
            self._listeners = (*self._listeners, subscription)
            if not self.running:
                self._wanted, self._settled = threading.Event(), threading.Event()
                self._wanted.set()
                self._thread = threading.Thread(
                    target=self._follow, args=(self._wanted,), name="cilium-labs-flows", daemon=True
                )
                self._thread.start()
        status(self._status)
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """What ``Subscription.end`` does."""
        with self._lock:
            self._listeners = tuple(item for item in self._listeners if item is not subscription)
            if not self._listeners:
                self._wanted.clear()
                self._thread = None

    def feed(self, records: tuple[Record, ...], lost: int = 0) -> None:
        """Flows from elsewhere (a recording), as if Relay had sent them."""
        self._hand_out(records, lost)

    def settle(self, timeout: float) -> Status:
        """Wait until the flows there were have arrived, or it is known why there are none; the status then."""
        self._settled.wait(timeout)
        return self._status

    # --- the thread -------------------------------------------------------------------------------------------------

    def _follow(self, wanted: threading.Event) -> None:
        attempt = 0
        while wanted.is_set():
            began = time.monotonic()
            failure = ""
            try:
                self._stream(wanted)
            except ClusterError as error:
                failure = error.what
            except CallError as error:
                failure = error.details
            except Exception as error:  # noqa: BLE001 - a thread that dies in silence would leave the views frozen
                failure = f"{type(error).__name__}: {error}"
            if not wanted.is_set():
                return
            attempt = 0 if time.monotonic() - began > 10 else attempt + 1
            self._say(self._diagnose(self.find, failure), settled=True)
            _pause(wanted, _BACKOFF[min(attempt, len(_BACKOFF) - 1)])

    def _stream(self, wanted: threading.Event) -> None:
        from lab_helpers.hubble.protos import observer_pb2

        request = observer_pb2.GetFlowsRequest(follow=True)
        if self._newest:
            request.since.FromNanoseconds(self._newest)
        else:
            request.number = self._history
        with self.find().hubble() as client:
            kept = client.status(timeout=5.0).num_flows
            stream = client.get_flows(request)
            try:
                self._read(stream, wanted, min(kept, request.number) if request.number else None)
            finally:
                stream.cancel()

    def _read(self, stream: Stream[GetFlowsResponse], wanted: threading.Event, there: int | None) -> None:
        """Collect answers; hand them out when no more are there at once, but not sooner than the pace allows.

        The past has arrived when as many flows have as are ``there``; None is not known.
        """
        self._say(LIVE)
        fresh: list[Record] = []
        lost, due, came, quiet = 0, 0.0, 0, _QUIET if there is None else _MISSING
        pace = Pace(INTERVAL)
        began = last = time.monotonic()
        while wanted.is_set():
            pending = bool(fresh or lost)
            now = time.monotonic()
            if not pending and (came == there or now - began > _BACKLOG):
                self._settled.set()
            step = _STEP if self._settled.is_set() else _QUIET
            if stream.poll(max(0.0, due - now) if pending else step):
                try:
                    answer = next(stream)
                except StopIteration:
                    raise CallError("Unavailable", "Relay ended the stream") from None
                lost += self._take(answer, fresh)
                last = time.monotonic()
                if came != there and answer.WhichOneof("response_types") in ("flow", "lost_events"):
                    came += 1
                if len(fresh) < MOST and (not stream.waiting or last < due):
                    continue
            elif not pending and time.monotonic() - last >= quiet:
                self._settled.set()
            if fresh or lost:
                self._hand_out(tuple(fresh), lost)
                now = time.monotonic()
                # what there was comes whole, in the order it is drawn in; what happens then comes soon
                rest = pace.rest(now) if self._settled.is_set() else INTERVAL
                fresh, lost, due = [], 0, now + rest

    def _take(self, answer: Any, fresh: list[Record]) -> int:
        kind = answer.WhichOneof("response_types")
        if kind == "lost_events":
            return int(answer.lost_events.num_events_lost)
        if kind != "flow":
            return 0
        record = Record(answer.flow, compact=True)
        if record.time <= self._newest and answer.flow.uuid in self._recent:
            return 0
        self._newest = max(self._newest, record.time)
        self._recent.append(answer.flow.uuid)
        fresh.append(record)
        return 0

    def _hand_out(self, records: tuple[Record, ...], lost: int) -> None:
        self.lost += lost
        batch = Batch(self.ring.extend(records), records, lost)
        for listener in self._listeners:
            if not listener.ended:
                _call(listener.flows, batch)

    def _say(self, status: Status, *, settled: bool = False) -> None:
        if status != self._status:
            self._status = status
            for listener in self._listeners:
                _call(listener.status, status)
        if settled:
            self._settled.set()


def _call(listener: Callable[[Any], None], value: object) -> None:
    """A listener that fails is its own problem: the others get their flows."""
    try:
        listener(value)
    except Exception:
        import logging

        logging.getLogger(__name__).exception("a live view failed")


def _pause(wanted: threading.Event, seconds: float) -> None:
    end = time.monotonic() + seconds
    while wanted.is_set() and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _STEP))


_followers = PerCluster(Follower)


def follower_of(cluster: Cluster) -> Follower:
    """The one follower of a cluster in this process. It finds the cluster again when it comes back elsewhere."""
    return _followers.of(cluster)
