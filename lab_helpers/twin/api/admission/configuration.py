"""Validation of ConfigMaps, Secrets, Ingresses, RBAC bindings, Nodes and the like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lab_helpers.twin.api.admission.names import config_key
from lab_helpers.twin.api.admission.problems import Problems

__all__ = ["CONFIGURATION"]

Item = Mapping[str, Any]
Check = Callable[[Item, Item | None, Problems], None]

_LIMIT = 1048576
_IMMUTABLE = "field is immutable when `immutable` is set"


def _keys(item: Item, names: tuple[str, ...], problems: Problems) -> None:
    total = 0
    for name in names:
        for key, value in (item.get(name) or {}).items():
            for why in config_key(key):
                problems.invalid(f"{name}[{key}]", key, why)
            total += len(value)
    if total > _LIMIT * (4 if names == ("data",) else 1):
        problems.too_long("", _LIMIT)


def _frozen(item: Item, old: Item | None, names: tuple[str, ...], problems: Problems) -> None:
    if old is not None and old.get("immutable"):
        for name in (*names, "immutable"):
            if item.get(name) != old.get(name):
                problems.forbidden(name, _IMMUTABLE)


def _config_map(item: Item, old: Item | None, problems: Problems) -> None:
    _keys(item, ("data", "binaryData"), problems)
    for key in {*(item.get("data") or {})} & {*(item.get("binaryData") or {})}:
        problems.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    _frozen(item, old, ("data", "binaryData"), problems)


def _secret(item: Item, old: Item | None, problems: Problems) -> None:
    _keys(item, ("data",), problems)
    _frozen(item, old, ("data",), problems)
    if old is not None and item.get("type") != old.get("type"):
        problems.invalid("type", item.get("type"), "field is immutable")
    required = {"kubernetes.io/tls": ("tls.crt", "tls.key"), "kubernetes.io/dockerconfigjson": (".dockerconfigjson",)}
    for key in required.get(item.get("type", ""), ()):
        if key not in (item.get("data") or {}):
            problems.required(f"data[{key}]")


def _binding(item: Item, old: Item | None, problems: Problems) -> None:
    reference = item.get("roleRef") or {}
    if reference.get("kind") not in ("Role", "ClusterRole"):
        problems.unsupported("roleRef.kind", reference.get("kind", ""), ("Role", "ClusterRole"))
    if not reference.get("name"):
        problems.required("roleRef.name")
    if old is not None and reference != old.get("roleRef"):
        problems.invalid("roleRef", dict(reference), "cannot change roleRef")
    for position, subject in enumerate(item.get("subjects") or ()):
        field = f"subjects[{position}]"
        if not subject.get("name"):
            problems.required(f"{field}.name")
        if subject.get("kind") not in ("ServiceAccount", "User", "Group"):
            problems.unsupported(f"{field}.kind", subject.get("kind", ""), ("ServiceAccount", "User", "Group"))
        elif subject["kind"] == "ServiceAccount" and not subject.get("namespace"):
            problems.required(f"{field}.namespace")


def _role(item: Item, old: Item | None, problems: Problems) -> None:
    del old
    for position, rule in enumerate(item.get("rules") or ()):
        field = f"rules[{position}]"
        if not rule.get("verbs"):
            problems.required(f"{field}.verbs", "verbs must contain at least one value")
        if rule.get("nonResourceURLs"):
            continue
        if not rule.get("apiGroups"):
            problems.required(f"{field}.apiGroups", "resource rules must supply at least one api group")
        if not rule.get("resources"):
            problems.required(f"{field}.resources", "resource rules must supply at least one resource")


def _ingress(item: Item, old: Item | None, problems: Problems) -> None:
    del old
    spec = item.get("spec") or {}
    if not spec.get("rules") and not spec.get("defaultBackend"):
        problems.invalid("spec", dict(spec), "either `defaultBackend` or `rules` must be specified")
    for number, rule in enumerate(spec.get("rules") or ()):
        for position, path in enumerate((rule.get("http") or {}).get("paths") or ()):
            field = f"spec.rules[{number}].http.paths[{position}]"
            kind = path.get("pathType")
            if kind is None:
                problems.required(f"{field}.pathType", "pathType must be specified")
            elif kind not in ("Exact", "ImplementationSpecific", "Prefix"):
                problems.unsupported(f"{field}.pathType", kind, ("Exact", "ImplementationSpecific", "Prefix"))
            elif kind != "ImplementationSpecific" and not path.get("path", "").startswith("/"):
                problems.invalid(f"{field}.path", path.get("path", ""), "must be an absolute path")


def _slice(item: Item, old: Item | None, problems: Problems) -> None:
    kind = item.get("addressType")
    if not kind:
        problems.required("addressType")
    elif kind not in ("FQDN", "IPv4", "IPv6"):
        problems.unsupported("addressType", kind, ("FQDN", "IPv4", "IPv6"))
    if old is not None and kind != old.get("addressType"):
        problems.invalid("addressType", kind, "field is immutable")


def _priority_class(item: Item, old: Item | None, problems: Problems) -> None:
    if old is not None and item.get("value") != old.get("value"):
        problems.forbidden("value", "may not be changed in an update.")


CONFIGURATION: Mapping[str, Check] = {
    "configmaps": _config_map,
    "secrets": _secret,
    "rolebindings.rbac.authorization.k8s.io": _binding,
    "clusterrolebindings.rbac.authorization.k8s.io": _binding,
    "roles.rbac.authorization.k8s.io": _role,
    "clusterroles.rbac.authorization.k8s.io": _role,
    "ingresses.networking.k8s.io": _ingress,
    "endpointslices.discovery.k8s.io": _slice,
    "priorityclasses.scheduling.k8s.io": _priority_class,
}
"""What is checked, by resource: the new object and, on update, the old one."""
