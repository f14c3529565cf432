"""Progress is kept outside the kernel."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lab_helpers.course.errors import CourseError
from lab_helpers.course.records import Applied, Records


@pytest.fixture
def records(tmp_path: Path) -> Records:
    times = iter(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=n) for n in range(100))
    return Records(tmp_path / "deep" / "progress.db", lambda: next(times))


def test_a_task_once_passed_stays_passed(records: Records) -> None:
    records.checked("lab", "task", passed=False)
    records.checked("lab", "task", passed=True)
    record = records.checked("lab", "task", passed=False)
    assert (record.passed, record.last_passed, record.attempts) == (True, False, 3)
    assert record.first_passed == "2026-01-01T00:01:00+00:00"


def test_an_untouched_task(records: Records) -> None:
    record = records.task("lab", "task")
    assert (record.passed, record.last_passed, record.attempts, record.hints) == (False, None, 0, 0)


def test_hints_and_solutions_are_counted(records: Records) -> None:
    assert [records.hinted("lab", "task", most=2) for _ in range(3)] == [1, 2, 2]
    records.saw_solution("lab", "task")
    assert records.task("lab", "task").solution_seen


def test_the_first_prediction_counts(records: Records) -> None:
    records.predict("lab", "q", "a")
    assert records.predict("lab", "q", "b").choice == "a"
    assert records.prediction("lab", "q").right is None
    assert records.settle("lab", "q", "b", "b").right is False


def test_a_prediction_after_the_fact_is_none(records: Records) -> None:
    records.settle("lab", "q", "b", "b")
    record = records.predict("lab", "q", "b")
    assert (record.choice, record.right) == ("", None)


def test_what_was_applied_is_remembered_per_cluster(records: Records) -> None:
    policy = Applied("CiliumNetworkPolicy", "shop", "p")
    records.apply("one", "lab", [policy, policy])
    records.apply("two", "lab", [policy])
    assert records.applied("one") == [policy]
    records.cleaned("one")
    assert records.applied("one") == []
    assert records.applied("two", "lab") == [policy]
    assert records.applied("two", "other") == []


def test_the_current_lab(records: Records) -> None:
    assert records.current("one") == ""
    records.enter("one", "a")
    records.enter("one", "b")
    assert records.current("one") == "b"


def test_export_is_json(records: Records) -> None:
    records.checked("lab", "task", passed=True)
    records.predict("lab", "q", "a")
    records.settle("lab", "q", "a", "a")
    document = json.loads(records.export())
    assert document["tasks"][0]["passed"] is True
    assert document["predictions"][0]["right"] is True


def test_another_process_sees_it(records: Records) -> None:
    records.checked("lab", "task", passed=True)
    assert Records(records.file).task("lab", "task").passed


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    file = tmp_path / "progress.db"
    file.write_text("not a database, but long enough to look like a file with a header " * 4, encoding="utf-8")
    with pytest.raises(CourseError, match=r"progress cannot be stored[\s\S]*progress.db"):
        Records(file).task("lab", "task")
    assert sqlite3.sqlite_version
