"""A cluster as its Kubernetes objects describe it, ready to be asked.

Pods become endpoints; where there are only Deployments and their like (manifests in a folder), each becomes one
endpoint made from its template. CiliumEndpoints, where there are some, tell the true identities; else identities are
numbered here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from lab_helpers.policy.configs import PolicyConfig
from lab_helpers.policy.errors import PolicyError, Position
from lab_helpers.policy.identities import MINIMUM_CLUSTER_IDENTITY, RESERVED, Endpoint, Identity, NamedPort
from lab_helpers.policy.labels import LabelSet, parse_labels
from lab_helpers.policy.parsing import KINDS, parse
from lab_helpers.policy.paths import Path
from lab_helpers.policy.pod_labels import DEFAULT_FILTER, LabelFilter, identity_labels
from lab_helpers.policy.repositories import Repository
from lab_helpers.policy.rules import ParsedPolicy, Service

__all__ = ["Inventory", "Member", "Object", "ServiceObject", "ServicePort", "build_inventory", "with_namespace"]

_Node = Mapping[str, Any]
_TEMPLATED: Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job")


def _nowhere(_: Path) -> Position | None:
    return None


class Object(NamedTuple):
    """A Kubernetes object and, if it came from a text, a way to find places in it."""

    obj: _Node
    locate: Callable[[Path], Position | None] = _nowhere


@dataclass(frozen=True, slots=True)
class Member:
    """One pod, or one workload that stands for its pods. ``ports`` are the container ports, named or not (name "")."""

    endpoint: Endpoint
    namespace: str
    name: str
    workload: str
    labels: tuple[tuple[str, str], ...] = ()
    ip: str = ""
    ports: tuple[NamedPort, ...] = ()

    def label(self, key: str) -> str | None:
        """A pod label as written."""
        return dict(self.labels).get(key)


class ServicePort(NamedTuple):
    """A port of a Service; ``target`` is a number or a name."""

    name: str
    port: int
    target: str
    protocol: str


@dataclass(frozen=True, slots=True)
class ServiceObject:
    """A Service with its ports, for translation and for lint."""

    service: Service
    ports: tuple[ServicePort, ...]


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything known. ``refused`` are the policies Cilium would not import."""

    repository: Repository
    members: tuple[Member, ...] = ()
    services: tuple[ServiceObject, ...] = ()
    policies: tuple[ParsedPolicy, ...] = ()
    refused: tuple[PolicyError, ...] = ()
    sources: Mapping[str, Object] = field(default_factory=dict)
    """Policy objects as read, by ``Kind/namespace/name``."""


def _metadata(obj: _Node) -> _Node:
    found = obj.get("metadata")
    return found if isinstance(found, Mapping) else {}


def _name(obj: _Node) -> str:
    return str(_metadata(obj).get("name") or "")


def _namespace(obj: _Node) -> str:
    return str(_metadata(obj).get("namespace") or "default")


def _strings(value: Any) -> dict[str, str]:
    return {str(key): "" if item is None else str(item) for key, item in (value or {}).items()}


def _workload_of(pod: _Node) -> str:
    """The name of what owns a pod; a ReplicaSet's hash is taken off."""
    for owner in _metadata(pod).get("ownerReferences") or ():
        name = str(owner.get("name", ""))
        if owner.get("kind") == "ReplicaSet":
            return name.rsplit("-", 1)[0]
        return name
    return _name(pod)


def _container_ports(spec: _Node) -> tuple[NamedPort, ...]:
    found: list[NamedPort] = []
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        found.extend(
            NamedPort(str(port.get("name") or ""), int(port["containerPort"]), str(port.get("protocol") or "TCP"))
            for port in container.get("ports") or ()
            if isinstance(port.get("containerPort"), int)
        )
    return tuple(dict.fromkeys(found))


class _Draft(NamedTuple):
    namespace: str
    name: str
    workload: str
    labels: dict[str, str]
    spec: _Node
    ip: str


def _drafts(objects: Iterable[Object]) -> list[_Draft]:
    pods: list[_Draft] = []
    templates: list[_Draft] = []
    for obj, _ in objects:
        kind = obj.get("kind")
        spec = obj.get("spec") or {}
        if kind == "Pod":
            status = obj.get("status") or {}
            if spec.get("hostNetwork") or status.get("phase") in ("Succeeded", "Failed"):
                continue
            labels = _strings(_metadata(obj).get("labels"))
            ip = str(status.get("podIP") or "")
            pods.append(_Draft(_namespace(obj), _name(obj), _workload_of(obj), labels, spec, ip))
        elif kind in _TEMPLATED or kind == "CronJob":
            if kind == "CronJob":
                spec = (spec.get("jobTemplate") or {}).get("spec") or {}
            template = spec.get("template") or {}
            inner = template.get("spec") or {}
            if not inner.get("hostNetwork"):
                labels = _strings((template.get("metadata") or {}).get("labels"))
                templates.append(_Draft(_namespace(obj), _name(obj), _name(obj), labels, inner, ""))
    present = {(draft.namespace, draft.workload) for draft in pods}
    return pods + [draft for draft in templates if (draft.namespace, draft.workload) not in present]


def _known_identities(objects: Iterable[Object]) -> dict[tuple[str, str], Identity]:
    found = {}
    for obj, _ in objects:
        if obj.get("kind") == "CiliumEndpoint":
            identity = (obj.get("status") or {}).get("identity") or {}
            if identity.get("id") and identity.get("labels"):
                found[_namespace(obj), _name(obj)] = Identity(int(identity["id"]), parse_labels(identity["labels"]))
    return found


def _service(obj: _Node, backends: Mapping[tuple[str, str], list[str]]) -> ServiceObject:
    spec = obj.get("spec") or {}
    key = (_namespace(obj), _name(obj))
    service = Service(
        *key,
        tuple(sorted(_strings(_metadata(obj).get("labels")).items())),
        tuple(sorted(_strings(spec.get("selector")).items())),
        tuple(backends.get(key, ())),
    )
    ports = tuple(
        ServicePort(
            str(port.get("name") or ""),
            int(port.get("port") or 0),
            str(port.get("targetPort") or port.get("port") or ""),
            str(port.get("protocol") or "TCP"),
        )
        for port in spec.get("ports") or ()
    )
    return ServiceObject(service, ports)


def _backends(objects: Iterable[Object]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for obj, _ in objects:
        if obj.get("kind") == "EndpointSlice":
            name = _strings(_metadata(obj).get("labels")).get("kubernetes.io/service-name", _name(obj))
            for endpoint in obj.get("endpoints") or ():
                found.setdefault((_namespace(obj), name), []).extend(map(str, endpoint.get("addresses") or ()))
        elif obj.get("kind") == "Endpoints":
            for subset in obj.get("subsets") or ():
                addresses = [str(item.get("ip")) for item in subset.get("addresses") or ()]
                found.setdefault((_namespace(obj), _name(obj)), []).extend(addresses)
    return found


def _members(objects: list[Object], config: PolicyConfig, label_filter: LabelFilter) -> list[Member]:
    namespaces = {
        _name(obj): _strings(_metadata(obj).get("labels")) for obj, _ in objects if obj.get("kind") == "Namespace"
    }
    known = _known_identities(objects)
    numbers: dict[LabelSet, int] = {identity.labels: identity.numeric for identity in known.values()}
    used = set(numbers.values())
    fresh = MINIMUM_CLUSTER_IDENTITY + (config.cluster_id << 16)
    members = []
    for draft in sorted(_drafts(objects), key=lambda draft: (draft.namespace, draft.name)):
        identity = known.get((draft.namespace, draft.name))
        if identity is None:
            labels = identity_labels(
                draft.labels,
                namespace=draft.namespace,
                namespace_labels=namespaces.get(draft.namespace, {}),
                service_account=str(draft.spec.get("serviceAccountName") or "default"),
                cluster=config.cluster_name,
                label_filter=label_filter,
            )
            if labels not in numbers:
                while fresh in used:
                    fresh += 1
                used.add(fresh)
                numbers[labels] = fresh
            identity = Identity(numbers[labels], labels)
        ports = _container_ports(draft.spec)
        endpoint = Endpoint(f"{draft.namespace}/{draft.name}", identity, tuple(port for port in ports if port.name))
        members.append(
            Member(
                endpoint,
                draft.namespace,
                draft.name,
                draft.workload,
                tuple(sorted(draft.labels.items())),
                draft.ip,
                ports,
            )
        )
    return members


def build_inventory(
    objects: Iterable[Object], config: PolicyConfig | None = None, *, label_filter: LabelFilter = DEFAULT_FILTER
) -> Inventory:
    """Make an inventory of objects of any kind; those that do not matter are ignored. Never raises on a refused
    policy.
    """
    config = config or PolicyConfig()
    listed = list(objects)
    repository = Repository(config)
    for identity in RESERVED.values():
        if config.dual_stack or not identity.labels.reserved("world-ipv4") | identity.labels.reserved("world-ipv6"):
            repository.upsert_identity(identity)
    members = _members(listed, config, label_filter)
    for member in members:
        repository.upsert_endpoint(member.endpoint)
    backends = _backends(listed)
    services = tuple(_service(obj, backends) for obj, _ in listed if obj.get("kind") == "Service")
    for service in services:
        repository.upsert_service(service.service)
    refused: list[PolicyError] = []
    sources: dict[str, Object] = {}
    policies: dict[str, ParsedPolicy] = {}
    for item in listed:
        if item.obj.get("kind") not in KINDS:
            continue
        try:
            policy = parse(with_namespace(item.obj), config, locate=item.locate)
        except PolicyError as error:
            refused.append(error)
            sources["/".join(part for part in (error.kind, error.namespace, error.name) if part)] = item
        else:
            repository.upsert(policy)
            policies[str(policy.ref)] = policy
            sources[str(policy.ref)] = item
    return Inventory(repository, tuple(members), services, tuple(policies.values()), tuple(refused), sources)


def with_namespace(obj: _Node) -> _Node:
    """``kubectl apply`` would put a namespaced object without namespace in ``default``."""
    if obj.get("kind") != "CiliumNetworkPolicy" or _metadata(obj).get("namespace"):
        return obj
    return {**obj, "metadata": {**_metadata(obj), "namespace": "default"}}
