"""A widget's own thread: when it works, how often, and when there is none."""

from __future__ import annotations

import threading

import pytest

from lab_helpers.views.live.working import Worker

PATIENCE = 120.0


def test_what_is_asked_for_often_is_done_once_more() -> None:
    begun, go, done = threading.Semaphore(0), threading.Event(), []

    def work() -> None:
        begun.release()
        assert go.wait(PATIENCE)
        done.append(threading.current_thread())

    worker = Worker("test", work, pace=0.0)
    worker.wake()
    assert begun.acquire(timeout=PATIENCE)
    for _ in range(100):
        worker.wake()
    go.set()
    assert begun.acquire(timeout=PATIENCE)
    done[0].join(PATIENCE)
    assert len(done) == 2
    assert not done[0].is_alive()


def test_without_work_there_is_no_thread_and_the_next_waking_starts_one() -> None:
    seen: list[threading.Thread] = []
    worker = Worker("test", lambda: seen.append(threading.current_thread()), pace=0.0)
    for _ in range(2):
        worker.wake()
        thread = worker._thread
        if thread is not None:
            thread.join(PATIENCE)
        assert worker._thread is None
    assert len(set(seen)) == 2


def test_it_works_unasked_while_it_is_wanted() -> None:
    done = threading.Semaphore(0)
    wanted = [True]
    worker = Worker("test", done.release, pace=0.0, idle=0.001, wanted=lambda: wanted[0])
    worker.wake()
    thread = worker._thread
    assert thread is not None
    for _ in range(5):
        assert done.acquire(timeout=PATIENCE)
    wanted[0] = False
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_an_end_is_an_end_even_in_a_long_rest() -> None:
    done = threading.Semaphore(0)
    worker = Worker("test", done.release, pace=3600.0)
    worker.wake()
    thread = worker._thread
    assert done.acquire(timeout=PATIENCE)
    worker.end()
    assert thread is not None
    thread.join(PATIENCE)
    worker.wake()
    assert worker._thread is None


def test_what_goes_wrong_is_logged_and_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Semaphore(0)

    def work() -> None:
        done.release()
        raise RuntimeError("no")

    worker = Worker("test", work, pace=0.0, idle=0.001)
    worker.wake()
    for _ in range(2):
        assert done.acquire(timeout=PATIENCE)
    worker.end()
    assert "a live view failed" in caplog.text
