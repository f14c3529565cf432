"""Run labs by papermill: each in a process and on a twin of its own, several at a time.

A run leaves executed notebooks, pages, ``junit.xml`` and ``summary.json`` in the report folder and nothing else:
clusters are stopped and their folders removed, also after Ctrl-C.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from lab_helpers.course.catalogue import notebook
from lab_helpers.course.errors import CourseError
from lab_helpers.course.exporting import write_page, write_reports
from lab_helpers.course.limitations import undecidable, without_consent
from lab_helpers.course.reading import read_lab
from lab_helpers.course.records import Records
from lab_helpers.course.results import CellTime, Failure, LabResult, first_line, judge
from lab_helpers.course.stamps import revision
from lab_helpers.views.showing import ALONE

if TYPE_CHECKING:
    from lab_helpers.clusters import Cluster

__all__ = ["Listener", "Runner", "Settings"]

_GRACE: Final = 3.0


class Listener(Protocol):
    """Who wants to know how a run goes on. Called from several threads."""

    def started(self, lab: str) -> None:
        """A lab begins: its cluster is being started."""

    def cell(self, lab: str, done: int, total: int) -> None:
        """``done`` of ``total`` cells have run."""

    def finished(self, result: LabResult) -> None:
        """A lab is over."""


@dataclass(frozen=True, slots=True)
class Settings:
    """``timeout`` is for one lab, in seconds. ``here`` runs on the cluster in use instead of private twins, one by
    one. The clock of private twins is eager (nobody watches, so nobody waits) unless ``real_time``.
    """

    report: Path
    solved: bool = True
    jobs: int = 1
    timeout: int = 900
    here: bool = False
    real_time: bool = False


@dataclass
class Runner:
    """``start`` makes a cluster whose files are under a folder (a private twin)."""

    settings: Settings
    listener: Listener
    start: Callable[[Path], Cluster] | None = None
    _processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def run(self, labs: Sequence[Path]) -> list[LabResult]:
        """Run labs, write the reports, return the results in the order given. Ctrl-C stops everything, then re-
        raises.
        """
        self.settings.report.mkdir(parents=True, exist_ok=True)
        jobs = 1 if self.settings.here else max(1, self.settings.jobs)
        with ThreadPoolExecutor(jobs) as pool:
            futures = [pool.submit(self._lab, lab) for lab in labs]
            try:
                results = [future.result() for future in futures]
            except BaseException:
                self.stop()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        write_reports(self.settings.report, results)
        return results

    def stop(self) -> None:
        """End all labs that are running."""
        self._stopping.set()
        with self._lock:
            running = list(self._processes.values())
        for process in running:
            _end(process)

    def _lab(self, folder: Path) -> LabResult:
        outline = read_lab(folder)
        began, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
        self.listener.started(folder.name)
        scratch = Path(tempfile.mkdtemp(prefix="cl-"))
        output = self.settings.report / f"{folder.name}.ipynb"
        output.unlink(missing_ok=True)  # of an earlier run
        cells: list[CellTime] = []
        failures: list[Failure] = []
        facts: dict[str, str] = {"revision": revision(folder)}
        cluster: Cluster | None = None
        skipped = ""
        try:
            cluster = self._cluster(scratch / "home")
            facts["backend"] = cluster.backend
            facts["clock"] = "eager" if cluster.facts.get("eager_clock") else "real time"
            skipped = undecidable(outline.number, cluster.backend)
            if not skipped:
                failures += self._execute(folder, scratch, output, cluster, cells)
                failures += self._judge(outline, scratch, output, cluster)
            facts |= cluster.versions()
        except CourseError as error:
            failures.append(Failure("the lab could not be run", str(error)))
        except Exception as error:  # noqa: BLE001 - one lab's trouble (its cluster, for example) is that lab's result
            failures.append(Failure("the lab could not be run", f"{type(error).__name__}: {error}"))
        finally:
            if cluster is not None and not self.settings.here:
                cluster.down()
                if failures:
                    self._keep_logs(folder.name, Path(cluster.state_dir))
            shutil.rmtree(scratch, ignore_errors=True)
        result = LabResult(
            lab=folder.name,
            title=f"Lab {outline.number} · {outline.title}",
            solved=self.settings.solved,
            started=started,
            seconds=time.monotonic() - began,
            cells=tuple(cells),
            failures=tuple(failures),
            facts=facts,
            notebook=output.name if output.exists() else "",
            page=f"{folder.name}.html" if output.exists() else "",
            skipped=skipped,
        )
        if output.exists():
            _stamp(output, result)
            write_page(output, self.settings.report / result.page, result)
        self.listener.finished(result)
        return result

    def _cluster(self, home: Path) -> Cluster:
        from lab_helpers.clusters import connect, start_twin

        if self.settings.here:
            return connect()
        home.mkdir(parents=True)
        return self.start(home) if self.start else start_twin(home, eager_clock=not self.settings.real_time)

    def _execute(
        self, folder: Path, scratch: Path, output: Path, cluster: Cluster, cells: list[CellTime]
    ) -> list[Failure]:
        source = notebook(folder)
        command = [sys.executable, "-m", "lab_helpers.course.executing", str(source), str(output.absolute())]
        command += ["--solved" if self.settings.solved else "--no-solved", "--timeout", str(self.settings.timeout)]
        work = scratch / "work"
        work.mkdir()
        environment = {
            **os.environ,
            **cluster.environment(),
            "CILIUM_LABS_HOME": str(cluster.state_dir),
            "CILIUM_LABS_COURSE": str(folder.parent),
            "CILIUM_LABS_PROGRESS": str(scratch / "progress.db"),
            "JUPYTER_RUNTIME_DIR": str(scratch / "run"),
            "IPYTHONDIR": str(scratch / "ipython"),
            "PYTHONUNBUFFERED": "1",
            ALONE: "1",
        }
        sources = _sources(source)
        log = scratch / "stderr.txt"
        with log.open("w", encoding="utf-8") as errors:
            process = subprocess.Popen(
                command, cwd=work, env=environment, stdout=subprocess.PIPE, stderr=errors, encoding="utf-8", **_group()
            )
            assert process.stdout is not None
            with self._lock:
                self._processes[folder.name] = process
            if self._stopping.is_set():
                _end(process)
            timer = threading.Timer(self.settings.timeout, _end, [process])
            timer.start()
            try:
                failures, ended = self._follow(folder.name, process.stdout, sources, cells)
            finally:
                timer.cancel()
                _end(process)
                process.stdout.close()
                with self._lock:
                    self._processes.pop(folder.name, None)
        if self._stopping.is_set():
            return [Failure("interrupted", "the run was stopped")]
        if not ended and not failures:
            at = len(cells)
            last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] or ["no message"]
            reason = f"it ended after cell {at} or took longer than {self.settings.timeout} s ({last[0]})"
            failures = [Failure("the lab did not finish", reason)]
        return failures

    def _follow(
        self, lab: str, events: Iterable[str], sources: Sequence[str], cells: list[CellTime]
    ) -> tuple[list[Failure], bool]:
        """Read events until the process closes its output: failures, and whether it came to an end by itself."""
        total = len(sources)
        failures: list[Failure] = []
        ended = False
        for line in events:
            event: dict[str, Any] = json.loads(line)
            if "done" in event:
                # papermill put one cell of parameters in front
                index = int(event["done"]) - 1
                text = sources[index] if 0 <= index < total else ""
                if text:
                    cells.append(CellTime(index, text, float(event["seconds"])))
                self.listener.cell(lab, min(index + 1, total), total)
            elif "failed" in event:
                index = int(event["failed"]) - 1
                text = sources[index] if 0 <= index < total else ""
                failures.append(Failure(event["error"], event["message"], int(event["count"] or 0), text))
                ended = True
            elif "end" in event:
                ended = True
        return failures, ended

    def _keep_logs(self, lab: str, home: Path) -> None:
        """What the cluster logged, beside the report of a lab that failed."""
        for log in sorted(home.rglob("*.log")):
            shutil.copyfile(log, self.settings.report / f"{lab}.{log.name}")

    def _judge(self, outline: Any, scratch: Path, output: Path, cluster: Cluster) -> list[Failure]:
        cells = json.loads(output.read_text(encoding="utf-8"))["cells"] if output.exists() else []
        texts = [{**cell, "source": "".join(cell["source"])} for cell in cells]
        undecided = without_consent(cluster.backend, cluster_wide=bool(cluster.facts.get("cluster_wide")))
        records = Records(scratch / "progress.db")
        return judge(outline, records, solved=self.settings.solved, cells=texts, undecided=undecided)


def _sources(file: Path) -> list[str]:
    """The first line of each code cell; empty texts for other cells."""
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    return [first_line("".join(cell["source"])) if cell["cell_type"] == "code" else "" for cell in cells]


def _stamp(file: Path, result: LabResult) -> None:
    document = json.loads(file.read_text(encoding="utf-8"))
    document["metadata"]["cilium_labs"] = result.stamp()
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _group() -> dict[str, Any]:
    """Its own group, so that Ctrl-C reaches the runner alone, which then ends its children."""
    if os.name == "nt":
        return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    return {"start_new_session": True}


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    if os.name == "nt":
        process.terminate()
    else:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        if os.name == "nt":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
