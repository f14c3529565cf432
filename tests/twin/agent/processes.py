"""A process for programs of the agent's images, without a container runtime."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from lab_helpers.twin.interfaces import Program
from tests.twin.agent.clusters import NODES, Cluster


class FakeProcess:
    """Collects output; files are given by tests."""

    def __init__(
        self,
        cluster: Cluster,
        node: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        image: str = "quay.io/cilium/cilium:v1.20.2",
        name: str = "cilium-x",
    ) -> None:
        self.argv = list(argv)
        self.env = dict(
            env or {"KUBERNETES_SERVICE_HOST": NODES["cilium-labs-control-plane"], "KUBERNETES_SERVICE_PORT": "6443"}
        )
        self.container = "main"
        self.pod: dict[str, Any] = {
            "metadata": {"name": name, "namespace": "kube-system", "uid": f"{name}-uid"},
            "spec": {"nodeName": node, "hostNetwork": True, "containers": [{"name": "main", "image": image}]},
        }
        self.node = node
        self.network = cluster.datapath.node(node)
        self.clock = cluster.clock
        self.tty = False
        self.output = ""
        self.errors = ""
        self.serving = False
        self.stdin: AsyncIterator[bytes] = self._nothing()

    async def _nothing(self) -> AsyncIterator[bytes]:
        return
        yield b""

    async def out(self, text: str | bytes) -> None:
        self.output += text if isinstance(text, str) else text.decode()

    async def err(self, text: str | bytes) -> None:
        self.errors += text if isinstance(text, str) else text.decode()

    def read_file(self, path: str) -> bytes:
        raise FileNotFoundError(path)

    def ready(self, *, serving: bool = True) -> None:
        self.serving = serving

    def start(self, program: Program) -> asyncio.Task[int]:
        async def run() -> int:
            return await program(self)

        return asyncio.get_running_loop().create_task(run())
