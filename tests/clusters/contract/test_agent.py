"""Cilium's own objects, and its agent asked in its pod."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from lab_helpers.clusters import Cluster
from lab_helpers.course.api import Api, Resource
from lab_helpers.course.surveying import agent_version
from lab_helpers.course.workloads import PodRef, pods_of, running_pod
from tests.clusters.contract.stages import Shop, eventually

Agent = Callable[..., str]


@pytest.fixture
def frontend(api: Api, shop: Shop) -> PodRef:
    return running_pod(api, shop.workload("frontend"))


@pytest.fixture
def agent(api: Api, frontend: PodRef) -> Agent:
    """``cilium-dbg`` on the frontend's node."""
    pods = api.list("Pod", "kube-system", selector="k8s-app=cilium")
    name = next(pod["metadata"]["name"] for pod in pods if pod["spec"]["nodeName"] == frontend.node)

    def ask(*words: str) -> str:
        done = api.execute("kube-system", name, ["cilium-dbg", *words], container="cilium-agent")
        assert done.exit_code == 0, done.stderr
        return done.stdout

    return ask


def endpoint(api: Api, pod: PodRef) -> Resource:
    found = api.get("CiliumEndpoint", pod.name, pod.namespace)
    assert found is not None
    return found


def test_a_ciliumendpoint_describes_its_pod(api: Api, frontend: PodRef) -> None:
    found = endpoint(api, frontend)
    status = found["status"]
    assert status["state"] == "ready"
    assert status["networking"]["addressing"][0]["ipv4"] == frontend.ip
    assert status["networking"]["node"]
    assert "k8s:app=frontend" in status["identity"]["labels"]
    assert f"k8s:io.kubernetes.pod.namespace={frontend.namespace}" in status["identity"]["labels"]
    assert found["metadata"]["ownerReferences"][0]["kind"] == "Pod"


def test_pods_of_one_workload_share_an_identity(api: Api, shop: Shop) -> None:
    names = {pod["metadata"]["name"] for pod in pods_of(api, shop.workload("backend"))}
    found = [item for item in api.list("CiliumEndpoint", shop.main) if item["metadata"]["name"] in names]
    numbers = {item["status"]["identity"]["id"] for item in found}
    assert len(found) == 2
    assert len(numbers) == 1
    identity = api.get("CiliumIdentity", str(numbers.pop()))
    assert identity is not None
    assert identity["security-labels"]["k8s:app"] == "backend"
    assert identity["security-labels"]["k8s:io.kubernetes.pod.namespace"] == shop.main


def test_a_label_makes_another_identity(api: Api, shop: Shop, frontend: PodRef) -> None:
    before = endpoint(api, frontend)["status"]["identity"]["id"]

    def relabelled(value: str | None) -> int:
        api.patch("Pod", frontend.name, frontend.namespace, {"metadata": {"labels": {"tier": value}}})
        return eventually(
            lambda: int(endpoint(api, frontend)["status"]["identity"]["id"]),
            lambda now: (now == before) == (value is None),
        )

    assert relabelled("web") != before
    assert relabelled(None) == before


def test_the_versions_agree(cluster: Cluster, api: Api, agent: Agent) -> None:
    version = cluster.versions()["cilium"]
    assert agent_version(api) == version
    assert version in agent("version")


def test_the_agent_says_how_it_is(agent: Agent) -> None:
    assert agent("status", "--brief").strip() == "OK"
    said = json.loads(agent("status", "-o", "json"))
    assert said["cilium"]["state"] == "Ok"
    assert said["kubernetes"]["state"] == "Ok"


def test_the_agent_knows_the_endpoint(api: Api, agent: Agent, frontend: PodRef) -> None:
    listed = json.loads(agent("endpoint", "list", "-o", "json"))
    names = {item["status"]["external-identifiers"].get("k8s-pod-name", "") for item in listed}
    assert frontend.name in names
    number = str(endpoint(api, frontend)["status"]["id"])
    one = json.loads(agent("endpoint", "get", number, "-o", "json"))[0]
    policy = one["status"]["policy"]
    assert policy["realized"]["policy-revision"] > 0
    assert policy["spec"]["policy-revision"] >= policy["realized"]["policy-revision"] > 0


def test_the_agent_knows_the_identity(api: Api, agent: Agent, frontend: PodRef) -> None:
    number = endpoint(api, frontend)["status"]["identity"]["id"]
    one = json.loads(agent("identity", "get", str(number), "-o", "json"))
    labels = (one[0] if isinstance(one, list) else one)["labels"]
    assert "k8s:app=frontend" in labels
    reserved = {item["id"]: item["labels"] for item in json.loads(agent("identity", "list", "-o", "json"))}
    assert reserved[1][0] == "reserved:host"
    assert reserved[2][0] == "reserved:world"


def test_the_agent_translates_services(api: Api, shop: Shop, agent: Agent) -> None:
    service = api.get("Service", "redis", shop.main)
    assert service is not None
    pod = running_pod(api, shop.workload("redis"))
    frontend = f"{service['spec']['clusterIP']}:6379/TCP"
    row = next(line for line in agent("service", "list").splitlines() if frontend in line.split())
    assert "ClusterIP" in row
    assert f"1 => {pod.ip}:6379/TCP (active)" in row


def test_the_map_of_a_policy_can_be_read(
    api: Api, shop: Shop, agent: Agent, frontend: PodRef, made: Callable[[Resource], Resource]
) -> None:
    number = str(endpoint(api, frontend)["status"]["id"])
    made(
        {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumNetworkPolicy",
            "metadata": {"name": "mapped", "namespace": shop.main},
            "spec": {
                "endpointSelector": {"matchLabels": {"app": "frontend"}},
                "ingress": [{"fromEntities": ["host"], "toPorts": [{"ports": [{"port": "4321", "protocol": "TCP"}]}]}],
            },
        }
    )
    assert "4321/TCP" in eventually(lambda: agent("bpf", "policy", "get", number), lambda text: "4321/TCP" in text)
    assert "4321" in agent("policy", "get")
    assert "4321/TCP" in agent("bpf", "policy", "get", number)


def test_addresses_lead_to_identities(api: Api, agent: Agent, frontend: PodRef) -> None:
    number = endpoint(api, frontend)["status"]["identity"]["id"]
    lines = [line for line in agent("bpf", "ipcache", "list").splitlines() if line.startswith(f"{frontend.ip}/32")]
    assert lines
    assert f"identity={number}" in lines[0]


def test_the_cache_of_names_is_a_list(agent: Agent) -> None:
    assert isinstance(json.loads(agent("fqdn", "cache", "list", "-o", "json") or "[]") or [], list)
