"""The real cilium command line on the embedded cluster, where it is on the machine."""

from __future__ import annotations

import os
import re
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

    ours = [sys.executable, "-m", "lab_helpers.tools.cilium"]

    def call(*words: str, bundled: bool = False) -> subprocess.CompletedProcess[str]:
        program = [*(ours if bundled else [real]), *words]
        return subprocess.run(program, capture_output=True, text=True, env=environ, check=False, timeout=300)

    assert call("install", "--wait", "--set", "hubble.relay.enabled=true", bundled=True).returncode == 0
    assert call("status", "--wait", "--interactive=false", bundled=True).returncode == 0
    return call


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("status", "-o", "bogus"),
        ("--namespace", "nowhere", "status"),
        ("--namespace", "nowhere", "status", "-o", "json"),
        ("install",),
        ("config", "view"),
        ("config", "delete", "not-there"),
        ("encryption", "status"),
        ("encryption", "status", "-o", "json"),
        ("clustermesh", "status"),
        ("status", "--bogus"),
        ("config", "set", "one"),
        ("connectivity", "test", "--print-flows=maybe"),
    ],
    ids=" ".join,
)
def test_ours_prints_what_the_real_one_does(cilium: Run, words: tuple[str, ...]) -> None:
    shown = []
    for bundled in (False, True):
        done = cilium(*words, bundled=bundled)
        # the real one has colours even where nobody sees them, and another default version
        text = re.sub(r"\033\[\d*m|(?<=Using Cilium version ).*", "", done.stdout)
        shown.append((done.returncode, text, done.stderr))
    assert shown[1] == shown[0]


def test_the_real_status_is_good(cilium: Run) -> None:
    done = cilium("status", "--wait", "--interactive=false")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Hubble Relay: +(\033\[32m)?OK", done.stdout)


def test_the_real_connectivity_test_passes(cilium: Run) -> None:
    chosen = "no-policies/pod-to-pod,no-policies/pod-to-cidr,echo-ingress-l7/,client-egress/,dns-only/,to-fqdns/"
    done = cilium("connectivity", "test", "--test", chosen)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✅ [cilium-test-1] All " in done.stdout


def test_the_real_sysdump_finds_what_it_looks_for(cilium: Run, tmp_path: Path) -> None:
    done = cilium("sysdump", "--output-filename", str(tmp_path / "dump"))
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(tmp_path / "dump.zip") as archive:
        assert any("ciliumendpoints" in name for name in archive.namelist())
