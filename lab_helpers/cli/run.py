"""``cilium-labs run``: execute labs unattended and report."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lab_helpers.course.results import LabResult
    from lab_helpers.course.running import Listener

__all__ = ["run"]

EXAMPLES = """\b
Examples:
  cilium-labs run                        every lab, with its solutions
  cilium-labs run 04 hubble              two of them, by number or name
  cilium-labs run --unsolved --jobs 2    as learners find them, two at a time
  cilium-labs run --here 04              on the cluster in use
  cilium-labs run --real-time 07         every wait takes as long as it takes
"""


@click.command(epilog=EXAMPLES)
@click.argument("labs", nargs=-1, metavar="[LAB]...")
@click.option("--jobs", type=click.IntRange(1, 16), default=1, show_default=True, help="Labs at a time.")
@click.option("--solved/--unsolved", default=True, show_default=True, help="Put solutions in place, or leave starters.")
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("reports"),
    show_default=True,
    help="Folder for executed notebooks, pages, junit.xml and summary.json.",
)
@click.option("--timeout", type=click.IntRange(1), default=900, show_default=True, help="Seconds for one lab.")
@click.option("--here", is_flag=True, help="Use the cluster in use instead of a private twin for each lab.")
@click.option("--real-time", is_flag=True, help="Private twins pass no time faster than it is.")
def run(
    labs: tuple[str, ...], jobs: int, solved: bool, report: Path, timeout: int, here: bool, real_time: bool
) -> None:
    """Execute labs by papermill; all of them when none is named.

    Nobody watches, so the clock of a private twin is eager: what a command in a pod or a rollout only waits for comes
    at once, and everything on the cluster sees the same time pass.

    Ends with exit code 1 when a lab fails, and names the cell and the reason.
    """
    from lab_helpers.clusters import ClusterError
    from lab_helpers.course.catalogue import find_lab, lab_folders
    from lab_helpers.course.errors import CourseError
    from lab_helpers.course.running import Runner, Settings

    try:
        folders = [find_lab(name) for name in labs] if labs else lab_folders()
    except CourseError as error:
        raise click.ClickException(str(error)) from None
    with _listening([folder.name for folder in folders]) as listener:
        runner = Runner(Settings(report, solved, jobs, timeout, here, real_time), listener)
        try:
            results = runner.run(folders)
        except KeyboardInterrupt:
            click.echo("stopped; clusters are down", err=True)
            raise SystemExit(130) from None
        except CourseError as error:
            raise click.ClickException(str(error)) from None
        except OSError as error:
            raise ClusterError(
                f"the reports cannot be written: {error.strerror or error}",
                where=str(error.filename or report),
                try_="free space, or name another folder: --report DIR",
            ) from error
    _conclude(results, report)


def _conclude(results: list[LabResult], report: Path) -> None:
    failed = [result for result in results if not result.passed]
    for result in failed:
        click.echo(f"\n✖ {result.title}", err=True)
        for failure in result.failures:
            click.echo(f"  {failure}", err=True)
    skipped = [result for result in results if result.skipped]
    for result in skipped:
        click.echo(f"\n● {result.title}: not run here\n  {result.skipped}", err=True)
    ran = len(results) - len(skipped)
    also = f", {len(skipped)} not run here" if skipped else ""
    click.echo(f"{ran - len(failed)} of {ran} labs passed{also}; reports in {report}")
    if failed:
        raise SystemExit(1)


@contextmanager
def _listening(labs: list[str]) -> Iterator[Listener]:
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal and "CI" not in os.environ:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} cells"),
        )
        with Progress(*columns, TextColumn("{task.fields[state]}"), TimeElapsedColumn(), console=console) as progress:
            yield _Bars(progress, labs)
    else:
        yield _Lines()


class _Bars:
    """A bar for each lab."""

    def __init__(self, progress: Any, labs: list[str]) -> None:
        self._progress = progress
        self._rows = {lab: progress.add_task(lab, total=1, start=False, state="waiting") for lab in labs}

    def started(self, lab: str) -> None:
        self._progress.start_task(self._rows[lab])
        self._progress.update(self._rows[lab], state="starting")

    def cell(self, lab: str, done: int, total: int) -> None:
        self._progress.update(self._rows[lab], completed=done, total=total, state="running")

    def finished(self, result: LabResult) -> None:
        state = "● not run here" if result.skipped else "✔ passed" if result.passed else "✖ failed"
        self._progress.update(self._rows[result.lab], state=state)
        self._progress.stop_task(self._rows[result.lab])


class _Lines:
    """A line when something begins or ends, for logs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def started(self, lab: str) -> None:
        self._say(f"{lab}: started")

    def cell(self, lab: str, done: int, total: int) -> None:
        if done == total or done % 10 == 0:
            self._say(f"{lab}: {done}/{total} cells")

    def finished(self, result: LabResult) -> None:
        word = "not run here" if result.skipped else "passed" if result.passed else "FAILED"
        self._say(f"{result.lab}: {word}, {result.seconds:.1f} s")

    def _say(self, line: str) -> None:
        with self._lock:
            click.echo(line, err=True)
