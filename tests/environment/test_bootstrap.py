"""The first command on a machine where something is missing, or where it is interrupted."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bootstrap() -> ModuleType:
    """Read from its file: it belongs to no package."""
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "environment" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_old_python_without_a_newer_one(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    monkeypatch.setattr(bootstrap.shutil, "which", lambda _name: None)
    monkeypatch.setattr(bootstrap, "VENV", str(tmp_path / "venv"))
    assert bootstrap.main(["lab"]) == 1
    said = capsys.readouterr().err
    assert "Python 3.9 is too old and no newer one is on PATH" in said
    assert "try: install Python 3.11 or newer" in said
    assert not (tmp_path / "venv").exists()


def test_an_unknown_command(bootstrap: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert bootstrap.main(["labs"]) == 1
    assert "unknown command: labs" in capsys.readouterr().err


def test_a_step_that_fails_is_named(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(bootstrap, "VENV", str(tmp_path / "venv"))
    monkeypatch.setattr(bootstrap, "find_interpreter", lambda: [sys.executable, "-c", "raise SystemExit(4)"])
    assert bootstrap.main(["lab"]) == 1
    said = capsys.readouterr().err
    assert "this step failed" in said
    assert f"remove {tmp_path / 'venv'} to start over" in said


@pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups to ask")
def test_an_interrupted_step_leaves_no_process(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen[bytes]):
        """Ctrl-C comes as soon as it is waited for."""

        def wait(self, timeout: float | None = None) -> int:
            if self not in started:
                started.append(self)
                raise KeyboardInterrupt
            return int(super().wait(timeout))

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        bootstrap.step([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (process,) = started
    assert process.returncode == -signal.SIGTERM
    assert process.stdin is not None
    process.stdin.close()


COUNTED = """
import pathlib
import pytest

@pytest.mark.parametrize("n", range({tests}))
def test_counted(n):
    runs = pathlib.Path(__file__).with_name("runs-%d" % n)
    runs.write_text(runs.read_text() + "." if runs.exists() else ".")
    assert len(runs.read_text()) > {failures}
"""


@pytest.mark.parametrize(
    ("tests", "failures", "runs", "code", "said"),
    [
        pytest.param(1, 0, 1, 0, "tests: ok", id="passes"),
        pytest.param(1, 1, 2, 0, "passed alone: test_it.py::test_counted[0]", id="unsteady"),
        pytest.param(1, 2, 2, 1, "tests: FAILED", id="fails"),
        pytest.param(4, 1, 1, 1, "tests: FAILED", id="too many to be chance"),
    ],
)
def test_few_failures_are_tried_once_more_alone(
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    tests: int,
    failures: int,
    runs: int,
    code: int,
    said: str,
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "test_it.py").write_text(COUNTED.format(tests=tests, failures=failures), encoding="utf-8")
    monkeypatch.setattr(bootstrap, "ROOT", str(tmp_path))
    monkeypatch.setattr(bootstrap, "CHECKS", (("tests", ["-m", "pytest", "-q"]),))
    assert bootstrap.test(sys.executable, []) == code
    assert said in capsys.readouterr().err
    assert (tmp_path / "runs-0").read_text(encoding="utf-8") == "." * runs
