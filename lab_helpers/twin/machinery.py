"""Everything that brings the objects of the API to life: network, agents, containers, the outside and the controllers.

A module of its own because it is most of the code: the twin's API answers before this is imported (see ``assembly``).

Start order: agents, relay, the outside, controllers; they stop the other way round. The datapath and the runtime start
with their first pod.
"""

from __future__ import annotations

from pathlib import Path

from lab_helpers.twin.agent.agents import Agents
from lab_helpers.twin.agent.images import cilium_images
from lab_helpers.twin.bootstrap.nodes import NODES
from lab_helpers.twin.bootstrap.static_pods import static_pods
from lab_helpers.twin.clock import Clock
from lab_helpers.twin.containers.catalogue import course_images
from lab_helpers.twin.containers.programs.iptables import iptables_programs
from lab_helpers.twin.containers.programs.kube_proxy import kube_proxy
from lab_helpers.twin.containers.runtime import Runtime
from lab_helpers.twin.controllers.control_plane import Manager
from lab_helpers.twin.datapath.datapaths import Datapath
from lab_helpers.twin.interfaces import Image
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.outside.hosts import Outside
from lab_helpers.twin.relay.programs import relay_image
from lab_helpers.twin.relay.relays import Relay

__all__ = ["Machinery"]


class Machinery:
    """The living part of one cluster. ``socket``: where Relay will serve (None: a TCP port); ``root_ca``: PEM text."""

    def __init__(self, registry: Registry, clock: Clock, *, socket: Path | None, root_ca: str) -> None:
        self.datapath = Datapath(registry, clock)
        self.agents = Agents(registry, clock, self.datapath)
        self.relay = Relay(self.agents, clock, socket)
        self.outside = Outside(clock, self.datapath, registry=registry)
        images = course_images(registry)
        tables = self.datapath.plane.tables
        iptables = iptables_programs(lambda node: tables[node].netfilter)
        for image in (*cilium_images(self.agents), relay_image(self.agents, self.relay)):
            own = iptables if image.name == "quay.io/cilium/cilium" else {}
            images.add(image._replace(programs={**own, **image.programs}))
        proxy = kube_proxy(registry, lambda node: tables[node].netfilter)
        images.add(Image("registry.k8s.io/kube-proxy", {**iptables, "kube-proxy": proxy}, command=("kube-proxy",)))
        self.runtime = Runtime(registry, clock, self.datapath, images)
        self.manager = Manager(
            registry, clock, self.runtime, self.agents, static_pods=static_pods(NODES[0]), root_ca=root_ca
        )

    async def start(self) -> None:
        """From now on what is in the registry happens."""
        await self.agents.start()
        await self.relay.start()
        self.outside.start()
        await self.manager.start()

    async def stop(self) -> None:
        """End every program. The objects stay."""
        await self.manager.stop()
        self.outside.stop()
        await self.relay.stop()
        await self.agents.stop()
        await self.runtime.close()
