"""ServiceAccounts, roles and bindings of the parts, and the namespace for TLS secrets.

Rules follow templates/cilium-agent/clusterrole.yaml and its siblings.
"""

from __future__ import annotations

from typing import Any

from lab_helpers.tools.charts.cilium.checks import at
from lab_helpers.tools.charts.cilium.configs import envoy_runs_apart
from lab_helpers.tools.charts.cilium.shapes import Body, Context
from lab_helpers.tools.charts.rendering import Manifest

__all__ = ["agent_accounts", "operator_accounts", "part_accounts", "preflight_accounts", "secrets_namespace"]

RBAC = "rbac.authorization.k8s.io"
READ = ["get", "list", "watch"]
_AGENT_READS = [
    "ciliumloadbalancerippools",
    "ciliumbgpnodeconfigs",
    "ciliumbgpadvertisements",
    "ciliumbgppeerconfigs",
    "ciliumclusterwideenvoyconfigs",
    "ciliumclusterwidenetworkpolicies",
    "ciliumegressgatewaypolicies",
    "ciliumendpoints",
    "ciliumendpointslices",
    "ciliumenvoyconfigs",
    "ciliumidentities",
    "ciliumlocalredirectpolicies",
    "ciliumnetworkpolicies",
    "ciliumnodes",
    "ciliumnodeconfigs",
    "ciliumcidrgroups",
    "ciliuml2announcementpolicies",
    "ciliumpodippools",
]
_OPERATOR_WRITES = [
    "ciliumendpointslices",
    "ciliumenvoyconfigs",
    "ciliumbgpclusterconfigs",
    "ciliumbgpnodeconfigoverrides",
    "ciliumbgppeerconfigs",
    "ciliumbgpadvertisements",
    "ciliumbgpnodeconfigs",
    "ciliumcidrgroups",
]


def _rule(groups: str, resources: list[str], verbs: list[str]) -> Body:
    return {"apiGroups": [groups], "resources": resources, "verbs": verbs}


def _account(context: Context, key: str, folder: str) -> list[Manifest]:
    settings: dict[str, Any] = at(context.values, f"serviceAccounts.{key}")
    if not settings["create"]:
        return []
    body = context.object(
        "v1",
        "ServiceAccount",
        settings["name"],
        labels=context.labels("") if context.version.series >= (1, 20) else None,
        annotations=settings.get("annotations"),
    )
    return [Manifest(f"cilium/templates/{folder}/serviceaccount.yaml", body)]


def _cluster_role(context: Context, name: str, account: str, rules: list[Body], folder: str) -> list[Manifest]:
    if not at(context.values, "rbac.create"):
        return []
    labels = context.labels("")
    role = context.object(f"{RBAC}/v1", "ClusterRole", name, labels=labels, namespace="", rules=rules)
    binding = context.object(
        f"{RBAC}/v1",
        "ClusterRoleBinding",
        name,
        labels=labels,
        namespace="",
        roleRef={"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
        subjects=[{"kind": "ServiceAccount", "name": account, "namespace": context.namespace}],
    )
    return [
        Manifest(f"cilium/templates/{folder}/clusterrole.yaml", role),
        Manifest(f"cilium/templates/{folder}/clusterrolebinding.yaml", binding),
    ]


def _role(
    context: Context, name: str, account: str, rules: list[Body], folder: str, *, namespace: str = ""
) -> list[Manifest]:
    where = namespace or context.namespace
    labels = context.labels("")
    role = context.object(f"{RBAC}/v1", "Role", name, labels=labels, namespace=where, rules=rules)
    binding = context.object(
        f"{RBAC}/v1",
        "RoleBinding",
        name,
        labels=labels,
        namespace=where,
        roleRef={"apiGroup": RBAC, "kind": "Role", "name": name},
        subjects=[{"kind": "ServiceAccount", "name": account, "namespace": context.namespace}],
    )
    return [
        Manifest(f"cilium/templates/{folder}/role.yaml", role),
        Manifest(f"cilium/templates/{folder}/rolebinding.yaml", binding),
    ]


def _agent_rules(context: Context) -> list[Body]:
    values = context.values
    rules = [
        _rule("networking.k8s.io", ["networkpolicies"], READ),
        _rule("discovery.k8s.io", ["endpointslices"], READ),
        _rule("", ["namespaces", "services", "pods", "nodes"], READ),
    ]
    if at(values, "hubble.enabled") and at(values, "hubble.dropEventEmitter.enabled"):
        rules.append(_rule("", ["events"], ["create", "patch"]))
    if at(values, "l2announcements.enabled"):
        rules.append(_rule("coordination.k8s.io", ["leases"], ["create", "get", "update", "list", "delete"]))
    if at(values, "k8sClusterNetworkPolicy.enabled"):
        rules.append(_rule("policy.networking.k8s.io", ["clusternetworkpolicies"], READ))
    return [
        *rules,
        _rule("apiextensions.k8s.io", ["customresourcedefinitions"], ["list", "watch", "get"]),
        _rule("cilium.io", _AGENT_READS, ["list", "watch"]),
        _rule("cilium.io", ["ciliumidentities", "ciliumendpoints", "ciliumnodes"], ["create"]),
        _rule("cilium.io", ["ciliumidentities"], ["update"]),
        _rule("cilium.io", ["ciliumendpoints"], ["delete", "get"]),
        _rule("cilium.io", ["ciliumnodes", "ciliumnodes/status"], ["get", "update"]),
        _rule(
            "cilium.io",
            [
                "ciliumendpoints/status",
                "ciliumendpoints",
                "ciliuml2announcementpolicies/status",
                "ciliumbgpnodeconfigs/status",
            ],
            ["patch"],
        ),
    ]


def agent_accounts(context: Context) -> list[Manifest]:
    """ServiceAccount ``cilium`` and what it may do."""
    name = at(context.values, "serviceAccounts.cilium.name")
    found = _account(context, "cilium", "cilium-agent")
    found += _cluster_role(context, "cilium", name, _agent_rules(context), "cilium-agent")
    found += _role(context, "cilium-config-agent", name, [_rule("", ["configmaps"], READ)], "cilium-agent")
    secrets = at(context.values, "tls.secretsNamespace.name")
    if secrets:
        rules = [_rule("", ["secrets"], READ)]
        found += _role(context, "cilium-tlsinterception-secrets", name, rules, "cilium-agent", namespace=secrets)
    return found


def operator_accounts(context: Context) -> list[Manifest]:
    """ServiceAccount ``cilium-operator`` and what it may do."""
    name = at(context.values, "serviceAccounts.operator.name")
    crds = "customresourcedefinitions"
    rules = [
        _rule("", ["pods"], [*READ, "delete"]),
        _rule("", ["nodes"], ["list", "watch"]),
        _rule("", ["nodes", "nodes/status"], ["patch"]),
        _rule("discovery.k8s.io", ["endpointslices"], READ),
        _rule("", ["namespaces", "secrets", "serviceaccounts"], READ),
        _rule("", ["services"], READ),
        _rule(
            "cilium.io",
            ["ciliumnetworkpolicies", "ciliumclusterwidenetworkpolicies"],
            ["create", "update", "deletecollection", "patch", *READ],
        ),
        _rule(
            "cilium.io",
            ["ciliumnetworkpolicies/status", "ciliumclusterwidenetworkpolicies/status"],
            ["patch", "update"],
        ),
        _rule("cilium.io", ["ciliumendpoints", "ciliumidentities"], ["delete", "list", "watch"]),
        _rule("cilium.io", ["ciliumidentities"], ["update"]),
        _rule("cilium.io", ["ciliumnodes"], ["create", "update", *READ, "delete"]),
        _rule("cilium.io", ["ciliumnodes/status"], ["update"]),
        _rule("cilium.io", _OPERATOR_WRITES, ["create", "update", *READ, "delete", "patch"]),
        _rule("apiextensions.k8s.io", [crds], ["create", *READ]),
        _rule("apiextensions.k8s.io", [crds], ["update"]),
        _rule("cilium.io", ["ciliumloadbalancerippools", "ciliumpodippools"], READ),
        _rule("cilium.io", ["ciliumpodippools"], ["create"]),
        _rule("cilium.io", ["ciliumloadbalancerippools/status"], ["patch"]),
        _rule("coordination.k8s.io", ["leases"], ["create", "get", "update"]),
    ]
    found = _account(context, "operator", "cilium-operator")
    found += _cluster_role(context, "cilium-operator", name, rules, "cilium-operator")
    secrets = at(context.values, "tls.secretsNamespace.name")
    if secrets:
        writes = [_rule("", ["secrets"], ["create", "delete", "update", "patch"])]
        found += _role(
            context, "cilium-operator-tlsinterception-secrets", name, writes, "cilium-operator", namespace=secrets
        )
    return found


def part_accounts(context: Context) -> list[Manifest]:
    """ServiceAccounts of Envoy, Relay and UI, as far as these are installed."""
    values = context.values
    found: list[Manifest] = []
    if envoy_runs_apart(values):
        found += _account(context, "envoy", "cilium-envoy")
    if at(values, "hubble.enabled") and at(values, "hubble.relay.enabled"):
        found += _account(context, "relay", "hubble-relay")
    if at(values, "hubble.enabled") and at(values, "hubble.ui.enabled"):
        found += _account(context, "ui", "hubble-ui")
        rules = [
            _rule("networking.k8s.io", ["networkpolicies"], READ),
            _rule("", ["componentstatuses", "endpoints", "namespaces", "nodes", "pods", "services"], READ),
            _rule("apiextensions.k8s.io", ["customresourcedefinitions"], READ),
            _rule("cilium.io", ["*"], READ),
        ]
        found += _cluster_role(context, "hubble-ui", at(values, "serviceAccounts.ui.name"), rules, "hubble-ui")
    return found


def preflight_accounts(context: Context) -> list[Manifest]:
    """ServiceAccount ``cilium-pre-flight`` and what it may do."""
    name = at(context.values, "serviceAccounts.preflight.name")
    found = _account(context, "preflight", "cilium-preflight")
    return found + _cluster_role(context, "cilium-pre-flight", name, _agent_rules(context), "cilium-preflight")


def secrets_namespace(context: Context) -> list[Manifest]:
    """Namespace ``cilium-secrets``, where policies' TLS secrets are kept."""
    settings = at(context.values, "tls.secretsNamespace")
    if not settings["create"] or not settings["name"]:
        return []
    labels = {**context.labels(""), **(context.values.get("secretsNamespaceLabels") or {})}
    body = context.object(
        "v1",
        "Namespace",
        settings["name"],
        namespace="",
        labels=labels,
        annotations=context.values.get("secretsNamespaceAnnotations"),
    )
    return [Manifest("cilium/templates/cilium-secrets-namespace.yaml", body)]
