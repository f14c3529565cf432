"""Makes ``builtin.json`` from the ``generated.proto`` files of a Kubernetes release.

Run ``python -m lab_helpers.twin.api.schemas``.

Only facts are taken: message and field names, numbers, types, and the markers ``+optional``, ``+default``,
``+listType``, ``+listMapKey``, ``+mapType``, ``+structType``, ``+patchMergeKey`` and ``+patchStrategy``. The
descriptions stay where they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["ROOTS", "GenerateError", "generate"]

ROOTS: dict[str, tuple[str, ...]] = {
    "api.core.v1": (
        "Binding",
        "ConfigMap",
        "Endpoints",
        "Event",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "Pod",
        "Secret",
        "Service",
        "ServiceAccount",
    ),
    "api.apps.v1": ("ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"),
    "api.batch.v1": ("CronJob", "Job"),
    "api.discovery.v1": ("EndpointSlice",),
    "api.events.v1": ("Event",),
    "api.networking.v1": ("Ingress", "IngressClass", "NetworkPolicy"),
    "api.coordination.v1": ("Lease",),
    "api.rbac.v1": ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
    "api.policy.v1": ("Eviction", "PodDisruptionBudget"),
    "api.scheduling.v1": ("PriorityClass",),
    "api.storage.v1": ("StorageClass",),
    "api.authentication.v1": ("SelfSubjectReview", "TokenRequest", "TokenReview"),
    "api.authorization.v1": (
        "LocalSubjectAccessReview",
        "SelfSubjectAccessReview",
        "SelfSubjectRulesReview",
        "SubjectAccessReview",
    ),
    "api.autoscaling.v1": ("Scale",),
    "apiextensions_apiserver.pkg.apis.apiextensions.v1": ("CustomResourceDefinition",),
    "kube_aggregator.pkg.apis.apiregistration.v1": ("APIService",),
    "apimachinery.pkg.apis.meta.v1": ("DeleteOptions", "ListMeta"),
}
SCALARS = {"string", "int32", "int64", "bool", "bytes", "double"}
SPECIAL = {
    "apimachinery.pkg.api.resource.Quantity": "Quantity",
    "apimachinery.pkg.util.intstr.IntOrString": "IntOrString",
    "apimachinery.pkg.apis.meta.v1.Time": "Time",
    "apimachinery.pkg.apis.meta.v1.MicroTime": "MicroTime",
    "apimachinery.pkg.apis.meta.v1.Duration": "Duration",
    "apimachinery.pkg.apis.meta.v1.FieldsV1": "FieldsV1",
    "apimachinery.pkg.runtime.RawExtension": "RawExtension",
    "apiextensions_apiserver.pkg.apis.apiextensions.v1.JSON": "JSON",
    "apiextensions_apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool": "JSON",
    "apiextensions_apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray": "JSON",
    "apiextensions_apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray": "JSON",
}
WRAPPERS = {"ExtraValue": "[]string"}
INLINE = {
    ("Volume", "volumeSource"),
    ("PersistentVolumeSpec", "persistentVolumeSource"),
    ("Probe", "handler"),
    ("EphemeralContainer", "ephemeralContainerCommon"),
    ("ConfigMapEnvSource", "localObjectReference"),
    ("ConfigMapKeySelector", "localObjectReference"),
    ("ConfigMapProjection", "localObjectReference"),
    ("ConfigMapVolumeSource", "localObjectReference"),
    ("SecretEnvSource", "localObjectReference"),
    ("SecretKeySelector", "localObjectReference"),
    ("SecretProjection", "localObjectReference"),
    ("IngressRule", "ingressRuleValue"),
}
RENAMED = {
    ("JSONSchemaProps", "ref"): "$ref",
    ("JSONSchemaProps", "schema"): "$schema",
    ("BoundObjectReference", "uID"): "uid",
    ("IngressClassParametersReference", "aPIGroup"): "apiGroup",
    **{
        ("JSONSchemaProps", f"xKubernetes{camel}"): f"x-kubernetes-{dashed}"
        for camel, dashed in (
            ("PreserveUnknownFields", "preserve-unknown-fields"),
            ("EmbeddedResource", "embedded-resource"),
            ("IntOrString", "int-or-string"),
            ("ListMapKeys", "list-map-keys"),
            ("ListType", "list-type"),
            ("MapType", "map-type"),
            ("Validations", "validations"),
        )
    },
}
NOT_REQUIRED: dict[str, str] = {
    "ControllerRevision": "data",
    "DeploymentCondition": "reason lastTransitionTime lastUpdateTime message",
    "DeploymentSpec": "progressDeadlineSeconds",
    "DeploymentStatus": "conditions",
    "StatefulSetPersistentVolumeClaimRetentionPolicy": "whenScaled whenDeleted",
    "StatefulSetSpec": "revisionHistoryLimit updateStrategy",
    "StatefulSetStatus": "updateRevision updatedReplicas currentReplicas currentRevision readyReplicas",
    "SelfSubjectReview": "status",
    "SelfSubjectRulesReviewSpec": "namespace",
    "JobStatus": "ready",
    "AzureDiskVolumeSource": "kind",
    "EphemeralContainerCommon": "image",
    "EphemeralVolumeSource": "volumeClaimTemplate",
    "EventSeries": "lastObservedTime count",
    "HostAlias": "hostnames",
    "ModifyVolumeStatus": "targetVolumeAttributesClassName",
    "NodeConfigSource": "configMap",
    "NodeSystemInfo": "swap",
    "PersistentVolumeSource": "photonPersistentDisk",
    "PhotonPersistentDiskVolumeSource": "fsType",
    "PodDNSConfigOption": "name",
    "PodResourceClaim": "resourceClaimTemplateName resourceClaimName",
    "PodSpec": "initContainers",
    "PodStatus": "initContainerStatuses",
    "PortworxVolumeSource": "fsType",
    "ResourceHealth": "health",
    "ResourceStatus": "resources",
    "ScaleIOPersistentVolumeSource": "volumeName",
    "ScaleIOVolumeSource": "volumeName",
    "ServiceSpec": "ports",
    "StorageOSPersistentVolumeSource": "volumeName",
    "StorageOSVolumeSource": "volumeName",
    "VolumeSource": "projected photonPersistentDisk",
    "VolumeNodeAffinity": "required",
    "VolumeProjection": "podCertificate",
    "Endpoint": "conditions",
    "EndpointHints": "forNodes forZones",
    "EndpointPort": "protocol port name",
    "Event": "action type reportingController reason reportingInstance",
    "IngressClassSpec": "controller",
    "IngressServiceBackend": "port",
    "ExternalDocumentation": "description url",
    "JSONSchemaProps": "*",
    "ValidationRule": "message",
    "ManagedFieldsEntry": "fieldsType manager apiVersion subresource operation",
    "APIService": "spec status",
    "APIServiceSpec": "group insecureSkipTLSVerify version",
    "ServiceReference": "namespace name",
}
"""Fields that are optional although their sources do not say so (their Go types omit them when empty)."""
_FIELD = re.compile(
    r"^(?:optional |repeated )?(?:map<string, (?P<map>[\w.]+)>|(?P<type>[\w.]+)) (?P<name>\w+) = (?P<n>\d+);"
)
_MARKER = re.compile(r"^// ?\+(?:k8s:)?([\w:]+)(?:=(.*))?$")


class GenerateError(RuntimeError):
    """The sources are missing or have an unexpected form."""


def generate(sources: Iterable[Path]) -> dict[str, Any]:
    """The content of ``builtin.json`` from folders with ``generated.proto`` files."""
    messages: dict[str, dict[str, Any]] = {}
    for folder in sources:
        for path in sorted(folder.rglob("generated.proto")):
            _read(path, messages)
    wanted = [f"{package}.{name}" for package, names in ROOTS.items() for name in names]
    found: dict[str, Any] = {}
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        if name not in messages:
            raise GenerateError(
                f"no message {name} in the given folders: give api, apimachinery, apiextensions, aggregator"
            )
        found[name] = messages[name]
        for number_and_type in messages[name]["fields"].values():
            reference = number_and_type[1].removeprefix("[]").removeprefix("{}").removeprefix("[]")
            if "." in reference:
                wanted.append(reference)
    return {name: found[name] for name in sorted(found)}


def write(sources: Iterable[Path], target: Path) -> int:
    """Write the file; returns how many types it has."""
    types = generate(sources)
    lines = ",\n".join(f"{json.dumps(name)}:{json.dumps(body, separators=(',', ':'))}" for name, body in types.items())
    target.write_text("{\n" + lines + "\n}\n", encoding="utf-8")
    return len(types)


def _read(path: Path, messages: dict[str, dict[str, Any]]) -> None:
    package, message, markers = "", "", list[tuple[str, str]]()
    fields: dict[str, list[Any]] = {}
    for line in map(str.strip, path.read_text(encoding="utf-8").splitlines()):
        if line.startswith("package "):
            package = line[8:].rstrip(";").removeprefix("k8s.io.")
        elif line.startswith("message "):
            message, fields = line.split()[1], {}
            messages[f"{package}.{message}"] = {"fields": fields}
            if ("structType", "atomic") in markers:
                messages[f"{package}.{message}"]["atomic"] = True
            markers = []
        elif found := _MARKER.match(line):
            markers.append((found[1], found[2] or ""))
        elif message and (field := _FIELD.match(line)):
            name = RENAMED.get((message, field["name"]), field["name"])
            if (message, name) in INLINE:
                name = f"~{name}"
            shape = _type(package, field["map"] or field["type"])
            if field["map"]:
                shape = "{}" + shape
            elif line.startswith("repeated "):
                shape = "[]" + shape
            meta = _meta(markers)
            free = NOT_REQUIRED.get(message, "").split()
            if name in free or free == ["*"]:
                meta["optional"] = 1
            fields[name] = [int(field["n"]), shape, meta] if meta else [int(field["n"]), shape]
            markers = []
        elif not line:
            markers = []


def _type(package: str, name: str) -> str:
    if name in SCALARS:
        return name
    full = name.removeprefix(".").removeprefix("k8s.io.") if "." in name else f"{package}.{name}"
    return SPECIAL.get(full) or WRAPPERS.get(full.rpartition(".")[2]) or full


def _meta(markers: list[tuple[str, str]]) -> dict[str, Any]:
    meta: dict[str, Any] = {}
    keys = [value for marker, value in markers if marker == "listMapKey"]
    if keys:
        meta["keys"] = keys
    for marker, value in markers:
        match marker:
            case "optional":
                meta["optional"] = 1
            case "listType":
                meta["list"] = value
            case "mapType" | "structType":
                meta["map"] = value
            case "patchMergeKey":
                meta["merge_key"] = value
            case "patchStrategy":
                meta["strategy"] = value
            case "default" if value and not value.startswith("ref("):
                meta["default"] = json.loads(value)
    return meta
