"""Cilium's life on a twin: before, installed, tested, reconfigured, gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def cilium(start_twin: Callable[[], Path]) -> Run:
    config = start_twin()
    environ = {**os.environ, "KUBECONFIG": str(config), "KUBECACHEDIR": str(config.parent / "cache")}
    environ.pop("HUBBLE_SERVER", None)  # that of another cluster

    def call(*words: str, tool: str = "cilium") -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-m", f"lab_helpers.tools.{tool}", *words]
        return subprocess.run(program, capture_output=True, text=True, env=environ, check=False, timeout=600)

    return call


@pytest.mark.timeout(900)
def test_its_life(cilium: Run, tmp_path: Path) -> None:
    before = cilium("status")
    assert before.returncode == 1
    assert 'daemonsets.apps "cilium" not found' in before.stdout
    assert "Operator:           disabled\n" in before.stdout
    assert before.stderr == (
        'status check failed: [daemonsets.apps "cilium" not found, unable to retrieve ConfigMap "cilium-config": '
        'configmaps "cilium-config" not found]\n'
    )
    assert "cilium image (running): unknown" in cilium("version").stdout
    assert cilium("connectivity", "test").stderr == (
        'Connectivity test failed: unable to find Cilium: daemonsets.apps "cilium" not found\n'
    )

    refused = cilium("install", "--set", "kubeProxyReplacement=strict")
    assert refused.returncode == 1
    assert "Unable to install Cilium" in refused.stderr
    assert cilium("install", "--version", "1.2.3").returncode == 1

    installed = cilium("install", "--wait")
    assert installed.returncode == 0, installed.stderr
    assert "Auto-detected kube-proxy has not been installed" in installed.stdout
    assert cilium("install").stderr == (
        "\nError: Unable to install Cilium: release name check failed: cannot reuse a name that is still in use\n"
    )

    status = cilium("status", "--wait")
    assert status.returncode == 0, status.stderr
    assert "Cilium:             OK\n" in status.stdout
    assert "DaemonSet              cilium                   Desired: 3, Ready: 3/3, Available: 3/3\n" in status.stdout

    report = tmp_path / "junit.xml"
    chosen = "no-policies/,echo-ingress-l7/,to-fqdns/pod-to-world-2,no-unexpected"
    strict = ("--flow-validation", "strict")
    tested = cilium("connectivity", "test", "--test", chosen, *strict, "--junit-file", str(report))
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "⚠️  Unable to contact Hubble Relay, disabling Hubble telescope and flow validation: " in tested.stdout
    assert f"[=] [cilium-test-1] Test [no-policies] [1/95]\n{'.' * 48}\n" in tested.stdout
    assert "[=] [cilium-test-1] Skipping test [health] [44/95] (skipped by user)\n" in tested.stdout
    assert "✅ [cilium-test-1] All 4 tests (70 actions) successful, 91 tests skipped" in tested.stdout
    assert report.exists()

    assert cilium("hubble", "enable", "--relay").returncode == 0
    assert "enable-hubble" in cilium("config", "view").stdout
    kept = agents_and_operators(cilium)
    assert "♻️  Restarted Cilium pods" in cilium("config", "set", "debug", "true").stdout
    assert cilium("status", "--wait", "--interactive=false").returncode == 0
    assert not kept & agents_and_operators(cilium)
    assert cilium("status", "-o", "bogus").stdout == cilium("status").stdout
    report_of = json.loads(cilium("status", "-o", "json").stdout)
    assert list(report_of) == [
        *("image_count", "phase_count", "pod_state", "pods_count", "cilium_status", "cilium_endpoints", "errors"),
        "helm_chart_version",
    ]
    both = ("--test", "dns-only/pod-to-pod,client-ingress-icmp/", "--test-concurrency", "2")
    tested = cilium("connectivity", "test", *both, *strict, "--print-flows")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "ℹ️  Hubble is OK, flows: " in tested.stdout
    assert "[=] [cilium-test-2] Test [" in tested.stdout
    assert "📄 Flow logs for client-ingress-icmp/client-to-client/ping-ipv4-0" in tested.stdout

    dump = cilium("sysdump", "--output-filename", str(tmp_path / "dump-<ts>"), "--hubble-flows-count", "7")
    assert dump.returncode == 0, dump.stderr
    (found,) = tmp_path.glob("dump-*.zip")
    check_sysdump(found)
    assert cilium("encryption", "status").stdout == "Encryption: Disabled (3/3 nodes)\n\n"
    counted = cilium("encryption", "status", "-o", "json").stdout
    assert counted == '{\n "total-node-count": 3,\n "enc-disabled-node-count": 3\n}\n'
    kept = cilium("config", "delete", "not-there")
    assert kept.returncode == 1
    assert kept.stdout == "✨ Removing key not-there from ConfigMap cilium-config...\n"
    assert kept.stderr == (
        "\nError: Unable to delete config:  unable to patch ConfigMap cilium-config with patch "
        r'"[{\"op\": \"remove\", \"path\": \"/data/not-there\"}]": '
        "the server rejected our request due to an error in our request\n"
    )

    gone = cilium("uninstall", "--wait")
    assert gone.returncode == 0, gone.stderr
    assert "🔥 Deleting cilium-test-1 namespace..." in gone.stdout


def agents_and_operators(cilium: Run) -> set[str]:
    """The pods that ``config set`` restarts."""
    both = ("k8s-app=cilium", "io.cilium/app=operator")
    listed = [cilium("get", "pods", "-n", "kube-system", "-l", one, "-o", "name", tool="kubectl") for one in both]
    assert all(done.stdout for done in listed), listed
    return {name for done in listed for name in done.stdout.split()}


def check_sysdump(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        texts = {name.partition("/")[2]: archive.read(name).decode() for name in archive.namelist()}
    names = " ".join(texts)
    for part in ("kubernetes-nodes-", "ciliumendpoints-", "cilium-configmap-", "logs-cilium-", "cilium-helm-values-"):
        assert part in names, part
    flows = [text for name, text in texts.items() if name.startswith("hubble-flows-")]
    assert len(flows) == 3
    assert any(flows)
    assert all("flow" in json.loads(line) for text in flows for line in text.splitlines())
    states = [text for name, text in texts.items() if name.endswith("/cmd/cilium-dbg-status---verbose.md")]
    assert len(states) == 3
    assert all("KubeProxyReplacement:" in text for text in states)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("sysdump", "--node-list", "nowhere"), "--node-list: there is no node nowhere; known: cilium-labs-"),
        (("sysdump", "--output-filename", "no/such/folder/dump"), "choose with --output-filename"),
        (("bgp", "peers"), "the BGP control plane is disabled in this cluster"),
        (("clustermesh", "status"), '\nError: Unable to determine status:  unable to get clustermesh service "'),
        (("status", "--nothing"), "unknown flag: --nothing\n"),
        (("clustermesh", "connect"), "cilium clustermesh connect is not part of the bundled cilium"),
        (("features", "status"), "cilium features is not part of the bundled cilium"),
        (("connectivity", "test", "--flow-validation", "maybe"), "use one of disabled, warning, strict"),
        (("connectivity", "test", "--test-concurrency", "0"), "at least one namespace is needed"),
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
