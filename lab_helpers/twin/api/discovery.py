"""Discovery: which groups, versions, resources and subresources there are, in the legacy and the aggregated form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lab_helpers.twin.objects.kinds import Kind, Kinds

__all__ = ["Discovery", "group_order", "version_order"]

_PREFERRED_ORDER = (
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "flowcontrol.apiserver.k8s.io",
)


class Review(NamedTuple):
    """A resource that is only a question: it can be created, never read back."""

    group: str
    plural: str
    kind: str
    namespaced: bool


REVIEWS = (
    Review("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", False),
    Review("authentication.k8s.io", "tokenreviews", "TokenReview", False),
    Review("authorization.k8s.io", "localsubjectaccessreviews", "LocalSubjectAccessReview", True),
    Review("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False),
    Review("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview", False),
    Review("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview", False),
    Review("", "bindings", "Binding", True),
)


class Subresource(NamedTuple):
    """One subresource; group and version only where they differ from the parent's."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str | None = None
    version: str | None = None


_STATUS = ("get", "patch", "update")
_PROXY = ("create", "delete", "get", "patch", "update")
_SUBRESOURCES: Mapping[str, tuple[Subresource, ...]] = {
    "pods": (
        Subresource("attach", "PodAttachOptions", ("create", "get")),
        Subresource("binding", "Binding", ("create",)),
        Subresource("ephemeralcontainers", "Pod", _STATUS),
        Subresource("eviction", "Eviction", ("create",), "policy", "v1"),
        Subresource("exec", "PodExecOptions", ("create", "get")),
        Subresource("log", "Pod", ("get",)),
        Subresource("portforward", "PodPortForwardOptions", ("create", "get")),
        Subresource("proxy", "PodProxyOptions", _PROXY),
    ),
    "services": (Subresource("proxy", "ServiceProxyOptions", _PROXY),),
    "nodes": (Subresource("proxy", "NodeProxyOptions", _PROXY),),
    "serviceaccounts": (Subresource("token", "TokenRequest", ("create",), "authentication.k8s.io", "v1"),),
    "namespaces": (Subresource("finalize", "Namespace", ("update",)),),
}


def group_order(group: str) -> tuple[int, str]:
    """The sort key of a group: built-in groups first, in the real server's order, then the others by name."""
    place = _PREFERRED_ORDER.index(group) if group in _PREFERRED_ORDER else len(_PREFERRED_ORDER)
    return place, group


def subresources(kind: Kind) -> Sequence[Subresource]:
    """The subresources of a kind, in name order."""
    found = list(_SUBRESOURCES.get(kind.resource, ()))
    if kind.has_status:
        found.append(Subresource("status", kind.kind, _STATUS))
    if kind.has_scale:
        found.append(Subresource("scale", "Scale", _STATUS, "autoscaling", "v1"))
    return sorted(found)


class Discovery:
    """Discovery documents of the kinds served now."""

    def __init__(self, kinds: Kinds, address: str) -> None:
        self._kinds = kinds
        self._address = address

    def groups(self) -> dict[str, list[str]]:
        """Groups in order, each with its versions, the preferred one first."""
        found: dict[str, list[str]] = {}
        for kind in self._kinds:
            versions = found.setdefault(kind.group, [])
            versions += [version for version in kind.versions if version not in versions]
        for review in REVIEWS:
            found.setdefault(review.group, ["v1"])
        return {group: sorted(found[group], key=version_order) for group in sorted(found, key=group_order)}

    def api_versions(self) -> dict[str, Any]:
        """``/api``."""
        address = [{"clientCIDR": "0.0.0.0/0", "serverAddress": self._address}]
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": address}

    def group_list(self) -> dict[str, Any]:
        """``/apis``."""
        groups = [self._group(name, versions) for name, versions in self.groups().items() if name]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}

    def group(self, name: str) -> dict[str, Any] | None:
        """``/apis/<group>``."""
        versions = self.groups().get(name)
        if not name or versions is None:
            return None
        return {"kind": "APIGroup", "apiVersion": "v1", **self._group(name, versions)}

    def resources(self, group: str, version: str) -> dict[str, Any] | None:
        """``/api/v1`` or ``/apis/<group>/<version>``."""
        if version not in self.groups().get(group, ()):
            return None
        entries: list[dict[str, Any]] = []
        for kind in self._in(group, version):
            entries.append(_legacy(kind))
            for sub in subresources(kind):
                entry: dict[str, Any] = {
                    "name": f"{kind.plural}/{sub.name}",
                    "singularName": "",
                    "namespaced": kind.namespaced,
                }
                if sub.group is not None:
                    entry |= {"group": sub.group, "version": sub.version}
                entries.append({**entry, "kind": sub.kind, "verbs": list(sub.verbs)})
        entries += [
            {
                "name": review.plural,
                "singularName": review.kind.lower(),
                "namespaced": review.namespaced,
                "kind": review.kind,
                "verbs": ["create"],
            }
            for review in REVIEWS
            if review.group == group and version == "v1"
        ]
        entries.sort(key=lambda entry: entry["name"])
        name = f"{group}/{version}" if group else version
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": entries}

    def aggregated(self, *, core: bool, version: str) -> dict[str, Any]:
        """``APIGroupDiscoveryList`` for ``/api`` (core) or ``/apis``."""
        items = []
        for group, versions in self.groups().items():
            if (group == "") is core:
                items.append(
                    {
                        "metadata": {"name": group, "creationTimestamp": None}
                        if group
                        else {"creationTimestamp": None},
                        "versions": [
                            {"version": v, "resources": self._aggregated_resources(group, v), "freshness": "Current"}
                            for v in versions
                        ],
                    }
                )
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": f"apidiscovery.k8s.io/{version}",
            "metadata": {},
            "items": items,
        }

    def _in(self, group: str, version: str) -> list[Kind]:
        found = [kind for kind in self._kinds if kind.group == group and version in kind.versions]
        return sorted(found, key=lambda kind: kind.plural)

    def _aggregated_resources(self, group: str, version: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = []
        for kind in self._in(group, version):
            entry: dict[str, Any] = {
                "resource": kind.plural,
                "responseKind": {"group": group, "version": version, "kind": kind.kind},
                "scope": "Namespaced" if kind.namespaced else "Cluster",
                "singularResource": kind.singular_name,
                "verbs": list(kind.verbs),
            }
            if kind.short_names:
                entry["shortNames"] = list(kind.short_names)
            if kind.categories:
                entry["categories"] = list(kind.categories)
            if subs := subresources(kind):
                entry["subresources"] = [
                    {
                        "subresource": sub.name,
                        "responseKind": {
                            "group": group if sub.group is None else sub.group,
                            "version": sub.version or version,
                            "kind": sub.kind,
                        },
                        "verbs": list(sub.verbs),
                    }
                    for sub in subs
                ]
            entries.append(entry)
        entries += [
            {
                "resource": review.plural,
                "responseKind": {"group": group, "version": version, "kind": review.kind},
                "scope": "Namespaced" if review.namespaced else "Cluster",
                "singularResource": review.kind.lower(),
                "verbs": ["create"],
            }
            for review in REVIEWS
            if review.group == group and version == "v1"
        ]
        return sorted(entries, key=lambda entry: str(entry["resource"]))

    def _group(self, name: str, versions: Sequence[str]) -> dict[str, Any]:
        entries = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
        return {"name": name, "versions": entries, "preferredVersion": entries[0]}


def _legacy(kind: Kind) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": kind.plural,
        "singularName": kind.singular_name,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    return entry


def version_order(version: str) -> tuple[int, int, int]:
    """Kubernetes' version priority: v2 before v1 before v2beta1 before v1alpha1."""
    digits = "".join(c for c in version[1:].split("alpha")[0].split("beta")[0] if c.isdigit())
    stage = 2 if "alpha" in version else 1 if "beta" in version else 0
    minor = version.rpartition("alpha" if stage == 2 else "beta")[2] if stage else "0"
    return stage, -int(digits or 0), -int(minor if minor.isdigit() else 0)
