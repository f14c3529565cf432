"""The chart's default values by version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab_helpers.tools.charts.cilium.versions import Version

__all__ = ["defaults"]

_ADDED_IN_1_20 = (
    "clustermesh.defaultGlobalNamespace",
    "datapathPlugins",
    "envoy.clusterMaxPendingRequests",
    "envoy.log.accessLogEnabled",
    "envoy.minReadySeconds",
    "envoy.nodeLocality",
    "envoy.xdsMode",
    "gatewayAPI.useRemoteAddress",
    "hubble.hostUsers",
    "k8s.apiServerURLs",
    "k8sClusterNetworkPolicy",
    "minReadySeconds",
    "nativeRoutingCIDRFromClusterPool",
    "nodePort.enableDynamicSourceLookup",
    "operator.hostUsers",
    "preferIpv6",
)
_ADDED_IN_1_19 = (
    "bpf.monitorTraceIPOption",
    "bpf.policyMapPressureMetricsThreshold",
    "clustermesh.cacheTTL",
    "enableNoServiceEndpointsRoutable",
    "encryption.strictMode.egress",
    "encryption.strictMode.ingress",
    "envoy.clusterMaxConnections",
    "envoy.clusterMaxRequests",
    "envoy.maxGlobalDownstreamConnections",
    "envoy.useOriginalSourceAddress",
    "ipam.nodeSpec",
    "loadBalancer.serviceTopology",
    "operator.prometheus.tls",
    "pmtuDiscovery.packetizationLayerPMTUDMode",
    "policyDenyResponse",
)


def defaults(version: Version) -> dict[str, Any]:
    """A fresh tree of values."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = Path(__file__).with_name("defaults.yaml").read_text(encoding="utf-8")
    values: dict[str, Any] = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader
    if version.series < (1, 20):
        _remove(values, _ADDED_IN_1_20)
        values["hubble"]["redact"]["kafka"] = {"apiKey": True}
        values["encryption"]["ipsec"]["encryptedOverlay"] = False
        values["preflight"]["tofqdnsPreCache"] = ""
        values["devices"] = None
    if version.series < (1, 19):
        _remove(values, _ADDED_IN_1_19)
        values["authentication"]["enabled"] = True
        values["clustermesh"]["policyDefaultLocalCluster"] = False
        values["nodePort"]["enabled"] = False
        values["svcSourceRangeCheck"] = True
        values["securityContext"]["capabilities"]["ciliumAgent"].remove("SYSLOG")
    _images(values, version)
    return values


def _remove(values: dict[str, Any], paths: tuple[str, ...]) -> None:
    for path in paths:
        *above, last = path.split(".")
        node = values
        for name in above:
            node = node[name]
        node.pop(last, None)


def _images(values: dict[str, Any], version: Version) -> None:
    tag = f"v{version.text}"
    found = (
        (values["image"], tag, version.agent_digest, "digest"),
        (values["preflight"]["image"], tag, version.agent_digest, "digest"),
        (values["operator"]["image"], tag, version.operator_digest, "genericDigest"),
        (values["hubble"]["relay"]["image"], tag, version.relay_digest, "digest"),
        (values["envoy"]["image"], version.envoy_tag, version.envoy_digest, "digest"),
        (values["preflight"]["envoy"]["image"], version.envoy_tag, version.envoy_digest, "digest"),
    )
    for image, wanted, digest, field in found:
        image["tag"], image[field], image["useDigest"] = wanted, digest, bool(digest)
