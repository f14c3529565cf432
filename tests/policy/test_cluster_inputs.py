"""Reading a cluster's objects and flows for the policy engine, from a fake API server and recorded flows."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from lab_helpers.clusters import ClusterError
from lab_helpers.clusters.policy_inputs import flows_of_text, read_cluster
from lab_helpers.policy import Direction, HTTPRequest, Protocol
from lab_helpers.policy.parties import find_party

from .conftest import policy

POD = {
    "metadata": {
        "name": "backend-5d-x",
        "namespace": "shop",
        "labels": {"app": "backend", "pod-template-hash": "5d"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": "backend-5d"}],
    },
    "spec": {"containers": [{"name": "api", "ports": [{"containerPort": 8080, "name": "http"}]}]},
    "status": {"podIP": "10.0.1.7", "phase": "Running"},
}
ENDPOINT = {
    "metadata": {"name": "backend-5d-x", "namespace": "shop"},
    "status": {
        "identity": {
            "id": 4711,
            "labels": [
                "k8s:app=backend",
                "k8s:io.cilium.k8s.policy.cluster=west",
                "k8s:io.kubernetes.pod.namespace=shop",
            ],
        }
    },
}


class Api:
    """Answers lists like an API server; anything else is not found."""

    def __init__(self, lists: dict[str, tuple[str, list[Any]]], config: dict[str, str]) -> None:
        self.lists, self.config = lists, config

        self.configuration = SimpleNamespace(
            host="https://fake", username="", auth_settings=lambda: {"BearerToken": {"value": "Bearer t"}}
        )
        self.rest_client = SimpleNamespace(pool_manager=self)

    def request(self, method: str, url: str, **options: Any) -> Any:
        assert (method, options["headers"]["authorization"]) == ("GET", "Bearer t")
        found = self._document(url.removeprefix("https://fake"))
        if found is None:
            return SimpleNamespace(status=404, reason="Not Found", data=b"{}")
        return SimpleNamespace(status=200, reason="OK", data=json.dumps(found).encode())

    def _document(self, path: str) -> dict[str, Any] | None:
        if path.endswith("/configmaps/cilium-config"):
            return {"data": self.config}
        if path.endswith("/daemonsets/cilium"):
            containers = [{"image": "quay.io/cilium/cilium:v1.19.4@sha256:0"}]
            return {"spec": {"template": {"spec": {"containers": containers}}}}
        if path not in self.lists:
            return None
        kind, items = self.lists[path]
        return {"kind": f"{kind}List", "apiVersion": "x/v1", "items": items}


class Cluster:
    def __init__(self, api: Api) -> None:
        self._api = api

    @contextlib.contextmanager
    def api(self) -> Iterator[Api]:
        yield self._api


def cluster(config: dict[str, str] | None = None, **lists: Any) -> Any:
    paths = {
        "pods": ("/api/v1/pods", "Pod"),
        "endpoints": ("/apis/cilium.io/v2/ciliumendpoints", "CiliumEndpoint"),
        "policies": ("/apis/cilium.io/v2/ciliumnetworkpolicies", "CiliumNetworkPolicy"),
    }
    return Cluster(Api({paths[key][0]: (paths[key][1], items) for key, items in lists.items()}, config or {}))


def test_a_cluster_is_read_with_its_identities_and_configuration() -> None:
    deny = policy("cnp", {"endpointSelector": {}, "ingress": [{}]})
    found = read_cluster(cluster({"cluster-name": "west"}, pods=[POD], endpoints=[ENDPOINT], policies=[deny]))
    backend = find_party(found, "shop/backend")
    assert (backend.endpoint.identity.numeric, found.repository.config.version) == (4711, "1.19")
    assert find_party(found, "10.0.1.7").endpoint is backend.endpoint
    world = find_party(found, "world").endpoint
    assert not found.repository.decide(Direction.INGRESS, backend.endpoint, world, Protocol.TCP, 80).allowed


def test_a_configuration_nobody_takes_is_told() -> None:
    with pytest.raises(ClusterError, match="enable-policy"):
        read_cluster(cluster({"enable-policy": "perhaps"}))


def flow(**more: Any) -> str:
    end = {"labels": ["k8s:app=frontend", "k8s:io.kubernetes.pod.namespace=shop"], "namespace": "shop", "pod_name": "f"}
    document = {
        "verdict": "FORWARDED",
        "IP": {"source": "10.0.0.1", "destination": "10.0.0.2"},
        "l4": {"TCP": {"source_port": 40000, "destination_port": 8080}},
        "source": {"identity": 300, **end},
        "destination": {"identity": 301, **end},
        **more,
    }
    return json.dumps({"flow": document, "node_name": "n"})


def test_flows_of_a_file() -> None:
    request = {"type": "REQUEST", "http": {"method": "GET", "url": "http://shop/api?x=1"}}
    text = "\n".join(
        [
            flow(),
            flow(is_reply=True),
            flow(l4={"ICMPv4": {"type": 8}}, verdict="DROPPED"),
            flow(l7=request, Type="L7"),
            flow(l7={**request, "type": "RESPONSE"}, Type="L7"),
            json.dumps({"node_status": {"state_change": "NODE_CONNECTED"}}),
        ]
    )
    plain, reply, ping, http = flows_of_text(text)
    assert (plain.port, plain.source.identity, plain.dropped) == (8080, 300, False)
    assert reply.reply
    assert (ping.protocol, ping.port, ping.dropped) == (Protocol.ICMP, 8, True)
    assert http.http == HTTPRequest("GET", "/api?x=1", "shop")


def test_a_record_that_cannot_be_read_is_numbered() -> None:
    with pytest.raises(ClusterError, match="flow 2"):
        flows_of_text(flow() + '\n{"flow": {"l4": 5}}')
