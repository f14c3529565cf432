"""The long-running programs of Cilium's images: agent, operator, Envoy, Hubble UI. Hubble Relay's is ``twin.relay``."""

from __future__ import annotations

import asyncio
from typing import Final

from lab_helpers.twin.agent import runtimeconfigs
from lab_helpers.twin.agent.agents import Agents
from lab_helpers.twin.agent.logs import AgentLog
from lab_helpers.twin.agent.metrics.serving import metrics_ports
from lab_helpers.twin.agent.operators import REQUIRED_KINDS, Operator, read_config
from lab_helpers.twin.agent.processes import image_version, listening, writing
from lab_helpers.twin.agent.reaching import UnreachableError, api_url, reach_api_server
from lab_helpers.twin.agent.webserving import healthy, http_handler
from lab_helpers.twin.datapath.settings import ConfigError
from lab_helpers.twin.interfaces import Process, Program

__all__ = ["agent_program", "envoy_program", "operator_program", "ui_program"]

_POLL: Final = 0.2
AGENT_HEALTH: Final = 9879
ENVOY_HEALTH: Final = 9878
OPERATOR_HEALTH: Final = 9234


def agent_program(agents: Agents) -> Program:
    """``cilium-agent``; a second one in a pod whose agent runs is refused."""
    pods: dict[str, str] = {}
    """Which pod's agent runs on a node, by uid."""

    async def cilium_agent(process: Process) -> int:
        uid = str(process.pod["metadata"].get("uid", ""))
        if pods.get(process.node) == uid:
            await process.err(
                'level=error msg="Unable to start" error="the agent of this pod runs already; restart it by deleting '
                'the pod, or look at it with cilium-dbg"\n'
            )
            return 1
        pods[process.node] = uid
        try:
            return await run(process)
        finally:
            if pods.get(process.node) == uid:
                del pods[process.node]

    async def run(process: Process) -> int:
        agent = agents.agent(process.node)
        journal = agent.log
        version = image_version(process)
        async with writing(process, journal):
            journal.info("Cilium Agent starting", version=version, nodeName=process.node)
            try:
                data = read_config(agents)
                agent.configure(data, version)
                runtimeconfigs.keep(process, data)
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
                async with listening(process, ports | metrics_ports(agents, agent)):
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
        async with writing(process, journal):
            journal.info("Cilium Operator", version=version)
            journal.info("Establishing connection to apiserver", ipAddr=api_url(process.env))
            try:
                await reach_api_server(agents, process.node, process.env, process.clock)
            except UnreachableError as error:
                journal.error("Unable to contact k8s api-server", ipAddr=api_url(process.env), error=error)
                return 1
            journal.info("Connected to apiserver")
            async with listening(process, {OPERATOR_HEALTH: http_handler({"/healthz": healthy()})}):
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
        async with listening(process, {ENVOY_HEALTH: http_handler({"/healthz": healthy("LIVE\n")})}):
            agents.envoys.started(process.node)
            try:
                process.ready()
                await asyncio.Event().wait()
            finally:
                agents.envoys.ended(process.node)
        return 0

    return cilium_envoy


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
        async with listening(process, {port: http_handler(routes) for port in ports}):
            process.ready()
            await asyncio.Event().wait()
        return 0

    return hubble_ui
