"""Reaching Hubble Relay through the API server: which pod and port, and what is said when there is none."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from types import SimpleNamespace as Object
from typing import Any

import kubernetes.client
import kubernetes.stream
import pytest

from lab_helpers.clusters import NotRunning
from lab_helpers.clusters.relaying import dial_relay


def pod(name: str, *, ready: bool = True, leaving: bool = False, port: int = 4245) -> Any:
    return Object(
        metadata=Object(name=name, deletion_timestamp="now" if leaving else None),
        status=Object(conditions=[Object(type="Ready", status=str(ready))]),
        spec=Object(containers=[Object(ports=[Object(name="grpc", container_port=port)]), Object(ports=None)]),
    )


def service(target: object = "grpc") -> Any:
    return Object(spec=Object(selector={"k8s-app": "hubble-relay"}, ports=[Object(port=80, target_port=target)]))


Cluster = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """An API with this Service and these pods; what was forwarded is remembered."""
    forwarded: list[tuple[Any, ...]] = []
    here, there = socket.socketpair()

    def make(found: Any, *pods: Any) -> list[tuple[Any, ...]]:
        def read(_name: str, _namespace: str) -> Any:
            if isinstance(found, Exception):
                raise found
            return found

        core = Object(
            read_namespaced_service=read,
            list_namespaced_pod=lambda _namespace, label_selector: Object(items=list(pods)),
            connect_get_namespaced_pod_portforward="portforward",
        )
        monkeypatch.setattr(kubernetes.client, "CoreV1Api", lambda _api: core)
        return forwarded

    def forward(method: str, name: str, namespace: str, *, ports: str) -> Any:
        forwarded.append((method, name, namespace, ports))
        return Object(socket=lambda _port: here)

    monkeypatch.setattr(kubernetes.stream, "portforward", forward)
    yield make
    here.close()
    there.close()


@pytest.mark.parametrize(("target", "port"), [("grpc", "4245"), (4000, "4000"), ("4001", "4001"), (None, "80")])
def test_a_ready_pod_of_the_service_and_its_port(cluster: Cluster, target: object, port: str) -> None:
    forwarded = cluster(service(target), pod("starting", ready=False), pod("leaving", leaving=True), pod("relay-1"))
    dial_relay(Object())  # type: ignore[arg-type]
    assert forwarded == [("portforward", "relay-1", "kube-system", port)]


@pytest.mark.parametrize(
    ("found", "pods", "words"),
    [
        (kubernetes.client.ApiException(status=404), [], "Hubble Relay is not installed"),
        (service(), [], "none of 0 pods of Hubble Relay is ready"),
        (service(), [pod("a", ready=False)], "none of 1 pods of Hubble Relay is ready"),
        (service("other"), [pod("a")], 'have no port "other"'),
    ],
    ids=["nothing", "no pods", "not ready", "no port"],
)
def test_what_is_missing_is_said_with_a_cure(cluster: Cluster, found: Any, pods: list[Any], words: str) -> None:
    cluster(found, *pods)
    with pytest.raises(NotRunning, match=words) as said:
        dial_relay(Object())  # type: ignore[arg-type]
    assert "cilium hubble enable" in str(said.value)


def test_a_refusal_is_not_taken_for_absence(cluster: Cluster) -> None:
    cluster(kubernetes.client.ApiException(status=403))
    with pytest.raises(kubernetes.client.ApiException):
        dial_relay(Object())  # type: ignore[arg-type]
