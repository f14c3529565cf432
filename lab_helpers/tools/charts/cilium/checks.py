"""Values the chart refuses: wrong types (its schema), contradictions (its own checks), and what the bundled chart
leaves out.

The conditions are those of the real chart's values.schema.json, templates/validate.yaml and
templates/cilium-configmap.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lab_helpers.tools.charts.errors import OutOfScopeError, TemplateError, ValuesError

__all__ = ["check"]

Values = Mapping[str, Any]

_ALSO: dict[str, tuple[str, ...]] = {
    "kubeProxyReplacement": ("string", "boolean"),
    "autoDirectNodeRoutes": ("boolean", "string"),
    "k8sServicePort": ("string", "integer"),
    "devices": ("null", "string", "array"),
    "policyCIDRMatchMode": ("null", "string", "array"),
    "cluster.id": ("integer",),
    "ipam.operator.clusterPoolIPv4PodCIDRList": ("array", "string"),
    "ipam.operator.clusterPoolIPv6PodCIDRList": ("array", "string"),
    "envoy.prometheus.port": ("string",),
}
"""Places where the schema allows other types than that of the default."""
_FREE = re.compile(
    r"(^|\.)(annotations|podAnnotations|podLabels|labels|commonLabels|nodeSelector|affinity|extraConfig|resources|matchLabels"
    r"|tmpVolume|updateStrategy|podSecurityContext|securityContext|initResources|maglev|autoCreateCiliumPodIPPools"
    r"|clusterMaxRequests|secretsNamespaceAnnotations|secretsNamespaceLabels|serviceAnnotations)$"
)
_ENUMS = {
    "identityManagementMode": ("agent", "operator", "both"),
    "scheduling.mode": ("anti-affinity", "kube-scheduler"),
}
_LEFT_OUT = (
    "alibabacloud.enabled",
    "aksbyocni.enabled",
    "authentication.mutual.spire.enabled",
    "azure.enabled",
    "clustermesh.config.enabled",
    "clustermesh.useAPIServer",
    "eni.enabled",
    "etcd.enabled",
    "gatewayAPI.enabled",
    "gke.enabled",
    "hubble.export.dynamic.enabled",
    "hubble.metrics.dynamic.enabled",
    "hubble.ui.ingress.enabled",
    "hubble.ui.standalone.enabled",
    "ingressController.enabled",
    "ipMasqAgent.enabled",
    "nodeinit.enabled",
    "standaloneDnsProxy.enabled",
)
_LINES = {
    "tunnel was": "41:5",
    "remoteNodeIdentity": "30:5",
    "enableCiliumEndpointSlice": "5:5",
    "Both k8sServiceHostRef": "55:6",
    "Hubble UI requires .Values": "61:7",
    "Hubble Relay requires": "71:7",
    "Hubble TLS certgen": "86:7",
    "Only one of": "91:5",
    "Ingress or Gateway API controller or": "115:9",
    "if Cilium Endpoint Slice": "147:7",
    "The cluster name is invalid: cannot be": "153:5",
    "The cluster name is invalid: must not": "156:5",
    "The cluster name is invalid: must consist": "159:5",
    "The cluster name is invalid: cannot use": "162:5",
    "max-connected": "219:6",
    "envoy.baseID": "224:6",
    ".Values.bpf.tproxy": "250:9",
    "ipam.mode=eni": "257:5",
}
"""Where the real chart (1.20) makes the check: line and column, by the beginning of its message."""
_REMOVED_1_16 = "was deprecated in v1.15 and has been removed in v1.16"
_NAME = re.compile(r"^([a-z0-9][-a-z0-9]*)?[a-z0-9]$")


def at(values: Values, path: str) -> Any:
    """The value at ``a.b.c``, None when there is none."""
    node: Any = values
    for name in path.split("."):
        if not isinstance(node, Mapping) or name not in node:
            return None
        node = node[name]
    return node


def check(values: Values, defaults: Values) -> None:
    """Raise ValuesError, TemplateError or OutOfScopeError if the chart would not render ``values``."""
    problems = sorted({*_types(values, defaults, ""), *_enumerations(values)})
    if problems:
        raise ValuesError("cilium", problems)
    for path in _LEFT_OUT:
        if at(values, path):
            raise OutOfScopeError(f"{path}=true")
    if at(values, "encryption.enabled") and at(values, "encryption.type") == "ztunnel":
        raise OutOfScopeError("encryption.type=ztunnel")
    for reason in _contradictions(values):
        place = next((place for start, place in _LINES.items() if reason.startswith(start)), "")
        raise TemplateError(f"cilium/templates/validate.yaml{':' if place else ''}{place}", reason)
    for reason in _configuration(values):
        place = "79:5" if reason.startswith("kubeProxyReplacement") else "565:12"
        raise TemplateError(f"cilium/templates/cilium-configmap.yaml:{place}", reason)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _types(values: Values, defaults: Values, prefix: str) -> Iterator[str]:
    for name, wanted in defaults.items():
        path = f"{prefix}{name}"
        if name not in values or (wanted is None and path not in _ALSO):
            continue
        found, allowed = _kind(values[name]), _ALSO.get(path, (_kind(wanted),))
        if found not in allowed:
            expected = " or ".join(allowed)
            shown = "number" if found == "integer" else found
            yield f"at '/{path.replace('.', '/')}': got {shown}, want {expected}"
        elif isinstance(wanted, Mapping) and not _FREE.search(path):
            yield from _types(values[name], wanted, f"{path}.")


def _enumerations(values: Values) -> Iterator[str]:
    for path, allowed in _ENUMS.items():
        found = at(values, path)
        if isinstance(found, str) and found not in allowed:
            quoted = ", ".join(f"'{word}'" for word in allowed)
            yield f"at '/{path.replace('.', '/')}': value must be one of {quoted}"


def _contradictions(values: Values) -> Iterator[str]:
    def on(path: str) -> bool:
        return bool(at(values, path))

    upgrade = "For details please refer to https://docs.cilium.io/en/v1.16/operations/upgrade/#helm-options"
    if on("tunnel"):
        yield (
            "tunnel was deprecated in v1.14 and has been removed in v1.15. "
            "For details please refer to https://docs.cilium.io/en/v1.15/operations/upgrade/#helm-options"
        )
    if on("remoteNodeIdentity"):
        yield f"remoteNodeIdentity {_REMOVED_1_16}. {upgrade}"
    if on("enableCiliumEndpointSlice"):
        yield (
            "enableCiliumEndpointSlice was deprecated in v1.16 and has been removed in v1.18. "
            "For details please refer to https://docs.cilium.io/en/v1.18/operations/upgrade/#helm-options"
        )
    if on("k8sServiceHostRef.name") and on("k8sServiceHostRef.key") and on("k8sServiceHost"):
        yield "Both k8sServiceHostRef and k8sServiceHost are set. Please set only one of them."
    if on("hubble.ui.enabled") and not on("hubble.relay.enabled"):
        yield "Hubble UI requires .Values.hubble.relay.enabled=true"
    if on("hubble.relay.enabled") and not on("hubble.enabled"):
        yield "Hubble Relay requires .Values.hubble.enabled=true"
    if at(values, "hubble.tls.auto.method") == "certmanager" and not on("hubble.tls.auto.certManagerIssuerRef"):
        yield (
            "Hubble TLS certgen method=certmanager requires that user specifies "
            ".Values.hubble.tls.auto.certManagerIssuerRef"
        )
    if on("hubble.redact.http.headers.allow") and on("hubble.redact.http.headers.deny"):
        yield (
            "Only one of .Values.hubble.redact.http.headers.allow, "
            ".Values.hubble.redact.http.headers.deny can be specified"
        )
    if at(values, "loadBalancer.l7.backend") == "envoy" and not on("l7Proxy"):
        yield (
            "Ingress or Gateway API controller or Envoy L7 Load Balancer  requires .Values.l7Proxy to be set to 'true'"
        )
    if on("ciliumEndpointSlice.enabled") and on("disableEndpointCRD"):
        yield (
            "if Cilium Endpoint Slice is enabled (.Values.ciliumEndpointSlice.enabled=true), "
            "it requires .Values.disableEndpointCRD=false"
        )
    yield from _cluster(values)
    if at(values, "clustermesh.maxConnectedClusters") not in (255, 511):
        yield "max-connected-clusters must be set to 255 or 511"
    if not 0 <= int(at(values, "envoy.baseID") or 0) <= 4294967295:
        yield "envoy.baseID must be an int. Supported values 0 - 4294967295"
    if on("bpf.tproxy") and at(values, "bpf.datapathMode") in ("netkit", "netkit-l2"):
        yield (
            ".Values.bpf.tproxy cannot be enabled with .Values.bpf.datapathMode=netkit or "
            ".Values.bpf.datapathMode=netkit-l2"
        )
    if at(values, "ipam.mode") == "eni":
        yield "ipam.mode=eni requires eni.enabled=true"


def _cluster(values: Values) -> Iterator[str]:
    name = str(at(values, "cluster.name") or "")
    if not name:
        yield "The cluster name is invalid: cannot be empty"
    if len(name) > 32:
        yield "The cluster name is invalid: must not be more than 32 characters"
    if not _NAME.match(name):
        yield (
            "The cluster name is invalid: must consist of lower case alphanumeric characters and '-', "
            "and must start and end with an alphanumeric character"
        )
    if name == "default" and int(at(values, "cluster.id") or 0) != 0:
        yield "The cluster name is invalid: cannot use default value with cluster.id != 0"


def _configuration(values: Values) -> Iterator[str]:
    replacement = values.get("kubeProxyReplacement")
    text = str(replacement).lower() if isinstance(replacement, bool) else str(replacement or "false")
    if text not in ("true", "false"):
        yield "kubeProxyReplacement must be explicitly set to a valid value (true or false) to continue."
    if values.get("routingMode") == "native" and at(values, "ipv4.enabled"):
        pool = at(values, "ipam.mode") == "cluster-pool" and at(values, "nativeRoutingCIDRFromClusterPool")
        if at(values, "enableIPv4Masquerade") and not values.get("ipv4NativeRoutingCIDR") and not pool:
            yield " ipv4NativeRoutingCIDR must be set when routingMode is native"
    if at(values, "operator.setNodeTaints") and not at(values, "operator.removeNodeTaints"):
        yield "Cannot have operator.setNodeTaintsMaxNodes and not operator.removeNodeTaints = false"
