"""EndpointSlices and Endpoints of Services with a selector (kubernetes pkg/controller/endpointslice and
pkg/controller/endpoint).

Services without a selector are left alone: their endpoints belong to whoever wrote them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from lab_helpers.twin.controllers.controlling import Controller, Parts
from lab_helpers.twin.controllers.pods import is_finished, is_ready
from lab_helpers.twin.controllers.references import owner_reference
from lab_helpers.twin.controllers.slices import Endpoint, Port, endpoints_body, slice_bodies
from lab_helpers.twin.objects.storage import Change, Key, Object

__all__ = ["Endpoints"]

SLICES = "endpointslices.discovery.k8s.io"
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"


class _Selector(NamedTuple):
    """A Service's place in the index: looked up by one of the labels it selects."""

    namespace: str
    key: str
    value: str


class Endpoints(Controller):
    """Lists the ready pods of each Service."""

    name = "endpointslice-controller"
    primary = "services"
    watches = frozenset({"services", "pods", SLICES, "endpoints"})

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._by_label: dict[_Selector, dict[Key, Mapping[str, str]]] = defaultdict(dict)
        self._entries: dict[Key, _Selector] = {}

    def prime(self) -> None:
        """Index all Services, then look at each."""
        self._by_label.clear()
        self._entries.clear()
        for service in self.registry.list("services"):
            key = Key("services", service["metadata"]["namespace"], service["metadata"]["name"])
            self._index(key, service)
            self.enqueue(key)

    def observe(self, change: Change) -> None:
        """A Service, its slices, or a pod that it selects or selected."""
        key = change.key
        if key.resource == "services":
            self._index(key, None if change.type == "DELETED" else change.object)
            self.enqueue(key)
        elif key.resource == "endpoints":
            if change.type == "DELETED" and Key("services", key.namespace, key.name) in self._entries:
                self.enqueue(Key("services", key.namespace, key.name))
        elif key.resource == SLICES:
            labels = change.object["metadata"].get("labels") or {}
            if labels.get(MANAGED_BY) == MANAGER and SERVICE_NAME in labels and change.type == "DELETED":
                self.enqueue(Key("services", key.namespace, labels[SERVICE_NAME]))
        elif change.type != "MODIFIED" or change.previous is None or _relevant(change.previous, change.object):
            self._selecting(change.object)
            if change.previous is not None:
                self._selecting(change.previous)

    def _index(self, key: Key, service: Object | None) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._by_label[entry].pop(key, None)
        selector = (service or {}).get("spec", {}).get("selector")
        if selector:
            name = min(selector)
            entry = _Selector(key.namespace, name, selector[name])
            self._entries[key] = entry
            self._by_label[entry][key] = selector

    def _selecting(self, pod: Object) -> None:
        labels = pod["metadata"].get("labels") or {}
        for name, value in labels.items():
            for key, selector in self._by_label.get(_Selector(pod["metadata"]["namespace"], name, value), {}).items():
                if selector.items() <= labels.items():
                    self.enqueue(key)

    def reconcile(self, key: Key) -> None:
        """Write slices and Endpoints that differ from what the pods say."""
        service = self.registry.find("services", key.name, key.namespace)
        if service is None:
            if self.registry.find("endpoints", key.name, key.namespace) is not None and key.name != "kubernetes":
                self.registry.delete("endpoints", key.name, key.namespace)
            return
        spec = service["spec"]
        if not spec.get("selector") or spec.get("type") == "ExternalName":
            return
        if service["metadata"].get("deletionTimestamp"):
            return
        groups: dict[tuple[Port, ...], list[Endpoint]] = defaultdict(list)
        for pod in self.indexes.pods_with(key.namespace, spec["selector"]):
            if (pod.get("status") or {}).get("podIP") and not is_finished(pod):
                groups[_ports(service, pod)].append(_endpoint(service, pod))
        self._write_slices(service, groups)
        self._write_endpoints(service, groups)

    def _write_slices(self, service: Object, groups: dict[tuple[Port, ...], list[Endpoint]]) -> None:
        namespace = service["metadata"]["namespace"]
        have = [
            item
            for item in self.indexes.owned(service["metadata"]["uid"], SLICES)
            if (item["metadata"].get("labels") or {}).get(MANAGED_BY) == MANAGER
        ]
        have.sort(key=lambda item: str(item["metadata"]["creationTimestamp"]))
        labels = {
            **_kept_labels(service),
            MANAGED_BY: MANAGER,
            SERVICE_NAME: service["metadata"]["name"],
        }
        if service["spec"].get("clusterIP") == "None":
            labels["service.kubernetes.io/headless"] = ""
        bodies = slice_bodies(groups or {(): []}, have)
        for found, body in bodies:
            metadata = {"labels": labels, "ownerReferences": [owner_reference(service)]}
            if found is None:
                named = {**metadata, "generateName": f"{service['metadata']['name']}-"}
                self.registry.create(SLICES, {"metadata": named, **body}, namespace)
            else:
                merged = {**found, **body, "metadata": {**found["metadata"], **metadata}}
                if merged != found:
                    self.registry.update(SLICES, merged)
        used = {found["metadata"]["name"] for found, _ in bodies if found is not None}
        for item in have:
            if item["metadata"]["name"] not in used:
                self.registry.delete(SLICES, item["metadata"]["name"], namespace)

    def _write_endpoints(self, service: Object, groups: dict[tuple[Port, ...], list[Endpoint]]) -> None:
        metadata = service["metadata"]
        labels = {**_kept_labels(service), "endpoints.kubernetes.io/managed-by": "endpoint-controller"}
        if service["spec"].get("clusterIP") == "None":
            labels["service.kubernetes.io/headless"] = ""
        body = endpoints_body(groups)
        found = self.registry.find("endpoints", metadata["name"], metadata["namespace"])
        if found is None:
            named = {"name": metadata["name"], "labels": labels}
            self.registry.create("endpoints", {"metadata": named, **body}, metadata["namespace"])
            return
        rest = {name: value for name, value in found.items() if name != "subsets"}
        merged = {**rest, **body, "metadata": {**found["metadata"], "labels": labels}}
        if merged != found:
            self.registry.update("endpoints", merged)


def _relevant(before: Object, after: Object) -> bool:
    """Something changed that endpoints show."""
    return _summary(before) != _summary(after)


def _summary(pod: Object) -> tuple[object, ...]:
    metadata, status = pod["metadata"], pod.get("status") or {}
    return (
        metadata.get("labels"),
        metadata.get("deletionTimestamp") is None,
        status.get("podIP"),
        is_ready(pod),
        is_finished(pod),
    )


def _kept_labels(service: Object) -> dict[str, str]:
    return dict(service["metadata"].get("labels") or {})


def _endpoint(service: Object, pod: Object) -> Endpoint:
    terminating = bool(pod["metadata"].get("deletionTimestamp"))
    serving = is_ready(pod)
    tolerant = bool(service["spec"].get("publishNotReadyAddresses"))
    spec = pod["spec"]
    hostname = spec.get("hostname", "") if spec.get("subdomain") == service["metadata"]["name"] else ""
    return Endpoint(
        address=pod["status"]["podIP"],
        ready=tolerant or (serving and not terminating),
        serving=serving,
        terminating=terminating,
        node=spec.get("nodeName", ""),
        pod=pod["metadata"]["name"],
        namespace=pod["metadata"]["namespace"],
        uid=pod["metadata"]["uid"],
        hostname=hostname,
    )


def _ports(service: Object, pod: Object) -> tuple[Port, ...]:
    """The Service's ports as this pod serves them: named target ports are looked up in its containers."""
    found = []
    for port in service["spec"].get("ports") or ():
        target = port.get("targetPort") or port["port"]
        protocol = port.get("protocol", "TCP")
        number = target if isinstance(target, int) else _named(pod, target, protocol)
        if number is not None:
            found.append(Port(port.get("name", ""), protocol, number, port.get("appProtocol", "")))
    return tuple(found)


def _named(pod: Object, name: str, protocol: str) -> int | None:
    sidecars = [item for item in pod["spec"].get("initContainers") or () if item.get("restartPolicy") == "Always"]
    for container in [*pod["spec"]["containers"], *sidecars]:
        for port in container.get("ports") or ():
            if port.get("name") == name and port.get("protocol", "TCP") == protocol:
                return int(port["containerPort"])
    return None
