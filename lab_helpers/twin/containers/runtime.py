"""The container runtime of all nodes (implements ``Workloads``)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab_helpers.twin.clock import Clock
from lab_helpers.twin.containers.environments import environment, substitute
from lab_helpers.twin.containers.errors import Deadline, StartFailure
from lab_helpers.twin.containers.executing import execute
from lab_helpers.twin.containers.files import Tree
from lab_helpers.twin.containers.images import ImageCatalogue
from lab_helpers.twin.containers.logs import Log
from lab_helpers.twin.containers.machines import Machine
from lab_helpers.twin.containers.probing import probe
from lab_helpers.twin.containers.processes import SIGNALS
from lab_helpers.twin.containers.running import ContainerRun, container_spec
from lab_helpers.twin.containers.sockets import SocketTable
from lab_helpers.twin.containers.timing import within
from lab_helpers.twin.containers.volumes import Volumes, build_files, hosts_file, resolv_conf
from lab_helpers.twin.interfaces import (
    ByteStream,
    ContainerState,
    ExecResult,
    Networks,
    PodKey,
    PodNetwork,
)
from lab_helpers.twin.objects.registry import Registry

__all__ = ["UPSTREAM_RESOLVER", "Runtime"]

CLUSTER_DNS = "10.96.0.10"
UPSTREAM_RESOLVER = "172.18.0.1"
"""The resolver of the nodes, outside the cluster (on kind: Docker's own, at the bridge's address)."""


@dataclass(eq=False)
class _Pod:
    """What runs of one pod."""

    pod: Mapping[str, Any]
    network: PodNetwork
    volumes: Volumes
    table: SocketTable = field(default_factory=SocketTable)
    runs: dict[str, ContainerRun] = field(default_factory=dict)


class Runtime:
    """Plays containers. Needs no start; ``close()`` ends everything that runs."""

    def __init__(self, registry: Registry, clock: Clock, networks: Networks, images: ImageCatalogue) -> None:
        self._registry = registry
        self._clock = clock
        self._networks = networks
        self._images = images
        self._pods: dict[PodKey, _Pod] = {}
        self._callbacks: list[Callable[[PodKey], None]] = []
        self._node_trees: dict[str, dict[str, Tree]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    # --- starting and stopping ---

    def start(self, pod: Mapping[str, Any], container: str, *, ip: str) -> None:
        """Start one container; a running one of the same name is killed first."""
        spec = container_spec(pod, container)
        key = _key(pod)
        entry = self._pods.get(key)
        if entry is None:
            node = str(pod["spec"].get("nodeName", ""))
            volumes = Volumes(self._registry, pod, ip, self._node_trees.setdefault(node, {}))
            table = SocketTable()
            entry = self._pods[key] = _Pod(pod, self._networks.pod(pod), volumes, table)
        before = entry.runs.get(container)
        if before is not None and before.running:
            before.kill(SIGNALS["KILL"])
        run = ContainerRun(
            container,
            self._clock,
            lambda: self._changed(key),
            Log(self._clock),
            before.log if before is not None and before.started_at is not None else before.previous if before else None,
        )
        entry.runs.pop(container, None)
        entry.runs[container] = run
        try:
            machine, argv = self._prepare(entry, pod, spec, run, ip)
        except StartFailure as failure:
            run.refuse(failure)
            return
        run.launch(machine, argv, spec)

    def _prepare(
        self, entry: _Pod, pod: Mapping[str, Any], spec: Mapping[str, Any], run: ContainerRun, ip: str
    ) -> tuple[Machine, list[str]]:
        image = self._images.find(spec.get("image", ""))
        machine_name = pod["spec"].get("hostname") or pod["metadata"]["name"]
        hostname = pod["spec"].get("nodeName", "") if pod["spec"].get("hostNetwork") else machine_name
        variables = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOSTNAME": str(hostname),
            **image.env,
        }
        variables |= environment(self._registry, pod, spec, ip=ip)
        variables.setdefault("HOME", "/root")
        argv = [substitute(str(word), variables) for word in self._command(image.entrypoint, image.command, spec)]
        cwd = spec.get("workingDir") or image.env.get("TWIN_WORKDIR") or "/"
        variables.pop("TWIN_WORKDIR", None)
        files = build_files(
            image_files=image.files,
            container=spec,
            volumes=entry.volumes,
            system_files=self._system_files(pod, str(hostname), ip),
            clock=self._clock,
            cwd=cwd,
        )
        machine = Machine(
            pod=pod,
            name=spec["name"],
            programs=image.programs,
            files=files,
            env=variables,
            cwd=cwd,
            network=entry.network,
            table=entry.table,
            clock=self._clock,
            serving=run.set_serving,
            router=lambda: self._router(str(pod["spec"].get("nodeName", ""))),
        )
        return machine, argv

    def _router(self, node: str) -> str:
        """Cilium's own address on a node, the pods' gateway; "" while the node has none."""
        try:
            found = self._registry.find("ciliumnodes.cilium.io", node)
        except KeyError:
            return ""
        for address in ((found or {}).get("spec") or {}).get("addresses") or []:
            if address.get("type") == "CiliumInternalIP" and ":" not in address.get("ip", ":"):
                return str(address["ip"])
        return ""

    def _command(self, entrypoint: Sequence[str], command: Sequence[str], spec: Mapping[str, Any]) -> list[str]:
        if spec.get("command"):
            return [*spec["command"], *(spec.get("args") or [])]
        return [*entrypoint, *(spec.get("args") or command)]

    def _system_files(self, pod: Mapping[str, Any], hostname: str, ip: str) -> dict[str, bytes]:
        service = self._registry.find("services", "kube-dns", "kube-system")
        cluster_dns = service["spec"].get("clusterIP") if service else None
        upstream = tuple(self._networks.node(str(pod["spec"].get("nodeName", ""))).nameservers) or (UPSTREAM_RESOLVER,)
        return {
            "/etc/hosts": hosts_file(pod, ip),
            "/etc/hostname": f"{hostname}\n".encode(),
            "/etc/resolv.conf": resolv_conf(pod, cluster_dns=cluster_dns or CLUSTER_DNS, upstream=upstream),
        }

    async def stop(self, pod: PodKey, *, grace: float = 0.0) -> None:
        """SIGTERM to everything, SIGKILL after ``grace`` seconds of the clock, and forget the pod."""
        entry = self._pods.get(pod)
        if entry is None:
            return
        for run in entry.runs.values():
            run.kill(SIGNALS["TERM"] if grace > 0 else SIGNALS["KILL"])
        machines = [run.machine for run in entry.runs.values() if run.machine is not None]
        try:
            async with within(self._clock, grace or None):
                for machine in machines:
                    await machine.ended()
        except Deadline:
            for run in entry.runs.values():
                run.kill(SIGNALS["KILL"])
            for machine in machines:
                await machine.ended()
        self._pods.pop(pod, None)

    async def close(self) -> None:
        """End everything."""
        for key in tuple(self._pods):
            await self.stop(key)

    # --- looking ---

    def states(self, pod: PodKey) -> Sequence[ContainerState]:
        """The containers started so far, in the order of their last start."""
        entry = self._pods.get(pod)
        return [run.state for run in entry.runs.values()] if entry else []

    def on_change(self, callback: Callable[[PodKey], None]) -> None:
        """Call it, from the event loop, after something changed."""
        self._callbacks.append(callback)

    def _changed(self, key: PodKey) -> None:
        loop = asyncio.get_running_loop()
        for callback in self._callbacks:
            loop.call_soon(callback, key)

    async def logs(
        self,
        pod: PodKey,
        container: str,
        *,
        follow: bool = False,
        previous: bool = False,
        tail: int | None = None,
        since: float | None = None,
        timestamps: bool = False,
        limit_bytes: int | None = None,
    ) -> AsyncIterator[bytes]:
        """Lines of output. ``since`` in clock seconds. Raises LookupError (unknown container, no previous run)."""
        run = self._run(pod, container)
        log = run.log
        if previous:
            if run.previous is None:
                raise LookupError(f'previous terminated container "{container}" in pod "{pod.name}" not found')
            log = run.previous
        async for line in log.read(
            follow=follow, tail=tail, since=since, timestamps=timestamps, limit_bytes=limit_bytes
        ):
            yield line

    def _run(self, pod: PodKey, container: str) -> ContainerRun:
        entry = self._pods.get(pod)
        if entry is None or container not in entry.runs:
            raise LookupError(f'container "{container}" in pod "{pod.name}" is waiting to start: ContainerCreating')
        return entry.runs[container]

    # --- doing ---

    async def execute(
        self,
        pod: PodKey,
        container: str,
        command: Sequence[str],
        *,
        stdin: AsyncIterator[bytes] | None,
        tty: bool,
        stdout: Callable[[bytes], Awaitable[None]],
        stderr: Callable[[bytes], Awaitable[None]],
        resize: AsyncIterator[tuple[int, int]] | None = None,
    ) -> ExecResult:
        """Run a command in a running container. Raises LookupError when it does not run."""
        run = self._run(pod, container)
        if run.machine is None or not run.running:
            raise LookupError(f'container not found ("{container}")')
        return await execute(run.machine, command, stdin=stdin, tty=tty, stdout=stdout, stderr=stderr, resize=resize)

    async def attach(
        self,
        pod: PodKey,
        container: str,
        *,
        stdin: AsyncIterator[bytes] | None,
        stdout: Callable[[bytes], Awaitable[None]],
        stderr: Callable[[bytes], Awaitable[None]],
        resize: AsyncIterator[tuple[int, int]] | None = None,
    ) -> ExecResult:
        """Join the main program of a container until it ends. Raises LookupError when it does not run (any more)."""
        run = self._run(pod, container)
        if run.streams is None or not (run.running or run.streams.unseen):
            raise LookupError(f'container not found ("{container}")')
        await run.streams.attach(stdin, stdout, stderr, resize)
        return ExecResult(0, "")

    async def probe(self, pod: Mapping[str, Any], container: str, probe_spec: Mapping[str, Any]) -> tuple[bool, str]:
        """One probe from the pod's node."""
        run = self._run(_key(pod), container)
        entry = self._pods[_key(pod)]
        network = self._networks.node(str(pod["spec"].get("nodeName", "")))
        return await probe(
            run.machine, entry.network.ip, container_spec(pod, container), probe_spec, network, self._clock
        )

    async def port_forward(self, pod: PodKey, port: int) -> ByteStream:
        """A connection to the pod's own loopback. Raises ConnectionFailed; LookupError when the pod does not run."""
        entry = self._pods.get(pod)
        if entry is None or not any(run.running for run in entry.runs.values()):
            raise LookupError(f'pod "{pod.name}" is not running')
        return await entry.network.connect("127.0.0.1", port)


def _key(pod: Mapping[str, Any]) -> PodKey:
    metadata = pod["metadata"]
    return PodKey(metadata["namespace"], metadata["name"], metadata["uid"])
