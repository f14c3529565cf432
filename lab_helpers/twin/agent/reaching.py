"""Can a program on a node reach the API server under the address it was given?

The chart passes ``k8sServiceHost``/``k8sServicePort`` as environment; without them a program uses the address of
the Service ``kubernetes``, which works on a node only when somebody translates it: kube-proxy, or Cilium's socket
load balancer.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Final

from lab_helpers.twin.agent.agents import Agents
from lab_helpers.twin.clock import Clock

__all__ = ["API_TIMEOUT", "UnreachableError", "api_url", "reach_api_server"]

API_TIMEOUT: Final = 30.0
_PORT: Final = 6443


class UnreachableError(RuntimeError):
    """The API server does not answer; the message is Go's."""


def api_url(env: Mapping[str, str]) -> str:
    """``https://host:port`` as a program in a pod believes it."""
    return f"https://{env.get('KUBERNETES_SERVICE_HOST') or '10.96.0.1'}:{env.get('KUBERNETES_SERVICE_PORT') or '443'}"


async def reach_api_server(agents: Agents, node: str, env: Mapping[str, str], clock: Clock) -> None:
    """Return when the API server answers; raises UnreachableError after the time a client waits."""
    host = env.get("KUBERNETES_SERVICE_HOST") or "10.96.0.1"
    port = int(env.get("KUBERNETES_SERVICE_PORT") or 443)
    call = f'Get "{api_url(env)}/api/v1/namespaces/kube-system"'
    ip = _resolve(agents, node, host)
    if ip is None:
        raise UnreachableError(f"{call}: dial tcp: lookup {host} on 172.18.0.1:53: no such host")
    server = next(
        (tables for tables in agents.datapath.plane.tables.values() if tables.ip == ip and tables.apiserver), None
    )
    if server is not None and port == _PORT:
        return
    if _is_kubernetes_service(agents, ip, port) and _translated(agents, node):
        return
    if any(tables.ip == ip for tables in agents.datapath.plane.tables.values()):
        raise UnreachableError(f"{call}: dial tcp {ip}:{port}: connect: connection refused")
    await clock.sleep(API_TIMEOUT)
    raise UnreachableError(f"{call}: dial tcp {ip}:{port}: i/o timeout")


def _resolve(agents: Agents, node: str, host: str) -> str | None:
    if host == "localhost":
        return agents.agent(node).tables.ip
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        found = agents.nodes.get(host)
        return None if found is None else found.tables.ip
    return agents.agent(node).tables.ip if address.is_loopback else str(address)


def _is_kubernetes_service(agents: Agents, ip: str, port: int) -> bool:
    service = agents.registry.find("services", "kubernetes", "default")
    spec = (service or {}).get("spec") or {}
    return spec.get("clusterIP", "10.96.0.1") == ip and port == 443


def _translated(agents: Agents, node: str) -> bool:
    tables = agents.agent(node).tables
    if tables.loaded and tables.settings.socket_lb:
        return True
    for pod in agents.registry.list("pods", "kube-system", "k8s-app=kube-proxy"):
        if pod["spec"].get("nodeName") == node and (pod.get("status") or {}).get("phase") == "Running":
            return True
    return False
