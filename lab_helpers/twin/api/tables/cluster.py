"""Rows of namespaces, nodes, configuration, RBAC, events, storage and the like."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lab_helpers.twin.api.tables.columns import Cells, Printer, columns
from lab_helpers.twin.api.tables.formatting import age

__all__ = ["CLUSTER"]

Item = Mapping[str, Any]
_ROLE = "node-role.kubernetes.io/"
_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def _name(item: Item) -> str:
    return str(item["metadata"]["name"])


def _since(item: Item, now: datetime) -> str:
    return age(item["metadata"].get("creationTimestamp"), now)


def _namespace(item: Item, now: datetime) -> Cells:
    return [_name(item), (item.get("status") or {}).get("phase", ""), _since(item, now)]


def _node(item: Item, now: datetime) -> Cells:
    status = item.get("status") or {}
    info = status.get("nodeInfo") or {}
    ready = [c["status"] for c in status.get("conditions") or () if c["type"] == "Ready"]
    words = ["Unknown"] if not ready else ["Ready" if ready[-1] == "True" else "NotReady"]
    if (item.get("spec") or {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    labels = item["metadata"].get("labels") or {}
    roles = {key.removeprefix(_ROLE) for key in labels if key.startswith(_ROLE) and key != _ROLE}
    if labels.get("kubernetes.io/role"):
        roles.add(labels["kubernetes.io/role"])
    address = {entry["type"]: entry["address"] for entry in reversed(status.get("addresses") or ())}
    return [
        _name(item),
        ",".join(words),
        ",".join(sorted(roles)) or "<none>",
        _since(item, now),
        info.get("kubeletVersion", ""),
        address.get("InternalIP", "<none>"),
        address.get("ExternalIP", "<none>"),
        info.get("osImage") or "<unknown>",
        info.get("kernelVersion") or "<unknown>",
        info.get("containerRuntimeVersion") or "<unknown>",
    ]


def _config_map(item: Item, now: datetime) -> Cells:
    count = len(item.get("data") or {}) + len(item.get("binaryData") or {})
    return [_name(item), count, _since(item, now)]


def _secret(item: Item, now: datetime) -> Cells:
    return [_name(item), item.get("type", ""), len(item.get("data") or {}), _since(item, now)]


def _service_account(item: Item, now: datetime) -> Cells:
    return [_name(item), len(item.get("secrets") or ()), _since(item, now)]


def _event(item: Item, now: datetime) -> Cells:
    source = item.get("source") or {}
    who = [
        source.get("component") or item.get("reportingComponent"),
        source.get("host") or item.get("reportingInstance"),
    ]
    about = item.get("involvedObject") or {}
    first = item.get("firstTimestamp") or item.get("eventTime")
    last, count = item.get("lastTimestamp") or first, item.get("count") or 1
    if series := item.get("series"):
        last, count = series.get("lastObservedTime"), series.get("count", count)
    target = about.get("kind", "").lower() + (f"/{about['name']}" if about.get("name") else "")
    return [
        age(last, now),
        item.get("type", ""),
        item.get("reason", ""),
        target,
        about.get("fieldPath", ""),
        ", ".join(filter(None, who)),
        (item.get("message") or "").strip(),
        age(first, now),
        count,
        _name(item),
    ]


def _binding(item: Item, now: datetime) -> Cells:
    reference = item.get("roleRef") or {}
    found: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in item.get("subjects") or ():
        name = subject["name"]
        if subject["kind"] == "ServiceAccount":
            name = f"{subject.get('namespace', '')}/{name}"
        found.setdefault(subject["kind"], []).append(name)
    who = [", ".join(found[kind]) for kind in ("User", "Group", "ServiceAccount")]
    return [_name(item), f"{reference.get('kind')}/{reference.get('name')}", _since(item, now), *who]


def _lease(item: Item, now: datetime) -> Cells:
    return [_name(item), (item.get("spec") or {}).get("holderIdentity") or "", _since(item, now)]


def _priority_class(item: Item, now: datetime) -> Cells:
    since = _since(item, now)
    policy = item.get("preemptionPolicy", "PreemptLowerPriority")
    return [_name(item), item.get("value", 0), bool(item.get("globalDefault")), since, policy]


def _storage_class(item: Item, now: datetime) -> Cells:
    name = _name(item)
    if (item["metadata"].get("annotations") or {}).get("storageclass.kubernetes.io/is-default-class") == "true":
        name += " (default)"
    return [
        name,
        item.get("provisioner", ""),
        item.get("reclaimPolicy", "Delete"),
        item.get("volumeBindingMode", "Immediate"),
        str(bool(item.get("allowVolumeExpansion"))).lower(),
        _since(item, now),
    ]


def _modes(modes: list[str] | None) -> str:
    return ",".join(_MODES.get(mode, mode) for mode in modes or ())


def _phase(item: Item) -> str:
    if item["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return str((item.get("status") or {}).get("phase", ""))


def _volume(item: Item, now: datetime) -> Cells:
    spec, claim = item.get("spec") or {}, (item.get("spec") or {}).get("claimRef")
    return [
        _name(item),
        (spec.get("capacity") or {}).get("storage", "0"),
        _modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy", ""),
        _phase(item),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        spec.get("storageClassName", ""),
        spec.get("volumeAttributesClassName") or "<unset>",
        (item.get("status") or {}).get("reason", ""),
        _since(item, now),
        spec.get("volumeMode") or "<unset>",
    ]


def _claim(item: Item, now: datetime) -> Cells:
    spec, status = item.get("spec") or {}, item.get("status") or {}
    bound = bool(spec.get("volumeName"))
    return [
        _name(item),
        _phase(item),
        spec.get("volumeName", ""),
        (status.get("capacity") or {}).get("storage", "0") if bound else "",
        _modes(status.get("accessModes")) if bound else "",
        spec.get("storageClassName", ""),
        spec.get("volumeAttributesClassName") or "<unset>",
        _since(item, now),
        spec.get("volumeMode") or "<unset>",
    ]


def _api_service(item: Item, now: datetime) -> Cells:
    service = (item.get("spec") or {}).get("service")
    conditions = (item.get("status") or {}).get("conditions") or ()
    available = next((c for c in conditions if c["type"] == "Available"), None)
    text = "Unknown"
    if available is not None:
        text = available["status"]
        if text != "True":
            text += f" ({available.get('reason', '')})"
    return [_name(item), f"{service['namespace']}/{service['name']}" if service else "Local", text, _since(item, now)]


_BINDING = Printer(columns("Name Role Age | Users Groups ServiceAccounts"), _binding)
CLUSTER: Mapping[str, Printer] = {
    "namespaces": Printer(columns("Name Status Age"), _namespace),
    "nodes": Printer(
        columns(
            "Name Status Roles Age Version | Internal-IP External-IP OS-Image Kernel-Version Container-Runtime",
        ),
        _node,
    ),
    "configmaps": Printer(columns("Name Data Age"), _config_map),
    "secrets": Printer(columns("Name Type Data Age"), _secret),
    "serviceaccounts": Printer(columns("Name Secrets Age"), _service_account),
    "events": Printer(
        tuple(
            column._replace(priority=int(column.name in ("Subobject", "Source", "First Seen", "Count", "Name")))
            for column in columns("Last_Seen Type Reason Object Subobject Source Message First_Seen Count Name")
        ),
        _event,
    ),
    "rolebindings.rbac.authorization.k8s.io": _BINDING,
    "clusterrolebindings.rbac.authorization.k8s.io": _BINDING,
    "leases.coordination.k8s.io": Printer(columns("Name Holder Age"), _lease),
    "priorityclasses.scheduling.k8s.io": Printer(
        columns("Name Value:integer Global-Default:boolean Age PreemptionPolicy"), _priority_class
    ),
    "storageclasses.storage.k8s.io": Printer(
        columns("Name Provisioner ReclaimPolicy VolumeBindingMode AllowVolumeExpansion Age"), _storage_class
    ),
    "persistentvolumes": Printer(
        columns(
            "Name Capacity Access_Modes Reclaim_Policy Status Claim StorageClass VolumeAttributesClass Reason Age"
            " | VolumeMode"
        ),
        _volume,
    ),
    "persistentvolumeclaims": Printer(
        columns("Name Status Volume Capacity Access_Modes StorageClass VolumeAttributesClass Age | VolumeMode"), _claim
    ),
    "apiservices.apiregistration.k8s.io": Printer(columns("Name Service Available Age"), _api_service),
}
