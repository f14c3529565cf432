"""The follower: one thread, batches, loss, reconnecting, and an end when nobody listens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, Queue
from typing import Any

import pytest

from lab_helpers.clusters import NotRunning
from lab_helpers.hubble.errors import CallError
from lab_helpers.hubble.protos import flow_pb2, observer_pb2
from lab_helpers.hubble.records import Record
from lab_helpers.views.live import following
from lab_helpers.views.live.following import Batch, Follower
from lab_helpers.views.live.rings import FlowRing
from lab_helpers.views.live.statuses import LIVE, State, Status

BROKEN = Status(State.NO_HUBBLE, "broken", "`repair`")
PATIENCE = 120.0


def answer(number: int) -> observer_pb2.GetFlowsResponse:
    flow = flow_pb2.Flow(uuid=str(number), verdict=flow_pb2.FORWARDED)
    flow.time.FromNanoseconds(number * 1_000_000)
    return observer_pb2.GetFlowsResponse(flow=flow)


def lost(number: int) -> observer_pb2.GetFlowsResponse:
    return observer_pb2.GetFlowsResponse(lost_events=flow_pb2.LostEvent(num_events_lost=number))


class Relay:
    """Stands for cluster, client and stream. What is put into ``answers`` arrives; an exception breaks the stream."""

    def __init__(self) -> None:
        self.answers: Queue[Any] = Queue()
        self.ready: list[Any] = []
        self.requests: list[observer_pb2.GetFlowsRequest] = []
        self.refusal: Exception | None = None
        self.kept = 0
        self.silence = threading.Semaphore(0)

    @contextmanager
    def hubble(self) -> Iterator[Relay]:
        if self.refusal:
            raise self.refusal
        yield self

    def status(self, *, timeout: float) -> observer_pb2.ServerStatusResponse:
        assert timeout < 60
        return observer_pb2.ServerStatusResponse(num_flows=self.kept)

    def get_flows(self, request: observer_pb2.GetFlowsRequest) -> Relay:
        self.requests.append(request)
        return self

    @property
    def waiting(self) -> bool:
        return not self.ready and self.answers.empty()

    def poll(self, seconds: float) -> bool:
        if not self.ready:
            try:
                self.ready.append(
                    self.answers.get(timeout=min(seconds, 0.05)) if seconds else self.answers.get_nowait()
                )
            except Empty:
                self.silence.release()
                return False
        return True

    def __next__(self) -> Any:
        found = self.ready.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def cancel(self) -> None:
        self.ready.clear()


class Listener:
    """Keeps what it is told; ``wait`` returns when a condition over it holds."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.statuses: list[Status] = []
        self.changed = threading.Condition()

    def flows(self, batch: Batch) -> None:
        with self.changed:
            self.batches.append(batch)
            self.changed.notify_all()

    def status(self, status: Status) -> None:
        with self.changed:
            self.statuses.append(status)
            self.changed.notify_all()

    def wait(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE)

    @property
    def uuids(self) -> list[str]:
        return [record.flow.uuid for batch in self.batches for record in batch.records]


@pytest.fixture
def relay() -> Relay:
    return Relay()


@pytest.fixture
def follower(relay: Relay) -> Iterator[Follower]:
    made = Follower(lambda: relay, diagnose=lambda _find, _failure: BROKEN)  # type: ignore[arg-type, return-value]
    yield made
    for subscription in made._listeners:
        subscription.end()


def subscribe(follower: Follower) -> tuple[Listener, Any]:
    listener = Listener()
    return listener, follower.subscribe(listener.flows, listener.status)


def test_flows_arrive_in_batches_and_stay_in_the_ring(relay: Relay, follower: Follower) -> None:
    for number in range(500):
        relay.answers.put(answer(number))
    relay.kept = 500
    listener, _ = subscribe(follower)
    listener.wait(lambda: len(listener.uuids) == 500)
    assert listener.uuids == [str(number) for number in range(500)]
    assert len(listener.batches) < 20
    assert follower.ring.end == 500
    assert follower.settle(PATIENCE) == LIVE
    assert relay.requests[0].follow
    assert relay.requests[0].number


def test_the_past_has_arrived_when_all_that_hubble_keeps_has(
    relay: Relay, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    for patience in ("_MISSING", "_BACKLOG"):
        monkeypatch.setattr(following, patience, PATIENCE)
    relay.kept = 3
    relay.answers.put(answer(1))
    subscribe(follower)
    for _ in range(10):
        assert relay.silence.acquire(timeout=PATIENCE)
    assert not follower._settled.is_set()
    relay.answers.put(lost(1))
    relay.answers.put(answer(2))
    assert follower.settle(PATIENCE) == LIVE
    assert (follower.ring.end, follower.lost) == (2, 1)


def test_flows_that_are_counted_and_do_not_come_are_not_waited_for(relay: Relay, follower: Follower) -> None:
    relay.kept = 3
    relay.answers.put(answer(1))
    subscribe(follower)
    assert follower.settle(PATIENCE) == LIVE
    assert follower.ring.end == 1


def test_one_stream_serves_all_listeners(relay: Relay, follower: Follower) -> None:
    first, _ = subscribe(follower)
    second, _ = subscribe(follower)
    relay.answers.put(answer(1))
    first.wait(lambda: first.uuids == ["1"])
    second.wait(lambda: second.uuids == ["1"])
    assert len(relay.requests) == 1


def test_a_listener_that_fails_does_not_starve_the_others(
    relay: Relay, follower: Follower, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_batch: Batch) -> None:
        raise RuntimeError("no")

    follower.subscribe(broken, lambda _status: None)
    listener, _ = subscribe(follower)
    relay.answers.put(answer(1))
    listener.wait(lambda: listener.uuids == ["1"])
    assert "a live view failed" in caplog.text


def test_lost_events_are_counted(relay: Relay, follower: Follower) -> None:
    listener, _ = subscribe(follower)
    relay.answers.put(lost(7))
    listener.wait(lambda: sum(batch.lost for batch in listener.batches) == 7)
    assert follower.lost == 7


def test_a_broken_stream_is_explained_and_taken_up_where_it_ended(relay: Relay, follower: Follower) -> None:
    relay.answers.put(answer(5))
    listener, _ = subscribe(follower)
    listener.wait(lambda: listener.uuids == ["5"])
    relay.answers.put(CallError("Unavailable", "gone"))
    listener.wait(lambda: BROKEN in listener.statuses)
    relay.answers.put(answer(5))
    relay.answers.put(answer(6))
    listener.wait(lambda: listener.uuids == ["5", "6"])
    assert listener.statuses[-1] == LIVE
    assert relay.requests[-1].since.ToNanoseconds() == 5_000_000


def test_no_cluster_is_a_state_and_it_recovers(relay: Relay, follower: Follower) -> None:
    relay.refusal = NotRunning("no cluster")
    listener, _ = subscribe(follower)
    assert follower.settle(PATIENCE) == BROKEN
    relay.refusal = None
    listener.wait(lambda: LIVE in listener.statuses)


def test_the_thread_ends_with_the_last_listener_and_begins_with_the_next(relay: Relay, follower: Follower) -> None:
    _, first = subscribe(follower)
    _, second = subscribe(follower)
    first.end()
    thread = follower._thread
    assert thread is not None
    second.end()
    second.end()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert not follower.running
    listener, _ = subscribe(follower)
    relay.answers.put(answer(1))
    listener.wait(lambda: listener.uuids == ["1"])


def test_the_ring_is_bounded_and_numbered_on() -> None:
    ring = FlowRing(3)
    ring.extend(Record(answer(number).flow) for number in range(5))
    first, records = ring.window(0)
    assert (first, [record.flow.uuid for record in records], ring.end) == (2, ["2", "3", "4"], 5)
    assert ring.at(1) is None
    assert ring.at(5) is None
    assert ring.at(4) is not None
