"""The command line without a cluster: help with examples, clear errors, exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from traitlets.config.loader import PyFileConfigLoader

import lab_helpers.cli
from lab_helpers.tools.shims import write_shims

COMMANDS = ("up", "down", "status", "reset", "lab", "run", "env", "doctor", "clock", "tools", "bundle", "policy")


def run(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lab_helpers.cli", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        env={**os.environ, "CILIUM_LABS_HOME": str(home)},
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(command: str, tmp_path: Path) -> None:
    done = run(command, "--help", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Example" in done.stdout
    assert f"cilium-labs {command}" in done.stdout


def test_signs_outside_the_systems_encoding_are_printed_all_the_same(tmp_path: Path) -> None:
    """As on Windows, where what goes into a pipe is written in an old code page."""
    done = subprocess.run(
        [sys.executable, "-m", "lab_helpers.cli", "bundle", "--help"],
        capture_output=True,
        env={**os.environ, "CILIUM_LABS_HOME": str(tmp_path), "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "…" in done.stdout.decode("utf-8")


@pytest.mark.parametrize("command", ["status", "down", "env"])
def test_without_a_cluster(command: str, tmp_path: Path) -> None:
    done = run(command, home=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "error: no cluster is running" in done.stderr
    assert "try:   cilium-labs up" in done.stderr


@pytest.mark.parametrize("by", ["-3s", "-1h30m"])
def test_time_only_moves_forward(by: str, tmp_path: Path) -> None:
    done = run("clock", by, home=tmp_path)
    assert done.returncode == 2
    assert f"time only moves forward, not by {by}" in done.stderr


def test_reset_asks_before_a_kept_state_is_forgotten(tmp_path: Path) -> None:
    state = tmp_path / "twin" / "state.db"
    state.parent.mkdir()
    state.touch()
    done = run("reset", home=tmp_path)
    assert done.returncode == 1
    assert "try:   --yes" in done.stderr
    assert state.exists()


def test_unknown_command(tmp_path: Path) -> None:
    done = run("upp", home=tmp_path)
    assert done.returncode == 2
    assert "No such command 'upp'" in done.stderr


def test_unknown_context(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text("apiVersion: v1\nkind: Config\ncurrent-context: ''\ncontexts: []\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "lab_helpers.cli", "up", "--backend", "existing", "--context", "nope"],
        capture_output=True,
        text=True,
        env={**os.environ, "CILIUM_LABS_HOME": str(tmp_path / "home"), "KUBECONFIG": str(kubeconfig)},
        check=False,
    )
    assert done.returncode == 1
    assert "kubeconfig" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_is_content_here(tmp_path: Path) -> None:
    done = run("doctor", home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Python" in done.stdout


def test_doctor_does_not_take_the_bundled_tools_for_real_ones(tmp_path: Path) -> None:
    home = tmp_path / "home"
    write_shims(home / "bin")
    done = subprocess.run(
        [sys.executable, "-m", "lab_helpers.cli", "doctor"],
        capture_output=True,
        text=True,
        env={**os.environ, "CILIUM_LABS_HOME": str(home), "PATH": str(home / "bin")},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kubectl" not in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no login shells")
@pytest.mark.parametrize("shell", ["/bin/sh", None])
def test_terminals_keep_the_path_with_the_tools(shell: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Path(lab_helpers.cli.__file__).parent / "desk"
    if shell:
        monkeypatch.setenv("SHELL", shell)
    else:
        monkeypatch.delenv("SHELL", raising=False)
    settings = PyFileConfigLoader("jupyter_server_config.py", path=str(desk)).load_config()
    (command,) = settings.ServerApp.terminado_settings["shell_command"]  # one word: no -l
    assert Path(command).is_file()
    assert shell in (command, None)
