"""A small cluster around real agents and the real datapath: three nodes, pods put by hand, a clock that tests move."""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import Awaitable, Mapping
from typing import Any

from lab_helpers.hubble.protos import flow_pb2
from lab_helpers.twin.agent.agents import Agents
from lab_helpers.twin.clock import ManualClock
from lab_helpers.twin.datapath.datapaths import Datapath
from lab_helpers.twin.datapath.sockets import Sockets
from lab_helpers.twin.interfaces import ByteStream, PodKey
from lab_helpers.twin.objects.kinds import Kind, Kinds
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Storage

NODES = {
    "cilium-labs-control-plane": "172.18.0.2",
    "cilium-labs-worker": "172.18.0.3",
    "cilium-labs-worker2": "172.18.0.4",
}
CONTROL, N1, N2 = NODES
CILIUM_KINDS = (
    Kind("cilium.io", "v2", "CiliumNetworkPolicy", "ciliumnetworkpolicies", True, ("cnp",), has_status=True),
    Kind(
        "cilium.io",
        "v2",
        "CiliumClusterwideNetworkPolicy",
        "ciliumclusterwidenetworkpolicies",
        False,
        ("ccnp",),
        has_status=True,
    ),
    Kind("cilium.io", "v2", "CiliumCIDRGroup", "ciliumcidrgroups", False, ("ccg",)),
    Kind("cilium.io", "v2", "CiliumEndpoint", "ciliumendpoints", True, ("cep",), has_status=True),
    Kind("cilium.io", "v2", "CiliumIdentity", "ciliumidentities", False, ("ciliumid",)),
    Kind("cilium.io", "v2", "CiliumNode", "ciliumnodes", False, ("cn",), has_status=True),
)
VERDICTS = {0: "", 1: "FORWARDED", 2: "DROPPED", 3: "ERROR", 4: "AUDIT", 5: "REDIRECTED", 6: "TRACED", 7: "TRANSLATED"}
POINTS = {0: "to-endpoint", 1: "to-proxy", 2: "to-host", 3: "to-stack", 4: "to-overlay", 11: "to-network"}
SOCK = {1: "pre-xlate-fwd", 2: "post-xlate-fwd", 3: "pre-xlate-rev", 4: "post-xlate-rev"}
MATCHES = ("none", "L3-Only", "L3-L4", "L4-Only", "all", "L3-Proto", "Proto-Only")
SHORT = {CONTROL: "n0", N1: "n1", N2: "n2"}


class Cluster:
    """Pods are created and attached as a kubelet would; flows of all nodes are collected in order."""

    def __init__(self, config: Mapping[str, str] | None = None, *, storage: Storage | None = None) -> None:
        self.clock = ManualClock()
        self.config = dict(config or {})
        self.registry = Registry(storage or Storage(), Kinds((*Kinds(), *CILIUM_KINDS)), self.clock)
        self.datapath = Datapath(self.registry, self.clock)
        self.agents = Agents(self.registry, self.clock, self.datapath, numbers=random.Random(7))
        self.flows: list[flow_pb2.Flow] = []
        self.fresh = storage is None

    async def start(self, *, cilium: bool = True) -> Cluster:
        if self.fresh:
            for number, (name, ip) in enumerate(NODES.items()):
                labels = {"kubernetes.io/hostname": name}
                if name == CONTROL:
                    labels["node-role.kubernetes.io/control-plane"] = ""
                self.registry.create(
                    "nodes",
                    {"metadata": {"name": name, "labels": labels}, "spec": {"podCIDR": f"10.244.{number}.0/24"}},
                )
                self.patch_status("nodes", name, "", {"addresses": [{"type": "InternalIP", "address": ip}]})
            for namespace in ("default", "kube-system", "shop", "dev"):
                self.registry.create(
                    "namespaces",
                    {"metadata": {"name": namespace, "labels": {"kubernetes.io/metadata.name": namespace}}},
                )
        await self.agents.start()
        if cilium:
            for node in NODES:
                self.start_agent(node)
        await self.settle()
        return self

    def start_agent(self, node: str, version: str = "1.20.2") -> None:
        agent = self.agents.agent(node)
        agent.configure(self.config, version)
        agent.announce()
        cilium_node = self.registry.draft("ciliumnodes.cilium.io", node)
        cilium_node["spec"]["ipam"]["podCIDRs"] = [f"10.0.{list(NODES).index(node)}.0/24"]
        self.registry.update("ciliumnodes.cilium.io", cilium_node)
        agent.start()
        self.agents.started(node)
        agent.tables.observers.append(self.flows.append)

    def patch_status(self, resource: str, name: str, namespace: str, status: dict[str, Any]) -> None:
        draft = self.registry.draft(resource, name, namespace)
        draft["status"] = {**(draft.get("status") or {}), **status}
        self.registry.update(resource, draft, subresource="status")

    def pod(
        self,
        name: str,
        node: str = N1,
        namespace: str = "shop",
        labels: Mapping[str, str] | None = None,
        *,
        spec: Mapping[str, Any] | None = None,
    ) -> Sockets:
        """Create, attach and mark a pod as running; returns its sockets."""
        body = {
            "metadata": {"name": name, "namespace": namespace, "labels": dict(labels or {"app": name})},
            "spec": {"nodeName": node, "containers": [{"name": "main", "image": "x"}], **(spec or {})},
        }
        pod = self.registry.create("pods", body)
        ip = NODES[node] if body["spec"].get("hostNetwork") else self.agents.attach(node, pod).ipv4
        self.patch_status("pods", name, namespace, {"podIP": ip, "phase": "Running"})
        return self.sockets(name, namespace)

    def sockets(self, name: str, namespace: str = "shop") -> Sockets:
        return self.datapath.pod(self.registry.get("pods", name, namespace))

    def delete_pod(self, name: str, namespace: str = "shop") -> None:
        pod = self.registry.get("pods", name, namespace)
        self.registry.delete("pods", name, namespace, grace=0)
        self.agents.detach(pod["spec"]["nodeName"], PodKey(namespace, name, pod["metadata"]["uid"]))

    def apply(self, resource: str, name: str, spec: Mapping[str, Any], namespace: str = "shop") -> None:
        kind = self.registry.kinds[resource]
        metadata = {"name": name, **({"namespace": namespace} if kind.namespaced else {})}
        present = self.registry.find(resource, name, namespace if kind.namespaced else "")
        if present is None:
            self.registry.create(resource, {"metadata": metadata, "spec": copy.deepcopy(dict(spec))})
        else:
            self.registry.update(resource, {**copy.deepcopy(present), "spec": copy.deepcopy(dict(spec))})

    def cnp(self, name: str, spec: Mapping[str, Any], namespace: str = "shop") -> None:
        self.apply("ciliumnetworkpolicies.cilium.io", name, spec, namespace)

    def service(
        self, name: str, port: int, backends: Mapping[str, str], *, target: int, namespace: str = "shop", **spec: Any
    ) -> str:
        """A Service with one EndpointSlice; ``backends`` are address → node. Returns its cluster IP."""
        number = len(self.registry.list("services")) + 20
        ip = f"10.96.0.{number}"
        ports = [{"port": port, "targetPort": target, "protocol": "TCP", **spec.pop("port_fields", {})}]
        self.registry.create(
            "services",
            {
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"clusterIP": ip, "type": "ClusterIP", "ports": ports, **spec},
            },
        )
        self.registry.create(
            "endpointslices.discovery.k8s.io",
            {
                "metadata": {
                    "name": f"{name}-x",
                    "namespace": namespace,
                    "labels": {"kubernetes.io/service-name": name},
                },
                "addressType": "IPv4",
                "ports": [{"name": "", "port": target, "protocol": ports[0]["protocol"]}],
                "endpoints": [
                    {"addresses": [address], "nodeName": node, "conditions": {"ready": True}}
                    for address, node in backends.items()
                ],
            },
        )
        return ip

    async def settle(self) -> None:
        for _ in range(30):
            await asyncio.sleep(0)

    async def within(self, awaitable: Awaitable[Any], seconds: float = 200.0) -> Any:
        """Run something while the clock moves, second by second."""
        task = asyncio.ensure_future(awaitable)
        await self.settle()
        passed = 0.0
        while not task.done() and passed < seconds:
            await self.clock.advance(0.5)
            passed += 0.5
        assert task.done(), f"nothing happened within {seconds} s"
        return task.result()

    def name(self, ip: str) -> str:
        for pod in self.registry.list("pods"):
            if (pod.get("status") or {}).get("podIP") == ip and not pod["spec"].get("hostNetwork"):
                return str(pod["metadata"]["name"])
        return ip

    def lines(self, *, clear: bool = True) -> list[str]:
        """The flows so far, in a short form: ``[n1] c -> s:80 to-endpoint FORWARDED SYN EGRESS``."""
        found = [self.line(flow) for flow in self.flows]
        if clear:
            self.flows.clear()
        return found

    def line(self, flow: flow_pb2.Flow) -> str:
        kind = flow.event_type.type
        protocol = flow.l4.WhichOneof("protocol")
        layer = getattr(flow.l4, protocol) if protocol else None
        sport, dport = getattr(layer, "source_port", 0), getattr(layer, "destination_port", 0)
        source, destination = self.name(flow.IP.source), self.name(flow.IP.destination)
        if sport and sport < 32768:
            source += f":{sport}"
        if dport and dport < 32768:
            destination += f":{dport}"
        arrow = "<>"
        if flow.HasField("is_reply"):
            arrow = "<-" if flow.is_reply.value else "->"
        if arrow == "<-":
            source, destination = destination, source
        verdict = VERDICTS[flow.verdict]
        if kind == 4:
            what = POINTS[flow.event_type.sub_type]
        elif kind == 1:
            what = f"drop:{flow.drop_reason}"
        elif kind == 5:
            what = f"policy-verdict:{MATCHES[flow.policy_match_type]}"
        elif kind == 7:
            what = SOCK[flow.event_type.sub_type]
        else:
            what = "l7"
        direction = {0: "", 1: " INGRESS", 2: " EGRESS"}[flow.traffic_direction]
        node = SHORT.get(flow.node_name.rpartition("/")[2], flow.node_name)
        text = flow.Summary.removeprefix("TCP Flags: ")
        return f"[{node}] {source} {arrow} {destination} {what}{direction} {verdict} ({text})"


async def echo(stream: ByteStream) -> None:
    """Answer every chunk with itself, until the client closes."""
    while data := await stream.read():
        await stream.write(data)
    await stream.close()


async def request(client: Sockets, ip: str, port: int, *, timeout: float | None = None) -> bytes:
    """One short TCP exchange; the client closes first, as ``curl`` does after a response of known length."""
    stream = await client.connect(ip, port, timeout=timeout)
    await stream.write(b"request")
    answer = await stream.read()
    await stream.close()
    return answer
