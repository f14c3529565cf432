"""Cases: a whole cluster and some flows as one JSON object, judged at once.

The form is that of the recorded verdicts of Cilium's engine (``name``, ``config``, ``identities``, ``namedPorts``,
``services``, ``policies``, ``flows``); the result has one entry per policy and per flow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab_helpers.policy.configs import AllowLocalhost, EnforcementMode, PolicyConfig, Version
from lab_helpers.policy.decisions import Decision, Why
from lab_helpers.policy.errors import PolicyEngineError, PolicyError
from lab_helpers.policy.identities import Endpoint, Identity, NamedPort
from lab_helpers.policy.labels import parse_labels
from lab_helpers.policy.parsing import parse
from lab_helpers.policy.protocols import protocol_named
from lab_helpers.policy.repositories import Repository
from lab_helpers.policy.rules import Direction, Service

__all__ = ["CaseError", "case_config", "case_repository", "judge"]

_Node = Mapping[str, Any]


class CaseError(PolicyEngineError):
    """A case that cannot be judged; says which field is wrong."""


def _field(case: _Node, key: str, kind: type, default: Any = None) -> Any:
    value = case.get(key, default)
    if value is None:
        value = default
    if not isinstance(value, kind):
        raise CaseError(f"{key}: expected {kind.__name__}, found {type(value).__name__}")
    return value


def case_config(written: _Node) -> PolicyConfig:
    """The ``config`` of a case; what is absent has the agent's default. ClusterNetworkPolicy is on. Raises
    CaseError.
    """
    defaults = PolicyConfig()
    try:
        return PolicyConfig(
            version=Version(written.get("version", defaults.version)),
            policy_mode=EnforcementMode(written.get("policyMode", defaults.policy_mode)),
            allow_localhost=AllowLocalhost(written.get("allowLocalhost", defaults.allow_localhost)),
            audit_mode=bool(written.get("auditMode", False)),
            host_firewall=bool(written.get("hostFirewall", False)),
            node_selector_labels=bool(written.get("nodeSelectorLabels", False)),
            cidr_match_mode=frozenset(written.get("policyCIDRMatchMode") or ()),
            ipv4=bool(written.get("ipv4", True)),
            ipv6=bool(written.get("ipv6", False)),
            cluster_name=str(written.get("clusterName", defaults.cluster_name)),
            cluster_id=int(written.get("clusterID", 0)),
            default_local_cluster=bool(written.get("policyDefaultLocalCluster", True)),
            non_default_deny=bool(written.get("nonDefaultDenyPolicies", True)),
            l7_proxy=bool(written.get("l7Proxy", True)),
            icmp_rules=bool(written.get("icmpRules", True)),
            extended_ip_protocols=bool(written.get("extendedIPProtocols", False)),
            cluster_network_policy=True,
            merge_named_ports=bool(written.get("mergeNamedPorts", True)),
        )
    except (ValueError, TypeError) as error:
        raise CaseError(f"config: {error}") from None


def _endpoints(case: _Node) -> dict[str, Endpoint]:
    named: _Node = _field(case, "namedPorts", Mapping, {})
    found = {}
    for key, item in _field(case, "identities", Mapping).items():
        try:
            ports = tuple(
                NamedPort(name, int(port["port"]), str(port.get("protocol", "TCP")))
                for name, port in (named.get(key) or {}).items()
            )
            found[key] = Endpoint(key, Identity(int(item["id"]), parse_labels(item["labels"])), ports)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CaseError(f"identities.{key}: needs id and labels, namedPorts a port each ({error!r})") from None
    return found


def _service(item: _Node) -> Service:
    return Service(
        str(item.get("namespace") or ""),
        str(item.get("name") or ""),
        tuple(sorted((item.get("labels") or {}).items())),
        tuple(sorted((item.get("selector") or {}).items())),
        tuple(item.get("backends") or ()),
    )


def case_repository(case: _Node) -> tuple[Repository, dict[str, Endpoint], list[PolicyError | None]]:
    """The repository a case describes, its endpoints by key, and per policy the error that kept it out (None:
    accepted).
    """
    repository = Repository(case_config(_field(case, "config", Mapping, {})))
    endpoints = _endpoints(case)
    for endpoint in endpoints.values():
        repository.upsert_endpoint(endpoint)
    for item in _field(case, "services", list, []):
        repository.upsert_service(_service(item))
    errors: list[PolicyError | None] = []
    for number, item in enumerate(_field(case, "policies", list, [])):
        if not isinstance(item, Mapping):
            raise CaseError(f"policies[{number}]: expected an object, found {type(item).__name__}")
        try:
            repository.upsert(parse(item, repository.config))
        except PolicyError as error:
            errors.append(error)
        else:
            errors.append(None)
    return repository, endpoints, errors


def _rules(decision: Decision) -> list[str]:
    if decision.why is Why.LOCALHOST:
        return ["reserved/allow-localhost-ingress"]
    if decision.why is Why.DEFAULT_ALLOW:
        return [f"reserved/allow-any-{decision.direction}"]
    return list(dict.fromkeys(str(rule.policy) for rule in decision.rules))


def _flow(repository: Repository, endpoints: Mapping[str, Endpoint], flow: _Node, number: int) -> dict[str, Any]:
    try:
        source, target = endpoints[flow["from"]], endpoints[flow["to"]]
        protocol, port = protocol_named(str(flow["protocol"]), flows=True), int(flow["port"])
    except (KeyError, TypeError, ValueError) as error:
        raise CaseError(f"flows[{number}]: needs from, to, protocol and port ({error!r})") from None
    if not protocol:
        raise CaseError(f"flows[{number}]: protocol {flow['protocol']!r} is not known")
    egress = repository.decide(Direction.EGRESS, source, target, protocol, port)
    ingress = repository.decide(Direction.INGRESS, target, source, protocol, port)
    result: dict[str, Any] = {
        "egress": "allowed" if egress.allowed else "denied",
        "ingress": "allowed" if ingress.allowed else "denied",
        "egressRedirect": egress.redirect is not None,
        "ingressRedirect": ingress.redirect is not None,
        "egressWhy": str(egress.why),
        "ingressWhy": str(ingress.why),
        "egressRules": _rules(egress),
        "ingressRules": _rules(ingress),
    }
    conflict = egress.conflict or ingress.conflict
    if conflict:
        result["error"] = conflict
    return result


def judge(case: _Node) -> dict[str, Any]:
    """Judge a case: ``{"name", "policies": [{"ok", "error"?, "category"?}], "flows": […]}``. Raises CaseError."""
    if not isinstance(case, Mapping):
        raise CaseError(f"expected an object, found {type(case).__name__}")
    repository, endpoints, errors = case_repository(case)
    flows: Sequence[_Node] = _field(case, "flows", list, [])
    return {
        "name": case.get("name", ""),
        "policies": [
            {"ok": True} if error is None else {"ok": False, "error": error.message, "category": error.category}
            for error in errors
        ],
        "flows": [_flow(repository, endpoints, flow, number) for number, flow in enumerate(flows)],
    }
