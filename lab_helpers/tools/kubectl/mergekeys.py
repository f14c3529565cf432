"""Which lists of built-in kinds are merged by a key instead of replaced (patchMergeKey in k8s.io/api types).

A key of "" marks a list of plain values that is merged as a set. Lists not named here are replaced whole, as are all
lists of custom resources.
"""

_POD_LISTS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "env": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "resourceClaims": "name",
    "schedulingGates": "name",
    "conditions": "type",
    "ownerReferences": "uid",
    "finalizers": "",
    "addresses": "type",
    "podCIDRs": "",
    "podIPs": "ip",
    "hostIPs": "ip",
}
_CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers")
_RETAINING = ("volumes", "strategy", "updateStrategy")

BUILT_IN = frozenset({
    "", "apps", "batch", "networking.k8s.io", "rbac.authorization.k8s.io", "policy", "autoscaling",
    "coordination.k8s.io",
    "discovery.k8s.io", "scheduling.k8s.io", "storage.k8s.io", "node.k8s.io", "events.k8s.io", "certificates.k8s.io",
    "admissionregistration.k8s.io", "apiregistration.k8s.io", "apiextensions.k8s.io", "authentication.k8s.io",
    "authorization.k8s.io", "flowcontrol.apiserver.k8s.io",
})  # fmt: skip


def built_in(group: str) -> bool:
    """Whether a group's kinds take strategic merge patches."""
    return group in BUILT_IN and group not in ("apiextensions.k8s.io", "apiregistration.k8s.io")


def merge_key(kind: str, path: tuple[str, ...]) -> str | None:
    """The key by which the list at `path` (field names, list items left out) is merged; None: it is replaced."""
    name = path[-1]
    if name == "ports":
        if kind == "Service":
            return "port" if path == ("spec", "ports") else None
        return "containerPort" if len(path) > 1 and path[-2] in _CONTAINER_LISTS else None
    if kind == "ServiceAccount" and path == ("secrets",):
        return "name"
    if kind in ("NetworkPolicy", "Ingress", "EndpointSlice", "Endpoints") and path[0] != "metadata":
        return None
    if kind == "Service" and name == "conditions":
        return "type"
    if kind == "ResourceQuota" or (name == "addresses" and kind != "Node"):
        return None
    return _POD_LISTS.get(name)


def retains_keys(kind: str, path: tuple[str, ...]) -> bool:
    """Whether a patch of the mapping at `path` lists the keys to keep (patchStrategy retainKeys)."""
    if path[-1] == "volumes":
        return True
    return path[-1] in _RETAINING and kind in ("Deployment", "DaemonSet") and path == ("spec", "strategy")
