"""An endpoint as the agent's REST API gives it (api/v1/models, Endpoint)."""

from __future__ import annotations

import json
from typing import Any

from lab_helpers.policy.protocols import Protocol
from lab_helpers.policy.rules import Direction
from lab_helpers.twin.agent.dbg.controllers import endpoint_controllers
from lab_helpers.twin.agent.endpoints import EndpointState, ManagedEndpoint
from lab_helpers.twin.agent.nodeagents import NodeAgent
from lab_helpers.twin.agent.realizing import RealizedPolicy
from lab_helpers.twin.datapath.options import option_names

__all__ = ["endpoint_model", "health_model", "option_values", "policy_enabled", "policy_entries", "redirects"]


RedirectKey = tuple[int, Direction, Protocol, int]


def redirects(agent: NodeAgent) -> dict[RedirectKey, str]:
    """Redirects to proxies that the policies of local endpoints ask for: endpoint, direction, protocol and port → the
    proxy's protocol.
    """
    found: dict[RedirectKey, str] = {}
    for endpoint in agent.endpoints.values():
        policy = endpoint.datapath.policy
        for entry in policy.entries() if isinstance(policy, RealizedPolicy) else ():
            if entry.parser and not entry.deny:
                found[endpoint.id, entry.direction, entry.protocol, entry.port] = entry.parser.value
    return found


def option_values(agent: NodeAgent, endpoint: ManagedEndpoint) -> dict[str, str]:
    """The endpoint's options, by name."""
    names = option_names(agent.settings.policy.version, endpoint=True)
    return {name: endpoint.datapath.options.shown(name) for name in names}


def policy_enabled(agent: NodeAgent, endpoint: ManagedEndpoint) -> str:
    """none, ingress, egress, both, and the same with ``audit-`` in front."""
    found = agent.enforcement(endpoint)
    name = {(False, False): "none", (True, False): "ingress", (False, True): "egress", (True, True): "both"}[
        found.ingress, found.egress
    ]
    return f"audit-{name}" if name != "none" and endpoint.datapath.options.audit else name


def health_model(state: EndpointState) -> dict[str, Any]:
    """The EndpointHealth that follows from the state."""
    words = {
        EndpointState.READY: ("OK", "OK", "OK"),
        EndpointState.REGENERATING: ("Pending", "Pending", "Pending"),
        EndpointState.WAITING_TO_REGENERATE: ("Pending", "Pending", "Pending"),
        EndpointState.WAITING_FOR_IDENTITY: ("Disabled", "Bootstrap", "Disabled"),
        EndpointState.NOT_READY: ("Warning", "Warning", "Warning"),
    }
    bpf, policy, overall = words.get(state, ("Disabled", "Disabled", "Disabled"))
    return {"bpf": bpf, "connected": state in words, "overallHealth": overall, "policy": policy}


def endpoint_model(agent: NodeAgent, endpoint: ManagedEndpoint) -> dict[str, Any]:
    """The Endpoint of the agent's REST API, as ``-o json`` prints it."""
    inner = endpoint.datapath
    policy = inner.policy
    revision = policy.revision if policy is not None else 0
    realized = {
        "allowed-egress-identities": _allowed(agent, endpoint, Direction.EGRESS),
        "allowed-ingress-identities": _allowed(agent, endpoint, Direction.INGRESS),
        "build": revision,
        "cidr-policy": {"egress": [], "ingress": []},
        "id": inner.identity,
        "l4": {"egress": _l4(endpoint, Direction.EGRESS), "ingress": _l4(endpoint, Direction.INGRESS)},
        "policy-enabled": policy_enabled(agent, endpoint),
        "policy-revision": revision,
    }
    identifiers: dict[str, Any] = {}
    if endpoint.kind == "pod":
        identifiers = {
            "cni-attachment-id": f"{endpoint.container_id}:eth0",
            "container-id": endpoint.container_id,
            "k8s-namespace": inner.namespace,
            "k8s-pod-name": inner.pod,
            "pod-name": f"{inner.namespace}/{inner.pod}",
        }
    options = option_values(agent, endpoint)
    addressing: dict[str, Any] = {"ipv4": inner.ip}
    if endpoint.kind == "pod":
        addressing["ipv4-pool-name"] = "default"
    return {
        "id": endpoint.id,
        "spec": {
            "label-configuration": {},
            "options": options,
        },
        "status": {
            "controllers": [
                controller.model(agent.clock.now()) for controller in endpoint_controllers(agent, endpoint)
            ],
            "external-identifiers": identifiers,
            "health": health_model(endpoint.state),
            "identity": {"id": inner.identity, "labels": list(inner.labels)},
            "labels": {
                "derived": list(endpoint.information.strings()),
                "disabled": [],
                "realized": {"user": []},
                "security-relevant": list(inner.labels),
            },
            "log": [
                {"code": entry.code, "message": entry.message, "state": entry.state, "timestamp": entry.timestamp}
                for entry in list(endpoint.log)[-1:]
            ],
            "named-ports": [{"name": p.name, "port": p.port, "protocol": p.protocol} for p in endpoint.named_ports],
            "namedPorts": None,
            "networking": {
                "addressing": [addressing],
                "host-mac": inner.host_mac,
                "interface-index": inner.ifindex,
                "interface-name": inner.interface,
                "mac": inner.mac,
            },
            "policy": {
                "proxy-policy-revision": revision,
                "proxy-statistics": _proxy_statistics(agent, endpoint),
                "realized": realized,
                "spec": realized,
            },
            "realized": {"label-configuration": {}, "options": options},
            "state": endpoint.state.value,
        },
    }


def _proxy_statistics(agent: NodeAgent, endpoint: ManagedEndpoint) -> list[dict[str, Any]]:
    """What the node's proxies did for the endpoint, by direction, protocol and port."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for key, (received, forwarded, denied, failed) in agent.tables.proxied.items():
        if key.endpoint != endpoint.id:
            continue
        empty = {"denied": 0, "error": 0, "forwarded": 0, "received": 0}
        model = found.setdefault(
            (key.direction, key.parser, key.port),
            {
                "allocated-proxy-port": agent.tables.proxy_port(key.parser, key.direction),
                "location": key.direction.value,
                "port": key.port,
                "protocol": key.parser,
                "statistics": {"requests": dict(empty), "responses": dict(empty)},
            },
        )
        model["statistics"][key.kind] = {
            "denied": denied,
            "error": failed,
            "forwarded": forwarded,
            "received": received,
        }
    return [found[key] for key in sorted(found)]


def _allowed(agent: NodeAgent, endpoint: ManagedEndpoint, direction: Direction) -> list[int]:
    """Identities that some entry of the policy map lets through on every port or on some."""
    found = agent.enforcement(endpoint)
    if not (found.ingress if direction is Direction.INGRESS else found.egress):
        return []
    entries = policy_entries(endpoint)
    return sorted({entry.identity for entry in entries if entry.direction is direction and not entry.deny})


def policy_entries(endpoint: ManagedEndpoint) -> list[Any]:
    """The endpoint's policy map, entry by entry."""
    policy = endpoint.datapath.policy
    return list(policy.entries()) if isinstance(policy, RealizedPolicy) else []


def _l4(endpoint: ManagedEndpoint, direction: Direction) -> list[dict[str, Any]]:
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for entry in policy_entries(endpoint):
        if entry.direction is not direction or not entry.protocol:
            continue
        item = found.setdefault(
            (int(entry.protocol), entry.port),
            {
                "derived-from-rules": [],
                # JSON as a text, as in the agent's API: clients of other languages read it into a string
                "rule": json.dumps(
                    {
                        "port": entry.port,
                        "protocol": entry.protocol.text,
                        "l7-rules": [],
                        "l7-parser": str(entry.parser),
                    },
                    separators=(",", ":"),
                ),
                "rules-by-selector": {},
            },
        )
        for rule in entry.rules:
            labels = sorted(map(str, rule.labels))
            if labels not in item["derived-from-rules"]:
                item["derived-from-rules"].append(labels)
    return [found[key] for key in sorted(found)]
