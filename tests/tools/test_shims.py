"""Launchers: they start, wherever Python lies, and step aside for real programs when asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab_helpers.tools.shims import TOOLS, ShimError, script_text, write_shims

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX launchers")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, env={"PATH": "", "HOME": "/nonexistent"})


@posix
def test_each_tool_gets_a_launcher_that_starts(tmp_path: Path) -> None:
    written = write_shims(tmp_path / "bin", environ={})
    assert [path.name for path in written] == list(TOOLS)
    done = run(str(written[0]), "version", "--client")
    assert done.stdout.startswith("Client Version: v1.32")
    assert done.returncode == 0


@posix
@pytest.mark.parametrize("name", ["with blanks and 'quotes'", "x" * 140])
def test_awkward_interpreter_paths_work(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    home.mkdir()
    python = home / "python"
    python.symlink_to(sys.executable)
    written = write_shims(tmp_path / "bin", python=str(python), environ={})
    assert run(str(written[0]), "version", "--client").returncode == 0


@posix
def test_cilium_labs_starts_without_an_activated_environment(tmp_path: Path) -> None:
    write_shims(tmp_path / "bin", environ={})
    done = run(str(tmp_path / "bin" / "cilium-labs"), "--version")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("cilium-labs")


@posix
def test_real_programs_win_when_asked_for(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "helm").write_text("#!/bin/sh\n")
    (real / "helm").chmod(0o755)
    folder = tmp_path / "bin"
    write_shims(folder, environ={})
    environ = {"CILIUM_LABS_TOOLS": "system", "PATH": f"{folder}{os.pathsep}{real}"}
    assert [path.name for path in write_shims(folder, environ=environ)] == ["kubectl", "cilium", "hubble"]
    assert not (folder / "helm").exists()


def test_windows_gets_command_files(tmp_path: Path) -> None:
    write_shims(tmp_path, python=r"C:\Program Files\python.exe", environ={}, windows=True)
    text = (tmp_path / "kubectl.cmd").read_bytes().decode()
    assert text == '@"C:\\Program Files\\python.exe" -IS -X utf8 "%~dp0kubectl-launcher.py" %*\r\n'
    assert "lab_helpers.tools.kubectl" in (tmp_path / "kubectl-launcher.py").read_text(encoding="utf-8")


def test_the_launcher_names_its_folders() -> None:
    assert "sys.path += ['/a b']" in script_text("helm", ["/a b"])


@posix
def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ShimError, match="check its permissions"):
        write_shims(tmp_path / "file" / "bin", environ={})
