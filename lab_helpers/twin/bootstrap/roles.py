"""The RBAC objects a learner meets when listing them on a fresh cluster. The twin stores them; it does not authorise
by them."""

from __future__ import annotations

from typing import Any

from lab_helpers.twin.objects.storage import Object

__all__ = ["role_objects"]

BOOTSTRAPPING = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_ROLES = "clusterroles.rbac.authorization.k8s.io"
_BINDINGS = "clusterrolebindings.rbac.authorization.k8s.io"
_READ = ["get", "list", "watch"]
_WRITE = ["create", "delete", "deletecollection", "patch", "update"]
_CORE = ["configmaps", "endpoints", "persistentvolumeclaims", "pods", "serviceaccounts", "services"]
_APPS = ["daemonsets", "deployments", "replicasets", "statefulsets"]
_HEALTH = ["/healthz", "/livez", "/readyz", "/version"]
_DISCOVERY = ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", *_HEALTH]
_INFO = [*_HEALTH, "/version/"]


def role_objects() -> list[tuple[str, Object]]:
    """(resource, body) of ClusterRoles, then of their bindings."""
    everything = [_rule(["*"], ["*"], ["*"]), {"nonResourceURLs": ["*"], "verbs": ["*"]}]
    roles = {
        "cluster-admin": everything,
        "admin": [
            *_namespaced(_READ + _WRITE),
            _rule([""], ["secrets", "pods/exec", "pods/portforward"], _READ + _WRITE),
            _rule(["rbac.authorization.k8s.io"], ["rolebindings", "roles"], _READ + _WRITE),
        ],
        "edit": [
            *_namespaced(_READ + _WRITE),
            _rule([""], ["secrets", "pods/exec", "pods/portforward"], _READ + _WRITE),
        ],
        "view": _namespaced(_READ),
        "system:basic-user": [
            _rule(["authorization.k8s.io"], ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], ["create"]),
            _rule(["authentication.k8s.io"], ["selfsubjectreviews"], ["create"]),
        ],
        "system:coredns": [
            _rule([""], ["endpoints", "services", "pods", "namespaces"], ["list", "watch"]),
            _rule(["discovery.k8s.io"], ["endpointslices"], ["list", "watch"]),
        ],
        "system:discovery": [{"nonResourceURLs": _DISCOVERY, "verbs": ["get"]}],
        "system:kube-controller-manager": [_rule([""], ["events"], ["create", "patch", "update"])],
        "system:kube-scheduler": [_rule([""], ["bindings", "pods/binding"], ["create"])],
        "system:node": [_rule([""], ["nodes", "pods", "services"], _READ)],
        "system:public-info-viewer": [{"nonResourceURLs": _INFO, "verbs": ["get"]}],
    }
    group = "Group"
    bindings = [
        ("cluster-admin", "cluster-admin", group, "system:masters"),
        ("kubeadm:cluster-admins", "cluster-admin", group, "kubeadm:cluster-admins"),
        ("system:basic-user", "system:basic-user", group, "system:authenticated"),
        ("system:discovery", "system:discovery", group, "system:authenticated"),
        ("system:kube-controller-manager", "system:kube-controller-manager", "User", "system:kube-controller-manager"),
        ("system:kube-scheduler", "system:kube-scheduler", "User", "system:kube-scheduler"),
        ("system:public-info-viewer", "system:public-info-viewer", group, "system:authenticated"),
    ]
    found = [(_ROLES, {"metadata": _metadata(name), "rules": rules}) for name, rules in roles.items()]
    found += [
        (_BINDINGS, {"metadata": _metadata(name), "roleRef": _reference(role), "subjects": [_subject(kind, subject)]})
        for name, role, kind, subject in bindings
    ]
    account = {"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}
    coredns = {"metadata": _metadata("system:coredns"), "roleRef": _reference("system:coredns"), "subjects": [account]}
    return [*found, (_BINDINGS, coredns)]


def _namespaced(verbs: list[str]) -> list[dict[str, Any]]:
    return [
        _rule([""], _CORE, verbs),
        _rule([""], ["events", "namespaces", "pods/log", "pods/status"], _READ),
        _rule(["apps"], _APPS, verbs),
        _rule(["batch"], ["cronjobs", "jobs"], verbs),
        _rule(["networking.k8s.io"], ["ingresses", "networkpolicies"], verbs),
        _rule(["policy"], ["poddisruptionbudgets"], verbs),
    ]


def _rule(groups: list[str], resources: list[str], verbs: list[str]) -> dict[str, Any]:
    return {"apiGroups": groups, "resources": resources, "verbs": list(verbs)}


def _metadata(name: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if not name.startswith("kubeadm:"):
        metadata["labels"] = dict(BOOTSTRAPPING)
        metadata["annotations"] = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
    return metadata


def _reference(role: str) -> dict[str, str]:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}


def _subject(kind: str, name: str) -> dict[str, str]:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
