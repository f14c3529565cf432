"""``hubble-relay``, and the image it comes in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from lab_helpers.twin.agent.agents import Agents
from lab_helpers.twin.agent.asides import Aside, answering
from lab_helpers.twin.agent.logs import AgentLog
from lab_helpers.twin.agent.processes import image_version, listening, writing
from lab_helpers.twin.interfaces import Image, Process, Program, StreamHandler
from lab_helpers.twin.relay.relays import Relay

__all__ = ["relay_image", "relay_program"]

_POLL: Final = 0.2
PORT: Final = 4245
HEALTH: Final = 4222


def relay_image(agents: Agents, relay: Relay) -> Image:
    """``quay.io/cilium/hubble-relay``: each of its containers joins ``relay`` while it runs."""
    return Image(
        "quay.io/cilium/hubble-relay",
        {"hubble-relay": answering("hubble-relay", relay_program(agents, relay), _ASIDES, ("serve",))},
        entrypoint=("/usr/bin/hubble-relay",),
        command=("serve",),
    )


async def _version(process: Process, _: Sequence[str]) -> int:
    await process.out(f"hubble-relay v{image_version(process)}\n")
    return 0


_ASIDES: Final[Mapping[tuple[str, ...], Aside]] = {("version",): _version, ("--version",): _version}


def relay_program(agents: Agents, relay: Relay) -> Program:
    """``hubble-relay serve``: ready once some agent's Hubble server answers."""

    async def hubble_relay(process: Process) -> int:
        journal = AgentLog(process.clock)
        async with writing(process, journal):
            journal.info("Starting gRPC health server...", addr=f":{HEALTH}")
            journal.info("Starting gRPC server...", addr=f":{PORT}")
            told = False
            while not any(agent.hubble is not None for agent in agents.running()):
                if not told:
                    journal.warning(
                        "Failed to create peer client for peers synchronization; "
                        "will try again after the timeout has expired",
                        target="hubble-peer.kube-system.svc.cluster.local.:443",
                        error="context deadline exceeded",
                    )
                    told = True
                await process.clock.sleep(_POLL)
            name = str(process.pod["metadata"]["name"])
            leave = await relay.join(name)
            try:
                ports: dict[int, StreamHandler] = {PORT: relay.bridge, HEALTH: relay.bridge}
                async with listening(process, ports):
                    for agent in agents.running():
                        journal.info("Connected", peer=agent.node, address=f"{agent.tables.ip}:4244")
                    process.ready()
                    await asyncio.Event().wait()
            finally:
                await leave()
        return 0

    return hubble_relay
