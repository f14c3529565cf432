"""A little cluster without controllers: pods are started by hand."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lab_helpers.twin.clock import ManualClock
from lab_helpers.twin.containers import Runtime
from lab_helpers.twin.containers.catalogue import course_images
from lab_helpers.twin.interfaces import ExecResult, PodKey
from lab_helpers.twin.objects.kinds import Kinds
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Storage
from lab_helpers.twin.outside.hosts import Outside


def _fakes() -> Any:
    name = "twin_fake_networks"
    if name not in sys.modules:
        path = Path(__file__).resolve().parents[1] / "fake_networks.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


class Result:
    def __init__(self, result: ExecResult, out: bytes, err: bytes) -> None:
        self.code, self.message = result
        self.out, self.err = out.decode(), err.decode()

    def __repr__(self) -> str:
        return f"Result(code={self.code}, out={self.out!r}, err={self.err!r}, message={self.message!r})"


class Lab:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.storage = Storage()
        self.registry = Registry(self.storage, Kinds(), self.clock)
        self.networks = _fakes().FakeNetworks(self.clock)
        self.images = course_images(self.registry)
        self.runtime = Runtime(self.registry, self.clock, self.networks, self.images)
        self._next = 1

    def pod(
        self, name: str, image: str = "nicolaka/netshoot:v0.14", *, namespace: str = "shop", **spec: Any
    ) -> dict[str, Any]:
        """Make and start a pod; ``command``, ``args``, ``env`` … go to its only container, the rest to its spec."""
        self._next += 1
        ip = f"10.0.1.{self._next}"
        inside = (
            "command",
            "args",
            "env",
            "envFrom",
            "volumeMounts",
            "ports",
            "workingDir",
            "stdin",
            "stdinOnce",
            "tty",
        )
        container = {"name": name, "image": image, **{key: spec.pop(key) for key in inside if key in spec}}
        if "netshoot" in image and "command" not in container:
            container["command"] = ["sleep", "infinity"]
        labels = spec.pop("labels", {})
        body = {
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"nodeName": "cilium-labs-worker", "containers": [container], **spec},
        }
        pod = self.registry.create("pods", body)
        pod = self.registry.update(
            "pods", {**pod, "status": {"podIP": ip, "hostIP": "172.18.0.3"}}, subresource="status"
        )
        self.runtime.start(pod, name, ip=ip)
        return pod

    def key(self, pod: dict[str, Any]) -> PodKey:
        metadata = pod["metadata"]
        return PodKey(metadata["namespace"], metadata["name"], metadata["uid"])

    def state(self, pod: dict[str, Any]) -> Any:
        return self.runtime.states(self.key(pod))[0]

    async def logs(self, pod: dict[str, Any], **options: Any) -> str:
        name = pod["spec"]["containers"][0]["name"]
        return b"".join([line async for line in self.runtime.logs(self.key(pod), name, **options)]).decode()

    async def run(self, pod: dict[str, Any], *command: str, stdin: bytes | None = None, tty: bool = False) -> Result:
        out, err = bytearray(), bytearray()

        async def collect_out(data: bytes) -> None:
            out.extend(data)

        async def collect_err(data: bytes) -> None:
            err.extend(data)

        async def source() -> AsyncIterator[bytes]:
            assert stdin is not None
            yield stdin

        name = pod["spec"]["containers"][0]["name"]
        task = asyncio.create_task(
            self.runtime.execute(
                self.key(pod),
                name,
                command,
                stdin=None if stdin is None else source(),
                tty=tty,
                stdout=collect_out,
                stderr=collect_err,
            )
        )
        try:
            result = await self.finish(task)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            raise
        return Result(result, bytes(out), bytes(err))

    async def finish(self, task: asyncio.Task[Any], *, turns: int = 400) -> Any:
        """Move the clock, second by second, until ``task`` is done."""
        for turn in range(turns):
            if task.done():
                break
            await self.clock.advance(1.0 if turn > 30 else 0.0)
        assert task.done(), "the task did not end"
        return task.result()

    async def sh(self, pod: dict[str, Any], script: str, *, shell: str = "sh", stdin: bytes | None = None) -> Result:
        return await self.run(pod, shell, "-c", script, stdin=stdin)

    def service(self, name: str, ip: str, port: int, *, namespace: str = "shop", **spec: Any) -> None:
        body = {
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "clusterIP": ip,
                "clusterIPs": [ip],
                "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
                **spec,
            },
        }
        self.registry.create("services", body)

    def backend(self) -> dict[str, Any]:
        """The shop's backend behind its Service; needs ``dns()`` for its name."""
        script = (Path(__file__).resolve().parents[3] / "lab_helpers/course/shop/server.py").read_text(encoding="utf-8")
        self.registry.create(
            "configmaps", {"metadata": {"name": "backend", "namespace": "shop"}, "data": {"server.py": script}}
        )
        pod = self.pod(
            "backend",
            "python:3.13-alpine",
            command=["python3", "/srv/shop/server.py"],
            volumeMounts=[{"name": "code", "mountPath": "/srv/shop"}],
            volumes=[{"name": "code", "configMap": {"name": "backend"}}],
            labels={"app": "backend"},
        )
        self.service("backend", "10.96.5.5", 8080)
        self.networks.services["10.96.5.5", 8080] = (pod["status"]["podIP"], 8080)
        return pod

    def internet(self) -> Outside:
        """The course's outside."""
        outside = Outside(self.clock, self.networks, registry=self.registry)
        outside.start()
        return outside

    def dns(self) -> dict[str, Any]:
        for namespace in ("default", "kube-system", "shop", "dev"):
            if self.registry.find("namespaces", namespace) is None:
                self.registry.create("namespaces", {"metadata": {"name": namespace}})
        self.service("kube-dns", "10.96.0.10", 53, namespace="kube-system")
        self.service("kubernetes", "10.96.0.1", 443, namespace="default")
        pod = self.pod(
            "coredns", "registry.k8s.io/coredns/coredns:v1.12.1", namespace="kube-system", dnsPolicy="Default"
        )
        self.networks.services["10.96.0.10", 53] = (pod["status"]["podIP"], 53)
        return pod


sys.modules["twin_containers_lab"] = sys.modules[__name__]


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    one = Lab()
    yield one
    await one.runtime.close()
    one.storage.close()


@pytest.fixture
async def client(lab: Lab) -> dict[str, Any]:
    return lab.pod("frontend")
