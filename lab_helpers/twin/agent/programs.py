"""The long-running programs of Cilium's images: agent, operator, Envoy, Hubble Relay, Hubble UI."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from lab_helpers.twin.agent.agents import Agents
from lab_helpers.twin.agent.logs import AgentLog
from lab_helpers.twin.agent.metrics.serving import metrics_ports
from lab_helpers.twin.agent.operators import REQUIRED_KINDS, Operator, read_config
from lab_helpers.twin.agent.reaching import UnreachableError, api_url, reach_api_server
from lab_helpers.twin.agent.webserving import healthy, http_handler
from lab_helpers.twin.datapath.settings import ConfigError
from lab_helpers.twin.interfaces import ConnectionFailed, Process, Program, StreamHandler

if TYPE_CHECKING:
    from lab_helpers.twin.relay.relays import Relay

__all__ = ["agent_program", "envoy_program", "image_version", "operator_program", "relay_program", "ui_program"]

_POLL: Final = 0.2
AGENT_HEALTH: Final = 9879
ENVOY_HEALTH: Final = 9878
OPERATOR_HEALTH: Final = 9234
RELAY_PORT: Final = 4245
RELAY_HEALTH: Final = 4222


def image_version(process: Process) -> str:
    """The tag of the container's image without ``v``; the default version when it has none."""
    spec = process.pod.get("spec") or {}
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        if container.get("name") == process.container:
            image = str(container.get("image") or "").partition("@")[0]
            _, colon, tag = image.rpartition(":")
            if colon and "/" not in tag:
                return tag.removeprefix("v")
    return "1.20.2"


@asynccontextmanager
async def _written(process: Process, journal: AgentLog) -> AsyncIterator[None]:
    """Write a log to the container's output while the body runs, and what is left at its end."""

    async def pump() -> None:
        while True:
            await process.err(await journal.next() + "\n")

    task = asyncio.get_running_loop().create_task(pump())
    try:
        yield
    finally:
        task.cancel()
        for line in journal.drain():
            await process.err(line + "\n")


@asynccontextmanager
async def _serving(process: Process, ports: dict[int, StreamHandler]) -> AsyncIterator[None]:
    """Listen while the body runs. A port in use is left to whoever has it (two replicas on one node)."""
    stops = []
    for port, handler in ports.items():
        try:
            stops.append(process.network.listen(port, handler))
        except ConnectionFailed as error:
            await process.err(f"listen tcp 127.0.0.1:{port}: bind: {error}\n")
    try:
        yield
    finally:
        for stop in stops:
            stop()


def agent_program(agents: Agents) -> Program:
    """``cilium-agent``."""

    async def cilium_agent(process: Process) -> int:
        agent = agents.agent(process.node)
        journal = agent.log
        version = image_version(process)
        async with _written(process, journal):
            journal.info("Cilium Agent starting", version=version, nodeName=process.node)
            try:
                data = read_config(agents)
                agent.configure(data, version)
            except (ConfigError, LookupError, ValueError) as error:
                journal.error("Unable to initialize the daemon configuration", error=error)
                return 1
            for key in sorted(data):
                journal.info("Option from cilium-config", option=key, value=data[key])
            journal.info("Establishing connection to apiserver", ipAddr=api_url(process.env))
            try:
                await reach_api_server(agents, process.node, process.env, process.clock)
            except UnreachableError as error:
                journal.error("Unable to contact k8s api-server", ipAddr=api_url(process.env), error=error)
                journal.error("Start hook failed", error=error)
                return 1
            journal.info("Connected to apiserver")
            await _wait_for_kinds(agents, journal, process)
            agent.announce()
            if not agent.pod_cidrs():
                journal.info(
                    "Waiting for k8s node information", nodeName=process.node, waiting="podCIDRs from the operator"
                )
            while not agent.pod_cidrs():
                await process.clock.sleep(_POLL)
            journal.info(
                "Received own node information from API server", nodeName=process.node, podCIDRs=agent.pod_cidrs()
            )
            routes = {"/healthz": healthy()}
            agent.start()
            try:
                ports = {AGENT_HEALTH: http_handler(routes), 4240: http_handler({"/hello": healthy()})}
                async with _serving(process, ports | metrics_ports(agents, agent)):
                    agents.started(process.node)
                    process.ready()
                    await asyncio.Event().wait()
            finally:
                agent.stop()
                if not agents.envoys.apart(process.node):
                    agents.envoys.cut(process.node)
        return 0

    return cilium_agent


async def _wait_for_kinds(agents: Agents, journal: AgentLog, process: Process) -> None:
    missing = [resource for resource in REQUIRED_KINDS if agents.registry.kinds.get(resource) is None]
    if missing:
        journal.info("Waiting until all Cilium CRDs are available", missing=",".join(missing))
    waited = 0.0
    while any(agents.registry.kinds.get(resource) is None for resource in REQUIRED_KINDS):
        await process.clock.sleep(_POLL)
        waited += _POLL
        if waited >= 60:
            waited = 0.0
            journal.info("Still waiting for Cilium Operator to register CRDs", missing=",".join(missing))
    if missing:
        journal.info("All Cilium CRDs have been found and are available")
    agents.allocator.start()


def operator_program(agents: Agents, operator: Operator) -> Program:
    """``cilium-operator-generic``."""

    async def cilium_operator(process: Process) -> int:
        journal = AgentLog(process.clock)
        version = image_version(process)
        name = str(process.pod["metadata"]["name"])
        async with _written(process, journal):
            journal.info("Cilium Operator", version=version)
            journal.info("Establishing connection to apiserver", ipAddr=api_url(process.env))
            try:
                await reach_api_server(agents, process.node, process.env, process.clock)
            except UnreachableError as error:
                journal.error("Unable to contact k8s api-server", ipAddr=api_url(process.env), error=error)
                return 1
            journal.info("Connected to apiserver")
            async with _serving(process, {OPERATOR_HEALTH: http_handler({"/healthz": healthy()})}):
                process.ready()
                try:
                    await operator.lead(journal, name, version)
                except (ConfigError, LookupError) as error:
                    journal.error("Unable to start the operator", error=error)
                    return 1
        return 0

    return cilium_operator


def envoy_program(agents: Agents) -> Program:
    """``cilium-envoy-starter``: the proxy's process. The work of Envoy happens in the datapath's proxies."""

    async def cilium_envoy(process: Process) -> int:
        stamp = process.clock.now().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        await process.err(
            f"[{stamp}][7][info][main] [external/envoy/source/server/server.cc:1] starting main dispatch loop\n"
        )
        async with _serving(process, {ENVOY_HEALTH: http_handler({"/healthz": healthy("LIVE\n")})}):
            agents.envoys.started(process.node)
            try:
                process.ready()
                await asyncio.Event().wait()
            finally:
                agents.envoys.ended(process.node)
        return 0

    return cilium_envoy


def relay_program(agents: Agents, relay: Relay) -> Program:
    """``hubble-relay serve``: ready once some agent's Hubble server answers."""

    async def hubble_relay(process: Process) -> int:
        if list(process.argv[1:2]) == ["version"]:
            await process.out(f"hubble-relay v{image_version(process)}\n")
            return 0
        journal = AgentLog(process.clock)
        async with _written(process, journal):
            journal.info("Starting gRPC health server...", addr=":4222")
            journal.info("Starting gRPC server...", addr=f":{RELAY_PORT}")
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
                ports: dict[int, StreamHandler] = {RELAY_PORT: relay.bridge, RELAY_HEALTH: relay.bridge}
                async with _serving(process, ports):
                    for agent in agents.running():
                        journal.info("Connected", peer=agent.node, address=f"{agent.tables.ip}:4244")
                    process.ready()
                    await asyncio.Event().wait()
            finally:
                await leave()
        return 0

    return hubble_relay


def ui_program(ports: tuple[int, ...]) -> Program:
    """Hubble UI's two containers: they run and answer; the page says where the course shows flows instead."""

    page = (
        "<!doctype html><title>Hubble UI</title><p>The embedded cluster does not ship Hubble UI's web application. "
        "The service map of the labs shows the same data; on a real cluster this page is Hubble UI.</p>\n"
    )

    async def hubble_ui(process: Process) -> int:
        routes = {
            "/": lambda: (200, "text/html; charset=utf-8", page),
            "/healthz": healthy(),
        }
        async with _serving(process, {port: http_handler(routes) for port in ports}):
            process.ready()
            await asyncio.Event().wait()
        return 0

    return hubble_ui
