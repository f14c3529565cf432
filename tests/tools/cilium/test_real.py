"""The real cilium command line on the embedded cluster, where it is on the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def real() -> str:
    """The real program; skips when PATH has none but ours."""
    found = shutil.which("cilium", path=os.environ.get("CILIUM_LABS_REAL_PATH", os.environ.get("PATH", "")))
    if not found or b"lab_helpers" in Path(found).read_bytes()[:2000]:
        pytest.skip("no real cilium on PATH to use the embedded cluster with")
    return found


@pytest.fixture(scope="module")
def cilium(real: str, start_twin: Callable[[], Path]) -> Run:
    """Runs the real program against a twin on which ours has installed Cilium with Relay."""
    config = start_twin()
    environ = {**os.environ, "KUBECONFIG": str(config), "KUBECACHEDIR": str(config.parent / "cache")}

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([real, *words], capture_output=True, text=True, env=environ, check=False, timeout=300)

    ours = [sys.executable, "-m", "lab_helpers.tools.cilium", "install", "--wait", "--set", "hubble.relay.enabled=true"]
    subprocess.run(ours, env=environ, check=True, capture_output=True, timeout=120)
    return call


def test_the_real_status_is_good(cilium: Run) -> None:
    done = cilium("status", "--wait", "--interactive=false")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Hubble Relay:       OK" in done.stdout


def test_the_real_connectivity_test_passes(cilium: Run) -> None:
    done = cilium("connectivity", "test", "--test", "no-policies/pod-to-pod", "--test", "echo-ingress-l7/")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_real_sysdump_finds_what_it_looks_for(cilium: Run, tmp_path: Path) -> None:
    done = cilium("sysdump", "--output-filename", str(tmp_path / "dump"))
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(tmp_path / "dump.zip") as archive:
        assert any("ciliumendpoints" in name for name in archive.namelist())
