"""The kinds the twin serves: names, scope, verbs and subresources, as discovery shows them.

CRDs add theirs while it runs. A kind is addressed by its *resource* string, ``pods`` or ``deployments.apps`` (plural,
then the group if there is one), the form kubectl and RBAC use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["BUILTIN", "Kind", "Kinds"]

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Kind:
    """One served kind. ``has_status`` means a ``status`` subresource that alone may change ``.status``.

    ``stored_as`` names the resource whose objects this kind shows in another form (the two event groups are one store).
    ``other_versions`` are served besides the preferred ``version``, with the same schema (a CRD without conversion).
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    has_status: bool = False
    has_scale: bool = False
    verbs: tuple[str, ...] = ALL_VERBS
    custom: bool = False
    singular: str = ""
    list_kind: str = ""
    stored_as: str = ""
    other_versions: tuple[str, ...] = ()

    @property
    def resource(self) -> str:
        """``deployments.apps``, or ``pods`` in the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """``apps/v1``, or ``v1`` in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def versions(self) -> tuple[str, ...]:
        """All served versions, the preferred one first."""
        return (self.version, *self.other_versions)

    @property
    def singular_name(self) -> str:
        """The lower-case singular."""
        return self.singular or self.kind.lower()


BUILTIN: tuple[Kind, ...] = (
    Kind("", "v1", "Namespace", "namespaces", False, ("ns",), has_status=True),
    Kind("", "v1", "Node", "nodes", False, ("no",), has_status=True),
    Kind("", "v1", "Pod", "pods", True, ("po",), ("all",), has_status=True),
    Kind("", "v1", "Service", "services", True, ("svc",), ("all",), has_status=True),
    Kind("", "v1", "Endpoints", "endpoints", True, ("ep",)),
    Kind("", "v1", "ConfigMap", "configmaps", True, ("cm",)),
    Kind("", "v1", "Secret", "secrets"),
    Kind("", "v1", "ServiceAccount", "serviceaccounts", True, ("sa",)),
    Kind("", "v1", "Event", "events", True, ("ev",)),
    Kind("events.k8s.io", "v1", "Event", "events", True, ("ev",), stored_as="events"),
    Kind("apps", "v1", "Deployment", "deployments", True, ("deploy",), ("all",), has_status=True, has_scale=True),
    Kind("apps", "v1", "ReplicaSet", "replicasets", True, ("rs",), ("all",), has_status=True, has_scale=True),
    Kind("apps", "v1", "DaemonSet", "daemonsets", True, ("ds",), ("all",), has_status=True),
    Kind("apps", "v1", "StatefulSet", "statefulsets", True, ("sts",), ("all",), has_status=True, has_scale=True),
    Kind("apps", "v1", "ControllerRevision", "controllerrevisions"),
    Kind("batch", "v1", "Job", "jobs", True, (), ("all",), has_status=True),
    Kind("batch", "v1", "CronJob", "cronjobs", True, ("cj",), ("all",), has_status=True),
    Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
    Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", True, ("netpol",)),
    Kind("networking.k8s.io", "v1", "Ingress", "ingresses", True, ("ing",), has_status=True),
    Kind("networking.k8s.io", "v1", "IngressClass", "ingressclasses", False),
    Kind("coordination.k8s.io", "v1", "Lease", "leases"),
    Kind("rbac.authorization.k8s.io", "v1", "Role", "roles"),
    Kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
    Kind("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", False),
    Kind("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", False),
    Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", True, ("pdb",), has_status=True),
    Kind("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", False, ("pc",)),
    Kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", False, ("sc",)),
    Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", True, ("pvc",), has_status=True),
    Kind("", "v1", "PersistentVolume", "persistentvolumes", False, ("pv",), has_status=True),
    Kind(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        False,
        ("crd", "crds"),
        ("api-extensions",),
        has_status=True,
    ),
    Kind("apiregistration.k8s.io", "v1", "APIService", "apiservices", False, (), ("api-extensions",), has_status=True),
)


class Kinds:
    """The kinds served now, by resource string and by (group, kind)."""

    def __init__(self, kinds: tuple[Kind, ...] = BUILTIN) -> None:
        self._by_resource = {kind.resource: kind for kind in kinds}

    def __iter__(self) -> Iterator[Kind]:
        return iter(tuple(self._by_resource.values()))

    def get(self, resource: str) -> Kind | None:
        """The kind of ``pods`` or ``deployments.apps``; None when it is not served."""
        return self._by_resource.get(resource)

    def __getitem__(self, resource: str) -> Kind:
        return self._by_resource[resource]

    def find(self, api_version: str, kind: str) -> Kind | None:
        """The kind of an object's ``apiVersion`` and ``kind``."""
        group, _, version = api_version.rpartition("/")
        return next(
            (k for k in self._by_resource.values() if k.kind == kind and k.group == group and version in k.versions),
            None,
        )

    def served(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind behind ``/apis/<group>/<version>/<plural>``; None when there is nothing at that path."""
        found = self._by_resource.get(f"{plural}.{group}" if group else plural)
        return found if found is not None and version in found.versions else None

    def add(self, kind: Kind) -> None:
        """Serve ``kind`` from now on (a CustomResourceDefinition was established)."""
        self._by_resource[kind.resource] = kind

    def remove(self, resource: str) -> None:
        """Stop serving it (its CustomResourceDefinition was deleted)."""
        self._by_resource.pop(resource, None)
