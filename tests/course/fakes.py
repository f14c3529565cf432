"""A cluster small enough to reason about: objects in a dictionary, connections decided by a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lab_helpers.course import shopping
from lab_helpers.course.api import KINDS, Executed
from lab_helpers.course.tooling import Ran


def pod(
    name: str, namespace: str, owner: str = "", *, ready: bool = True, labels: Mapping[str, str] | None = None
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "labels": dict(labels or {})}
    if owner:
        metadata["ownerReferences"] = [{"kind": "ReplicaSet", "name": owner}]
    return {
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"nodeName": "node-1"},
        "status": {
            "podIP": "10.0.1.9",
            "phase": "Running" if ready else "Pending",
            "conditions": [{"type": "Ready", "status": str(ready)}],
        },
    }


def deployment_pods(namespace: str, name: str, count: int = 1) -> list[dict[str, Any]]:
    return [pod(f"{name}-1a2b-{index}", namespace, f"{name}-1a2b", labels={"app": name}) for index in range(count)]


Decide = Callable[[str, str], Executed]
"""What a command (second) gives in a pod "namespace/name" (first)."""

IMAGE = "quay.io/cilium/cilium:v1.20.2@sha256:0"
ANSWERED = Executed(0, "200", "", 0.01)
SILENT = Executed(28, "", "", 2.0)


@dataclass
class FakeApi:
    """``lab_helpers.course.api.Api`` over a dictionary. Deployments become available as soon as they are applied."""

    decide: Decide = lambda _pod, _command: ANSWERED
    objects: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    commands: list[tuple[str, str]] = field(default_factory=list)

    def put(self, *items: dict[str, Any]) -> FakeApi:
        for item in items:
            metadata = item["metadata"]
            self.objects[item["kind"], metadata.get("namespace", ""), metadata["name"]] = item
        return self

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        return self.objects.get((kind, namespace, name))

    def list(self, kind: str, namespace: str = "", selector: str = "") -> list[dict[str, Any]]:
        found = [item for (k, n, _), item in self.objects.items() if k == kind and namespace in ("", n)]
        if selector:
            key, _, value = selector.partition("=")
            found = [item for item in found if item["metadata"].get("labels", {}).get(key) == value]
        return sorted(found, key=lambda item: (item["metadata"].get("namespace", ""), item["metadata"]["name"]))

    def apply(self, resource: dict[str, Any]) -> dict[str, Any]:
        resource = {
            **resource,
            "metadata": {"generation": 1, "uid": resource["metadata"]["name"], **resource["metadata"]},
        }
        if resource["kind"] == "Deployment":
            count = resource["spec"]["replicas"]
            resource["status"] = {"observedGeneration": 1, "availableReplicas": count, "updatedReplicas": count}
            namespace, name = resource["metadata"]["namespace"], resource["metadata"]["name"]
            self.put(*deployment_pods(namespace, name, count))
        self.put(resource)
        return resource

    def patch(self, kind: str, name: str, namespace: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        found = self.objects[kind, namespace, name]
        labels = found["metadata"].setdefault("labels", {})
        for key, value in changes.get("metadata", {}).get("labels", {}).items():
            labels.pop(key, None)
            if value is not None:
                labels[key] = value
        for key, value in changes.get("data", {}).items():
            found["data"].pop(key, None)
            if value is not None:
                found["data"][key] = value
        return found

    def delete(self, kind: str, name: str, namespace: str = "", *, grace: int | None = None) -> None:
        assert kind in KINDS
        self.objects.pop((kind, namespace, name), None)

    def close(self) -> None:
        """Nothing is open."""

    def version(self) -> str:
        return "v1.34.2"

    def execute(
        self, namespace: str, pod: str, command: Sequence[str], *, container: str = "", timeout: float = 30.0
    ) -> Executed:
        self.commands.append((f"{namespace}/{pod}", command[-1]))
        return self.decide(f"{namespace}/{pod}", command[-1])


@dataclass
class FakeTools:
    """Remembers what was run; answers with ``replies`` by program and first word, else succeeds."""

    replies: dict[str, Ran] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    on_run: Callable[[str, str], None] = lambda _line, _stdin: None

    def run(self, command: Sequence[str], *, stdin: str = "") -> Ran:
        line = " ".join(command)
        self.ran.append(line)
        self.on_run(line, stdin)
        return next((reply for start, reply in self.replies.items() if line.startswith(start)), Ran(0, "done\n"))

    def apply(self, manifest: str) -> Ran:
        return self.run(["kubectl", "apply"], stdin=manifest)

    def shell(self, script: str) -> Ran:
        return self.run(["sh"], stdin=script)


class FakeFlows:
    """A Hubble with a list of flows; ``after`` many requests the second list is there too."""

    def __init__(self, flows: Sequence[Any] = (), later: Sequence[Any] = (), after: int = 1) -> None:
        self.known, self.later, self.after = list(flows), list(later), after
        self.requests: list[Any] = []

    def flows(self, request: Any) -> list[Any]:
        self.requests.append(request)
        found = self.known + (self.later if len(self.requests) > self.after else [])
        if request.HasField("since"):
            found = [flow for flow in found if flow.time.ToNanoseconds() >= request.since.ToNanoseconds()]
        return found[-request.number :] if request.number else found


@dataclass
class FakeCluster:
    """What ``connect()`` gives, without a server."""

    state_dir: Path
    backend: str = "twin"
    name: str = "cilium-labs"
    downs: int = 0
    facts: dict[str, Any] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        return {"CILIUM_LABS_HOME": str(self.state_dir), "CILIUM_LABS_BACKEND": self.backend}

    def versions(self) -> dict[str, str]:
        return {"kubernetes": "v1.34.2", "cilium": "1.20.2"}

    def api(self) -> Any:
        return SimpleNamespace(configuration=None, rest_client=SimpleNamespace(pool_manager=None))

    @contextmanager
    def hubble(self) -> Any:
        yield SimpleNamespace(get_flows=lambda _request: [])

    def down(self) -> None:
        self.downs += 1


def ready_node(name: str, *, ready: bool = True) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"kind": "Node", "metadata": {"name": name}, "status": {"conditions": conditions}}


def cilium(*, relay: bool = True) -> list[dict[str, Any]]:
    """A cluster on which Cilium runs as the labs want it."""
    daemonset = {
        "kind": "DaemonSet",
        "metadata": {"name": "cilium", "namespace": "kube-system"},
        "spec": {"template": {"spec": {"containers": [{"name": "cilium-agent", "image": IMAGE}]}}},
        "status": {"desiredNumberScheduled": 1, "numberReady": 1, "updatedNumberScheduled": 1},
    }
    deployment = {
        "kind": "Deployment",
        "metadata": {"name": "hubble-relay", "namespace": "kube-system"},
        "spec": {"replicas": 1},
        "status": {"availableReplicas": 1, "updatedReplicas": 1},
    }
    config = {
        "kind": "ConfigMap",
        "metadata": {"name": "cilium-config", "namespace": "kube-system"},
        "data": {"kube-proxy-replacement": "true"},
    }
    return [daemonset, config, ready_node("node-1"), *([deployment] if relay else [])]


def kube_system() -> list[dict[str, Any]]:
    endpoints = {
        "kind": "Endpoints",
        "metadata": {"name": "kubernetes", "namespace": "default"},
        "subsets": [{"addresses": [{"ip": "172.18.0.2"}], "ports": [{"port": 6443}]}],
    }
    return [{"kind": "Namespace", "metadata": {"name": "kube-system", "uid": "uid-1"}}, endpoints]


def shop() -> list[dict[str, Any]]:
    """The shop, running."""
    api = FakeApi()
    for item in shopping.manifests():
        api.apply(item)
    return list(api.objects.values())
