"""Pods, their addresses, Services and DNS."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import pytest
from kubernetes import client

from lab_helpers.clusters import Cluster
from lab_helpers.course.api import Api, Resource
from lab_helpers.course.probing import Probe, Prober
from lab_helpers.course.workloads import is_ready, pods_of, running_pod
from lab_helpers.views.verdicts import Outcome
from tests.clusters.contract.conftest import hurried
from tests.clusters.contract.stages import Shop, eventually

CURL = "curl -s -o /dev/null -w '%{http_code}' --max-time 25"


def test_nodes_are_ready_and_know_their_pod_networks(api: Api) -> None:
    nodes = api.list("Node")
    assert nodes
    assert all(map(is_ready, nodes))
    networks = {node["metadata"]["name"]: node["spec"]["ipam"]["podCIDRs"] for node in api.list("CiliumNode")}
    assert set(networks) == {node["metadata"]["name"] for node in nodes}
    assert all(ipaddress.ip_network(cidr) for cidrs in networks.values() for cidr in cidrs)


def test_each_pod_has_an_address_of_its_nodes_network(api: Api, shop: Shop) -> None:
    networks = {node["metadata"]["name"]: node["spec"]["ipam"]["podCIDRs"] for node in api.list("CiliumNode")}
    pods = api.list("Pod", shop.main) + api.list("Pod", shop.dev)
    addresses = [pod["status"]["podIP"] for pod in pods]
    assert len(set(addresses)) == len(pods) == 6
    for pod in pods:
        here = [ipaddress.ip_network(cidr) for cidr in networks[pod["spec"]["nodeName"]]]
        assert any(ipaddress.ip_address(pod["status"]["podIP"]) in network for network in here)


def test_a_deleted_pod_is_replaced_and_the_service_follows(cluster: Cluster, api: Api, shop: Shop) -> None:
    workload = shop.workload("payments")
    old = running_pod(api, workload)
    api.delete("Pod", old.name, old.namespace, grace=0)
    with hurried(cluster):
        new = eventually(
            lambda: [pod for pod in pods_of(api, workload) if is_ready(pod) and pod["metadata"]["name"] != old.name],
            seconds=120,
        )
    assert len(new) == 1
    endpoint = eventually(lambda: api.get("CiliumEndpoint", new[0]["metadata"]["name"], shop.main))
    assert endpoint is not None
    assert eventually(lambda: api.get("CiliumEndpoint", old.name, shop.main), lambda found: not found) is None


def test_a_deployment_is_scaled(cluster: Cluster, api: Api, shop: Shop) -> None:
    def ready(count: int) -> list[Resource]:
        api.patch("Deployment", "backend", shop.main, {"spec": {"replicas": count}})
        with hurried(cluster):
            return eventually(
                lambda: pods_of(api, shop.workload("backend")),
                lambda pods: len(pods) == count and all(map(is_ready, pods)),
                seconds=120,
            )

    assert len(ready(3)) == 3
    slices = eventually(lambda: addresses(api, shop), lambda found: len(found) == 3)
    assert slices == {pod["status"]["podIP"] for pod in pods_of(api, shop.workload("backend"))}
    assert len(ready(2)) == 2
    assert len(eventually(lambda: addresses(api, shop), lambda found: len(found) == 2)) == 2


def addresses(api: Api, shop: Shop) -> set[str]:
    found = api.list("EndpointSlice", shop.main, selector="kubernetes.io/service-name=backend")
    return {
        address
        for item in found
        for end in item.get("endpoints") or ()
        if end["conditions"].get("ready") and not end["conditions"].get("terminating")
        for address in end["addresses"]
    }


def test_a_pod_of_no_image_says_why(api: Api, shop: Shop, made: Callable[[Resource], Resource]) -> None:
    made(pod(shop, "imageless", image="registry.invalid/none:1"))

    def waiting() -> str:
        found = api.get("Pod", "imageless", shop.main) or {}
        states = found.get("status", {}).get("containerStatuses") or [{}]
        return str(states[0].get("state", {}).get("waiting", {}).get("reason", ""))

    assert eventually(waiting, lambda reason: "Image" in reason or "ErrImage" in reason) in (
        "ErrImagePull",
        "ImagePullBackOff",
    )


def pod(shop: Shop, name: str, *, image: str, command: tuple[str, ...] = ("sleep", "infinity")) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": shop.main},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": name, "image": image, "command": list(command)}],
        },
    }


@pytest.mark.parametrize(
    "url",
    [
        "http://backend:8080/api/v1/products",
        "http://backend.{main}/api/v1/products",
        "http://backend.{main}.svc.cluster.local:8080/api/v1/products",
        "http://{{ip:{main}/backend}}:8080/api/v1/products",
        "http://{{ip:{main}/backend@elsewhere}}:8080/api/v1/products",
    ],
    ids=["short name", "port of the service", "full name", "pod", "pod on another node"],
)
def test_ways_to_the_backend(prober: Prober, api: Api, shop: Shop, url: str) -> None:
    nodes = {item["spec"]["nodeName"] for item in pods_of(api, shop.workload("backend"))}
    if "elsewhere" in url and len(nodes) < 2:
        pytest.skip("this cluster placed both backends on one node")
    attempt = prober.run(Probe(shop.workload("frontend"), f"{CURL} {url.format(main=shop.main)}"), explain=False)
    assert (attempt.outcome, attempt.output.strip()) == (Outcome.ANSWERED, "200"), attempt.note


@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        ("nc -zv -w 20 {{ip:{main}/backend}} 9", Outcome.REFUSED),
        ("curl -s --max-time 20 http://no-such-name.{main}:8080/", Outcome.NO_NAME),
        ("nslookup no-such-name.{main}.svc.cluster.local", Outcome.NO_NAME),
        ("nslookup redis.{main}.svc.cluster.local", Outcome.ANSWERED),
        ("redis-cli -h redis ping || nc -z -w 20 redis 6379", Outcome.ANSWERED),
        ("ping -c 1 -W 20 {{ip:{main}/backend}}", Outcome.ANSWERED),
    ],
    ids=["closed port", "no name", "no name by DNS", "name", "redis", "ping"],
)
def test_outcomes_of_connections(prober: Prober, shop: Shop, command: str, outcome: Outcome) -> None:
    attempt = prober.run(Probe(shop.workload("frontend"), command.format(main=shop.main)), explain=False)
    assert attempt.outcome is outcome, f"{attempt.exit_code} {attempt.output} {attempt.note}"


def test_a_service_shares_its_requests_among_its_pods(core: client.CoreV1Api, api: Api, shop: Shop) -> None:
    caller = running_pod(api, shop.workload("frontend"))
    script = "for i in $(seq 24); do curl -s -o /dev/null http://backend:8080/api/v1/products?share=$i; done"
    assert api.execute(caller.namespace, caller.name, ["sh", "-c", script], timeout=60).exit_code == 0

    def shares() -> list[int]:
        names = [pod["metadata"]["name"] for pod in pods_of(api, shop.workload("backend"))]
        logs = [str(core.read_namespaced_pod_log(name, shop.main)) for name in names]
        return [log.count("?share=") for log in logs]

    seen = eventually(shares, lambda found: sum(found) >= 24)
    assert sum(seen) == 24
    assert all(seen), "one of two pods got nothing in 24 requests"


def test_the_dns_servers_answer_has_the_services_address(api: Api, shop: Shop) -> None:
    caller = running_pod(api, shop.workload("frontend"))
    done = api.execute(caller.namespace, caller.name, ["dig", "+short", f"backend.{shop.main}.svc.cluster.local"])
    service = api.get("Service", "backend", shop.main)
    assert service is not None
    assert done.stdout.split() == [service["spec"]["clusterIP"]]
