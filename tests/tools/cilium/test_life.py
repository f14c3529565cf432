"""Cilium's life on a twin: before, installed, tested, reconfigured, gone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def cilium(start_twin: Callable[[], Path]) -> Run:
    config = start_twin()
    environ = {**os.environ, "KUBECONFIG": str(config), "KUBECACHEDIR": str(config.parent / "cache")}

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-m", "lab_helpers.tools.cilium", *words]
        return subprocess.run(program, capture_output=True, text=True, env=environ, check=False, timeout=120)

    return call


def test_its_life(cilium: Run, tmp_path: Path) -> None:
    before = cilium("status")
    assert before.returncode == 0
    assert 'daemonsets.apps "cilium" not found' in before.stdout
    assert "cilium image (running): unknown" in cilium("version").stdout
    assert cilium("connectivity", "test").stderr == (
        'Error: Connectivity test failed: unable to find Cilium: daemonsets.apps "cilium" not found\n'
    )

    refused = cilium("install", "--set", "kubeProxyReplacement=strict")
    assert refused.returncode == 1
    assert "Unable to install Cilium" in refused.stderr
    assert cilium("install", "--version", "1.2.3").returncode == 1

    installed = cilium("install", "--wait")
    assert installed.returncode == 0, installed.stderr
    assert "Auto-detected kube-proxy has not been installed" in installed.stdout
    assert cilium("install").stderr == "Error: Unable to install Cilium: cannot reuse a name that is still in use\n"

    status = cilium("status", "--wait")
    assert status.returncode == 0, status.stderr
    assert "Cilium:             OK\n" in status.stdout
    assert "DaemonSet              cilium                   Desired: 3, Ready: 3/3, Available: 3/3\n" in status.stdout

    report = tmp_path / "junit.xml"
    tested = cilium(
        "connectivity", "test", "--test", "no-policies$", "--test", "echo-ingress$", "--junit-file", str(report)
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "[=] [cilium-test-1] Test [no-policies] [1/95]\n..................\n" in tested.stdout
    assert "✅ [cilium-test-1] All 2 tests (24 actions) successful, 93 tests skipped" in tested.stdout
    assert report.exists()

    assert "enable-hubble" in cilium("config", "view").stdout
    assert "♻️  Restarted Cilium pods" in cilium("config", "set", "debug", "true").stdout
    assert cilium("status", "--wait").returncode == 0

    gone = cilium("uninstall", "--wait")
    assert gone.returncode == 0, gone.stderr
    assert "🔥 Deleting cilium-test-1 namespace..." in gone.stdout


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("sysdump",), "cilium sysdump is not part of the bundled cilium"),
        (("foo",), 'unknown command "foo" for "cilium"'),
        (("connectivity", "perf"), "cilium connectivity perf is not part"),
        (("connectivity", "test", "--test", "("), "error parsing regexp"),
        (("hubble", "port-forward"), 'failed to get service "hubble-relay"'),
    ],
)
def test_refusals(cilium: Run, words: tuple[str, ...], complaint: str) -> None:
    done = cilium(*words)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
