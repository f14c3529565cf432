"""``cilium-labs policy`` on a living cluster: what it says, against connections that were really tried."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from lab_helpers.cli.policy import policy as command
from lab_helpers.clusters import Cluster, ClusterError, start_twin
from lab_helpers.course.api import Api
from lab_helpers.course.shopping import manifests
from lab_helpers.course.workloads import is_ready

VALUES = ("kubeProxyReplacement=true", "k8sServiceHost=cilium-labs-control-plane", "k8sServicePort=6443")
POLICIES = """
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: backend-from-frontend, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: backend}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: frontend}}]
    toPorts: [{ports: [{port: http-api, protocol: TCP}], rules: {http: [{method: GET, path: /api/v1/.*}]}}]
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: no-dev}
spec:
  endpointSelector: {matchLabels: {app: redis}}
  ingressDeny: [{fromEndpoints: [{matchLabels: {io.kubernetes.pod.namespace: dev}}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: redis-from-payments, namespace: shop}
spec:
  podSelector: {matchLabels: {app: redis}}
  ingress: [{from: [{podSelector: {matchLabels: {app: payments}}}], ports: [{port: 6379}]}]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: payments-egress, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: payments}}
  egress:
  - toEndpoints: [{matchLabels: {io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns}}]
    toPorts: [{ports: [{port: "53", protocol: ANY}], rules: {dns: [{matchPattern: "*"}]}}]
  - toEndpoints: [{matchLabels: {app: redis}}]
"""
CLIENTS = ("shop/frontend", "shop/payments", "dev/intruder")
TARGETS = {"shop/backend": 8080, "shop/redis": 6379}
Ask = Callable[..., Result]


def until(what: Callable[[], bool], patience: float = 120.0) -> None:
    deadline = time.monotonic() + patience
    while not what():
        assert time.monotonic() < deadline, "the cluster did not get there"
        time.sleep(0.05)


class Shop:
    """The shop on a twin with Cilium."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.api = Api(cluster.api())

    def running(self, app: str) -> list[Any]:
        namespace, name = app.split("/")
        return [pod for pod in self.api.list("Pod", namespace, f"app={name}") if is_ready(pod)]

    def fill(self) -> None:
        values = [word for value in VALUES for word in ("--set", value)]
        more = ("--set", "hubble.relay.enabled=true")
        helm = [sys.executable, "-m", "lab_helpers.tools.helm", "install", "cilium", "cilium/cilium"]
        environment = {**os.environ, **self.cluster.environment()}
        subprocess.run([*helm, "-n", "kube-system", *values, *more], env=environment, check=True, capture_output=True)
        for item in manifests():
            self.api.apply(item)
        until(lambda: all(self.running(app) for app in (*CLIENTS, *TARGETS)))
        until(lambda: self.api.get("CiliumNode", "cilium-labs-worker") is not None)

    def connects(self, client: str, target: str, *, patience: int = 60) -> bool:
        """Is a TCP connection opened? What is dropped is told from what is slow by ``patience``, in seconds."""
        namespace, _ = client.split("/")
        address = self.running(target)[0]["status"]["podIP"]
        pod = self.running(client)[0]["metadata"]["name"]
        words = ["nc", "-z", "-w", str(patience), address, str(TARGETS[target])]
        return self.api.execute(namespace, pod, words, timeout=120).exit_code == 0


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    cluster = start_twin(tmp_path_factory.mktemp("home"))
    found = Shop(cluster)
    try:
        found.fill()
        yield found
    finally:
        found.api.close()
        cluster.down()


@pytest.fixture
def ask(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.setenv("CILIUM_LABS_HOME", str(shop.cluster.state_dir))
    return lambda *words: CliRunner().invoke(command, words)


@pytest.fixture
def closed(shop: Shop) -> Iterator[None]:
    """The policies are in force, and gone afterwards."""
    items = [{**item, "metadata": dict(item["metadata"])} for item in yaml.safe_load_all(POLICIES)]
    for item in items:
        shop.api.apply(item)
    until(lambda: not shop.connects("dev/intruder", "shop/redis", patience=2))
    until(lambda: not shop.connects("dev/intruder", "shop/backend", patience=2))
    yield
    for item in items:
        shop.api.delete(item["kind"], item["metadata"]["name"], item["metadata"].get("namespace", ""))
    opened = (("dev/intruder", "shop/redis"), ("dev/intruder", "shop/backend"))
    until(lambda: all(shop.connects(*pair, patience=2) for pair in opened))


@pytest.fixture
def no_relay(shop: Shop) -> Iterator[None]:
    """Nobody carries flows, for a while."""

    def relays() -> list[Any]:
        return shop.api.list("Pod", "kube-system", "k8s-app=hubble-relay")

    shop.api.patch("Deployment", "hubble-relay", "kube-system", {"spec": {"replicas": 0}})
    until(lambda: not relays())
    yield
    shop.api.patch("Deployment", "hubble-relay", "kube-system", {"spec": {"replicas": 1}})
    until(lambda: bool(relays()) and all(is_ready(pod) for pod in relays()))


def answer(result: Result) -> Any:
    assert result.exit_code in (0, 3), result.output
    return json.loads(result.stdout)


def test_flows_teach_policies_that_allow_them(shop: Shop, ask: Ask, tmp_path: Path) -> None:
    assert shop.connects("shop/frontend", "shop/backend")
    assert shop.connects("shop/payments", "shop/redis")
    result = ask("learn", "-n", "shop")
    assert result.exit_code == 0, result.output
    learned = {item["metadata"]["name"]: item["spec"] for item in yaml.safe_load_all(result.stdout)}
    assert set(learned) >= {"backend-observed", "frontend-observed", "payments-observed", "redis-observed"}
    port = {"ports": [{"port": "8080", "protocol": "TCP"}]}
    rules = [rule for rule in learned["backend-observed"]["ingress"] if port in rule["toPorts"]]
    callers = [caller for rule in rules for caller in rule["fromEndpoints"]]
    assert {"matchLabels": {"app": "frontend"}} in callers, "whoever else has called before"
    file = tmp_path / "learned.yaml"
    file.write_text(result.stdout, encoding="utf-8")
    again = answer(ask("dry-run", "-f", str(file), "-o", "json"))
    assert again["cut"] == []
    assert again["flows"] > 0


def test_dry_run_names_the_flows_that_would_be_cut(shop: Shop, ask: Ask, tmp_path: Path) -> None:
    assert shop.connects("dev/intruder", "shop/backend")
    file = tmp_path / "new.yaml"
    file.write_text(POLICIES, encoding="utf-8")
    cut = {row["flow"] for row in answer(ask("dry-run", "-f", str(file), "-o", "json"))["cut"]}
    assert any("dev/intruder" in flow and ":8080/TCP" in flow for flow in cut)
    assert not any("shop/frontend" in flow and ":8080/TCP" in flow for flow in cut)


@pytest.mark.usefixtures("closed")
def test_the_matrix_is_what_happens(shop: Shop, ask: Ask) -> None:
    found = answer(ask("matrix", "-n", "shop", "-n", "dev", "-o", "json"))
    columns = {(target["name"], target["port"]): number for number, target in enumerate(found["targets"])}
    for client in CLIENTS:
        row = found["verdicts"][found["sources"].index(client)]
        for target, port in TARGETS.items():
            told = row[columns[target, port]] != "denied"
            assert told == shop.connects(client, target, patience=60 if told else 2), f"{client} → {target}"
            assert (ask("why", "--from", client, "--to", f"{target}:{port}").exit_code == 0) == told


@pytest.mark.usefixtures("closed")
def test_a_service_is_translated_and_its_port_is_no_port_of_the_pod(ask: Ask) -> None:
    question = ("why", "--from", "shop/frontend", "--to")
    assert "goes to shop/backend-" in ask(*question, "svc/shop/backend:80").output
    assert "did you mean svc/shop/backend:80?" in ask(*question, "shop/backend:80").output
    assert ask(*question, "svc/shop/backend:80", "--http", "GET /admin").exit_code == 3


@pytest.mark.usefixtures("no_relay")
def test_without_relay_flows_are_refused_with_what_to_try(ask: Ask) -> None:
    error = ask("learn", "-n", "shop").exception
    assert isinstance(error, ClusterError)
    assert "Hubble Relay does not answer" in str(error)
