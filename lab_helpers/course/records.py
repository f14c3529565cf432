"""What a learner has done, kept outside the kernel: one SQLite file in the state folder.

It survives kernel restarts, a new cluster and ``cilium-labs reset``; ``export`` gives it as JSON. Each call opens the
file anew, so several kernels and threads may use it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from lab_helpers.course.errors import CourseError

__all__ = ["Applied", "BetRecord", "Cells", "PredictionRecord", "Records", "TaskRecord", "progress_file"]

Cells = tuple[tuple[str, str, str], ...]
"""A matrix laid flat: (source, target, outcome)."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS tasks (lab TEXT, task TEXT, passed INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    hints INTEGER NOT NULL DEFAULT 0, solution_seen INTEGER NOT NULL DEFAULT 0, last_passed INTEGER,
    first_passed TEXT, PRIMARY KEY (lab, task));
CREATE TABLE IF NOT EXISTS predictions (lab TEXT, name TEXT, choice TEXT NOT NULL DEFAULT '',
    truth TEXT NOT NULL DEFAULT '',
    expected TEXT NOT NULL DEFAULT '', at TEXT, PRIMARY KEY (lab, name));
CREATE TABLE IF NOT EXISTS applied (cluster TEXT, lab TEXT, kind TEXT, namespace TEXT, name TEXT,
    PRIMARY KEY (cluster, kind, namespace, name));
CREATE TABLE IF NOT EXISTS current (cluster TEXT PRIMARY KEY, lab TEXT);
CREATE TABLE IF NOT EXISTS bets (lab TEXT, name TEXT, before TEXT NOT NULL, bets TEXT NOT NULL DEFAULT '[]',
    after TEXT NOT NULL DEFAULT '[]', at TEXT, PRIMARY KEY (lab, name));
CREATE TABLE IF NOT EXISTS shells (lab TEXT, cell INTEGER, code INTEGER, line TEXT);
"""

_VERSION: Final = 2
"""Of the schema, which only ever gains tables."""
_BETS: Final = "SELECT lab, name, before, bets, after FROM bets"


class TaskRecord(NamedTuple):
    """``passed`` ever; ``last_passed`` the latest check's verdict, None when never checked; times are ISO 8601 UTC."""

    lab: str
    task: str
    passed: bool
    attempts: int
    hints: int
    solution_seen: bool
    last_passed: bool | None
    first_passed: str


class PredictionRecord(NamedTuple):
    """``truth`` is what the cluster did, ``expected`` what the course says it does; both empty until revealed."""

    lab: str
    name: str
    choice: str
    truth: str
    expected: str

    @property
    def right(self) -> bool | None:
        """Was the learner right? None when there was no prediction, or it is not settled."""
        return self.choice == self.truth if self.choice and self.truth else None


class BetRecord(NamedTuple):
    """What was measured before, what was bet, what was measured after; empty as long as it did not happen."""

    lab: str
    name: str
    before: Cells
    bets: Cells
    after: Cells

    @property
    def right(self) -> int | None:
        """How many bets were right; None without bets, or before they are settled."""
        return len(set(self.bets) & set(self.after)) if self.bets and self.after else None


class Applied(NamedTuple):
    """An object the learner applied from a cell."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Records:
    """The file and the clock."""

    file: Path
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def task(self, lab: str, task: str) -> TaskRecord:
        """One task; zeros when nothing happened yet."""
        with self._open() as db:
            row = db.execute("SELECT * FROM tasks WHERE lab=? AND task=?", (lab, task)).fetchone()
        return _task(row) if row else TaskRecord(lab, task, False, 0, 0, False, None, "")

    def tasks(self, lab: str = "") -> list[TaskRecord]:
        """All tasks of a lab, or of all labs."""
        with self._open() as db:
            rows = db.execute("SELECT * FROM tasks WHERE lab=? OR ?='' ORDER BY lab, task", (lab, lab)).fetchall()
        return [_task(row) for row in rows]

    def checked(self, lab: str, task: str, *, passed: bool) -> TaskRecord:
        """A check was made."""
        stamp = self.now().isoformat(timespec="seconds")
        with self._open() as db:
            db.execute("INSERT OR IGNORE INTO tasks (lab, task) VALUES (?, ?)", (lab, task))
            db.execute(
                "UPDATE tasks SET attempts=attempts+1, last_passed=?, passed=MAX(passed, ?),"
                " first_passed=COALESCE(first_passed, CASE WHEN ? THEN ? END) WHERE lab=? AND task=?",
                (passed, passed, passed, stamp, lab, task),
            )
        return self.task(lab, task)

    def hinted(self, lab: str, task: str, *, most: int) -> int:
        """One more hint was given, out of ``most``; how many now. To see the last one again counts nothing."""
        return self._count(lab, task, "hints=MIN(hints+1, ?)", most).hints

    def saw_solution(self, lab: str, task: str) -> None:
        """The solution was looked at."""
        self._count(lab, task, "solution_seen=1")

    def prediction(self, lab: str, name: str) -> PredictionRecord:
        """One prediction; empty fields when nothing happened yet."""
        with self._open() as db:
            row = db.execute(
                "SELECT lab, name, choice, truth, expected FROM predictions WHERE lab=? AND name=?", (lab, name)
            ).fetchone()
        return PredictionRecord(*row) if row else PredictionRecord(lab, name, "", "", "")

    def predictions(self, lab: str = "") -> list[PredictionRecord]:
        """All predictions of a lab, or of all labs."""
        with self._open() as db:
            rows = db.execute(
                "SELECT lab, name, choice, truth, expected FROM predictions WHERE lab=? OR ?='' ORDER BY lab, name",
                (lab, lab),
            ).fetchall()
        return [PredictionRecord(*row) for row in rows]

    def predict(self, lab: str, name: str, choice: str) -> PredictionRecord:
        """Commit to a choice; the first one counts."""
        with self._open() as db:
            db.execute("INSERT OR IGNORE INTO predictions (lab, name) VALUES (?, ?)", (lab, name))
            db.execute(
                "UPDATE predictions SET choice=?, at=? WHERE lab=? AND name=? AND choice='' AND truth=''",
                (choice, self.now().isoformat(timespec="seconds"), lab, name),
            )
        return self.prediction(lab, name)

    def settle(self, lab: str, name: str, truth: str, expected: str) -> PredictionRecord:
        """The cluster has answered."""
        with self._open() as db:
            db.execute("INSERT OR IGNORE INTO predictions (lab, name) VALUES (?, ?)", (lab, name))
            db.execute(
                "UPDATE predictions SET truth=?, expected=? WHERE lab=? AND name=?", (truth, expected, lab, name)
            )
        return self.prediction(lab, name)

    def bets(self, lab: str, name: str) -> BetRecord:
        """One board of bets; empty fields when nothing happened yet."""
        with self._open() as db:
            row = db.execute(f"{_BETS} WHERE lab=? AND name=?", (lab, name)).fetchone()
        return _bet(row) if row else BetRecord(lab, name, (), (), ())

    def boards(self, lab: str = "") -> list[BetRecord]:
        """All boards of a lab, or of all labs."""
        with self._open() as db:
            rows = db.execute(f"{_BETS} WHERE lab=? OR ?='' ORDER BY lab, name", (lab, lab)).fetchall()
        return [_bet(row) for row in rows]

    def open_bets(self, lab: str, name: str, before: Cells) -> None:
        """What is the case before; a later measurement replaces it as long as nothing was bet."""
        with self._open() as db:
            db.execute(
                "INSERT INTO bets (lab, name, before) VALUES (?, ?, ?) ON CONFLICT (lab, name) DO UPDATE"
                " SET before=excluded.before WHERE bets='[]' AND after='[]'",
                (lab, name, json.dumps(before)),
            )

    def commit_bets(self, lab: str, name: str, bets: Cells) -> None:
        """Commit; the first time counts, and only before the cluster has answered."""
        with self._open() as db:
            db.execute(
                "UPDATE bets SET bets=?, at=? WHERE lab=? AND name=? AND bets='[]' AND after='[]'",
                (json.dumps(bets), self.now().isoformat(timespec="seconds"), lab, name),
            )

    def settle_bets(self, lab: str, name: str, after: Cells) -> None:
        """The cluster has answered."""
        with self._open() as db:
            db.execute("UPDATE bets SET after=? WHERE lab=? AND name=?", (json.dumps(after), lab, name))

    def applied(self, cluster: str, lab: str = "") -> list[Applied]:
        """What was applied from cells in this cluster and not cleaned up yet."""
        with self._open() as db:
            rows = db.execute(
                "SELECT kind, namespace, name FROM applied WHERE cluster=? AND (lab=? OR ?='') ORDER BY rowid",
                (cluster, lab, lab),
            ).fetchall()
        return [Applied(*row) for row in rows]

    def apply(self, cluster: str, lab: str, objects: list[Applied]) -> None:
        """Remember objects for clean-up."""
        with self._open() as db:
            rows = [(cluster, lab, *item) for item in objects]
            db.executemany("INSERT OR REPLACE INTO applied VALUES (?, ?, ?, ?, ?)", rows)

    def cleaned(self, cluster: str) -> None:
        """Everything applied in this cluster is gone."""
        with self._open() as db:
            db.execute("DELETE FROM applied WHERE cluster=?", (cluster,))

    def current(self, cluster: str) -> str:
        """The lab the cluster was last prepared for; empty when none."""
        with self._open() as db:
            row = db.execute("SELECT lab FROM current WHERE cluster=?", (cluster,)).fetchone()
        return str(row[0]) if row else ""

    def enter(self, cluster: str, lab: str) -> None:
        """The cluster was prepared for a lab."""
        with self._open() as db:
            db.execute("INSERT OR REPLACE INTO current VALUES (?, ?)", (cluster, lab))

    def shell(self, lab: str, cell: int, code: int, line: str) -> None:
        """A shell cell of an unattended run ended with a code other than 0."""
        with self._open() as db:
            db.execute("INSERT INTO shells VALUES (?, ?, ?, ?)", (lab, cell, code, line))

    def shells(self) -> list[tuple[str, int, int, str]]:
        """Lab, execution count, exit code and first line of shell cells that failed."""
        with self._open() as db:
            return [tuple(row) for row in db.execute("SELECT lab, cell, code, line FROM shells")]

    def export(self) -> str:
        """Progress as JSON."""
        document: dict[str, Any] = {
            "tasks": [record._asdict() for record in self.tasks()],
            "predictions": [{**record._asdict(), "right": record.right} for record in self.predictions()],
            "bets": [{**record._asdict(), "right": record.right} for record in self.boards()],
        }
        return json.dumps(document, indent=2) + "\n"

    def _count(self, lab: str, task: str, change: str, *values: int) -> TaskRecord:
        with self._open() as db:
            db.execute("INSERT OR IGNORE INTO tasks (lab, task) VALUES (?, ?)", (lab, task))
            db.execute(f"UPDATE tasks SET {change} WHERE lab=? AND task=?", (*values, lab, task))  # noqa: S608 - ours
        return self.task(lab, task)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(self.file, timeout=10)
            try:
                with db:
                    if db.execute("PRAGMA user_version").fetchone()[0] < _VERSION:
                        db.executescript(f"{_SCHEMA}PRAGMA user_version={_VERSION};")
                    yield db
            finally:
                db.close()
        except (sqlite3.Error, OSError) as error:
            raise CourseError(
                f"progress cannot be stored: {error}", where=str(self.file), try_="free space, or move the file away"
            ) from error


def progress_file(state: Path) -> Path:
    """``CILIUM_LABS_PROGRESS``, else beside the cluster's state: unattended runs leave the learner's progress alone."""
    chosen = os.environ.get("CILIUM_LABS_PROGRESS")
    return Path(chosen) if chosen else state / "progress.db"


def _bet(row: tuple[Any, ...]) -> BetRecord:
    lab, name, *cells = row
    before, bets, after = (tuple((s, t, o) for s, t, o in json.loads(text)) for text in cells)
    return BetRecord(lab, name, before, bets, after)


def _task(row: tuple[Any, ...]) -> TaskRecord:
    lab, task, passed, attempts, hints, seen, last, first = row
    return TaskRecord(
        lab, task, bool(passed), attempts, hints, bool(seen), None if last is None else bool(last), first or ""
    )
