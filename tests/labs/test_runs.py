"""Every lab by papermill, with solutions and as learners find it, each on a twin of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab_helpers.course.results import LabResult
from lab_helpers.course.running import Runner, Settings

pytestmark = pytest.mark.labs

LABS = Path(__file__).resolve().parents[2] / "labs"
FOLDERS = sorted(mark.parent for mark in LABS.glob("*/lab.yaml"))


class Quiet:
    """Hears nothing."""

    def started(self, lab: str) -> None: ...
    def cell(self, lab: str, done: int, total: int) -> None: ...
    def finished(self, result: LabResult) -> None: ...


@pytest.mark.timeout(900)
@pytest.mark.parametrize("solved", [True, False], ids=["solved", "unsolved"])
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_runs(folder: Path, solved: bool, tmp_path: Path) -> None:
    result = Runner(Settings(tmp_path, solved=solved, timeout=840), Quiet()).run([folder])[0]
    assert result.passed, "\n".join(map(str, result.failures))
    assert (tmp_path / result.page).is_file()
