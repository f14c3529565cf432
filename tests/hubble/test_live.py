"""The twin's flows through the command line: the compact lines of allowed and denied requests, near and far."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab_helpers.clusters import Cluster, start_twin
from lab_helpers.course.shopping import manifest_text

# the twin's process outlives the object that started it
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

_POLICY = """
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: backend-in, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: backend}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: frontend}}]
    toPorts: [{ports: [{port: "8080", protocol: TCP}]}]
"""
_INSTALL = (
    "helm install cilium cilium/cilium -n kube-system --set kubeProxyReplacement=true --set hubble.relay.enabled=true "
    "--set k8sServiceHost=cilium-labs-control-plane --set k8sServicePort=6443 --wait"
)
_TO, _FROM = "shop/frontend:* -> shop/backend:8080", "shop/frontend:* <- shop/backend:8080"
_REFUSED = "dev/intruder:* <> shop/backend:8080"
_VERDICT = "policy-verdict:L3-L4 INGRESS ALLOWED BY backend-in (CiliumNetworkPolicy) (TCP Flags: SYN)"
_STEPS = [(_TO, "SYN"), (_FROM, "SYN, ACK"), *((_TO, flags) for flags in ("ACK", "ACK, PSH"))]
_STEPS += [(_FROM, "ACK, PSH"), (_TO, "ACK, FIN"), (_FROM, "ACK, FIN")]


class Lab:
    """A twin with Cilium, Relay and the shop, and one command line to it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._environment = {**os.environ, **cluster.environment()}
        self.pods: list[dict[str, Any]] = []

    def run(self, line: str, *, stdin: str = "", check: bool = True) -> str:
        """What a command prints; its failure fails the test."""
        words = line.split()
        program = self.cluster.bin_dir / words[0] if self.cluster.bin_dir else words[0]
        done = subprocess.run(
            [str(program), *words[1:]],
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=self._environment,
            timeout=60,
        )
        assert not check or done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def find(self, app: str, *, node: str = "", but: str = "") -> tuple[str, str]:
        """Node and address of a pod of an app."""
        for pod in self.pods:
            where = pod["spec"].get("nodeName", "")
            if pod["metadata"]["labels"].get("app") == app and where != but and node in ("", where):
                return where, pod["status"]["podIP"]
        raise AssertionError(f"no pod of {app} on {node or 'any node'} but {but}")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    cluster = start_twin(tmp_path_factory.mktemp("home"))
    try:
        made = Lab(cluster)
        made.run(_INSTALL)
        made.run("kubectl apply -f -", stdin=manifest_text() + "\n---" + _POLICY)
        for name in ("shop deploy/backend", "shop deploy/frontend", "dev deploy/intruder"):
            made.run(f"kubectl rollout status --timeout=30s -n {name}")
        made.pods = json.loads(made.run("kubectl get pods -A -l app -o json"))["items"]
        yield made
    finally:
        cluster.down()


def observed(lab: Lab, client: str, address: str, last: str, *flags: str) -> list[str]:
    """The lines between a client and an address, once `last` is among them; n1 is the client's node."""
    near, _ = lab.find(client.partition("/")[2])
    line = " ".join((f"hubble observe --all --print-node-name --ip {address} --protocol tcp", *flags))
    deadline = time.monotonic() + 10
    while True:
        shown = [normal(row, near) for row in lab.run(line).splitlines() if client in row]
        if any(row.endswith(last) for row in shown) or time.monotonic() > deadline:
            return shown


def normal(row: str, near: str) -> str:
    """A line without its time, with neutral names for nodes, pods and ports."""
    row = re.sub(r"^.{19} \[(\S+)\]:", lambda found: "[n1]" if found[1] == near else "[n2]", row)
    row = re.sub(r"-[0-9a-f]{6,10}-[a-z0-9]{5}\b", "", row)
    row = re.sub(r"(frontend|intruder):\d+", r"\1:*", row)
    return re.sub(r" \(ID:\d+\)", "", row)


def test_an_allowed_request_across_nodes(lab: Lab) -> None:
    _, address = lab.find("backend", but=lab.find("frontend")[0])
    lab.run(f"kubectl exec -n shop deploy/frontend -- curl -sS -m 5 http://{address}:8080/api/v1/products")
    lines = observed(
        lab,
        "shop/frontend",
        address,
        f"[n1] {_FROM} to-endpoint FORWARDED (TCP Flags: ACK, FIN)",
        "--use-default-field-masks=false --print-policy-names",
    )
    expected = []
    for way, flags in _STEPS:
        first, second = ("[n1]", "[n2]") if way == _TO else ("[n2]", "[n1]")
        expected.append(f"{first} {way} to-overlay FORWARDED (TCP Flags: {flags})")
        if flags == "SYN":
            expected.append(f"[n2] {_TO} {_VERDICT}")
        expected.append(f"{second} {way} to-endpoint FORWARDED (TCP Flags: {flags})")
    # within a millisecond two nodes' and two directions' lines may change places
    assert sorted(lines) == sorted(expected)


def test_an_allowed_request_on_one_node(lab: Lab) -> None:
    _, address = lab.find("backend", node=lab.find("frontend")[0])
    lab.run(f"kubectl exec -n shop deploy/frontend -- curl -sS -m 5 http://{address}:8080/api/v1/products")
    lines = observed(
        lab,
        "shop/frontend",
        address,
        f"{_FROM} to-endpoint FORWARDED (TCP Flags: ACK, FIN)",
        "--use-default-field-masks=false --print-policy-names",
    )
    expected = [f"[n1] {way} to-endpoint FORWARDED (TCP Flags: {flags})" for way, flags in _STEPS]
    assert sorted(lines) == sorted([f"[n1] {_TO} {_VERDICT}", *expected])


@pytest.mark.parametrize("far", [False, True])
def test_a_denied_request(lab: Lab, far: bool) -> None:
    near, _ = lab.find("intruder")
    _, address = lab.find("backend", but=near) if far else lab.find("backend", node=near)
    lab.run(f"kubectl exec -n dev deploy/intruder -- curl -sS -m 0.9 http://{address}:8080/", check=False)
    node = "[n2]" if far else "[n1]"
    dropped = f"{node} {_REFUSED} Policy denied DROPPED (TCP Flags: SYN)"
    sent = f"[n1] {_REFUSED.replace('<>', '->')} to-overlay FORWARDED (TCP Flags: SYN)"
    lines = observed(lab, "dev/intruder", address, dropped, "--use-default-field-masks=false")
    verdict = f"{node} {_REFUSED} policy-verdict:none INGRESS DENIED (TCP Flags: SYN)"
    assert lines == ([sent] if far else []) + [verdict, dropped]
    masked = observed(lab, "dev/intruder", address, dropped)
    assert masked[-2:] == [verdict.replace("INGRESS", "TRAFFIC_DIRECTION_UNKNOWN"), dropped]
