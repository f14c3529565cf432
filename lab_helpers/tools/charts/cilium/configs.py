"""The ConfigMap ``cilium-config``: every key the agent and the operator read, from the chart's values.

Keys and conditions follow the real chart's templates/cilium-configmap.yaml; a key that the chart leaves out is left
out here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lab_helpers.tools.charts.cilium.checks import at
from lab_helpers.tools.charts.cilium.config_keys import ALWAYS, DURATIONS, EXPORT, HUBBLE, IF_TRUE
from lab_helpers.tools.charts.cilium.versions import Version

__all__ = ["config_data", "envoy_runs_apart", "kube_proxy_replacement", "shown"]

Values = Mapping[str, Any]


def shown(value: Any) -> str:
    """A value as the template language prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(shown(item) for item in value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def kube_proxy_replacement(values: Values) -> bool:
    """``kubeProxyReplacement``, a string or a boolean, as a boolean."""
    return shown(values.get("kubeProxyReplacement") or "false") == "true"


def envoy_runs_apart(values: Values) -> bool:
    """Envoy has its own DaemonSet (the default since 1.16), instead of running inside the agent."""
    if not values.get("l7Proxy"):
        return False
    wanted = at(values, "envoy.enabled")
    return _newer(values, (1, 16)) if wanted is None else bool(wanted)


def _newer(values: Values, series: tuple[int, int]) -> bool:
    """The installation began with ``series`` or later (``upgradeCompatibility``; unset: with the current one)."""
    text = values.get("upgradeCompatibility")
    if not text:
        return True
    major, _, minor = str(text).partition(".")
    return (int(major), int(minor.partition(".")[0] or 0)) >= series


def config_data(values: Values, version: Version) -> dict[str, str]:
    """``data`` of the ConfigMap; values are text, ``extraConfig`` has the last word."""
    data: dict[str, str] = {}
    for key, path in ALWAYS:
        value = at(values, path)
        if value is not None:
            data[key] = shown(value)
    for key, path in DURATIONS:
        data[key] = shown(at(values, path)) or "0s"
    for key, path in IF_TRUE:
        value = at(values, path)
        if value not in (None, False, 0, "", [], {}):
            data[key] = shown(value)
    _basics(values, version, data)
    _cni(values, data)
    _encryption(values, data)
    if at(values, "hubble.enabled"):
        _hubble(values, data)
    data.update({key: shown(value) for key, value in (values.get("extraConfig") or {}).items()})
    return data


def _basics(values: Values, version: Version, data: dict[str, str]) -> None:
    data["enable-policy"] = str(values.get("policyEnforcementMode", "default")).lower()
    if values.get("policyCIDRMatchMode") is not None:
        data["policy-cidr-match-mode"] = shown(values["policyCIDRMatchMode"])
    if "devices" in values:
        data["devices"] = shown(values["devices"] or "")
    data["routing-mode"] = values.get("routingMode") or "tunnel"
    data["tunnel-protocol"] = values.get("tunnelProtocol") or "vxlan"
    masquerade = values.get("enableIPv4Masquerade")
    data["enable-ipv4-masquerade"] = shown(True if masquerade is None else masquerade)
    ratio = at(values, "bpf.mapDynamicSizeRatio")
    data["bpf-map-dynamic-size-ratio"] = shown(ratio) if ratio else "0.0025"
    data["kube-proxy-replacement"] = shown(kube_proxy_replacement(values))
    if kube_proxy_replacement(values):
        data["kube-proxy-replacement-healthz-bind-address"] = values.get("kubeProxyReplacementHealthzBindAddr") or ""
    elif version.series < (1, 19):
        data["enable-node-port"] = shown(at(values, "nodePort.enabled"))
    if version.series < (1, 19) and values.get("svcSourceRangeCheck"):
        data["enable-svc-source-range-check"] = "true"
    addresses = at(values, "nodePort.addresses")
    data["nodeport-addresses"] = ",".join(addresses or ())
    data["operator-api-serve-addr"] = "127.0.0.1:9234" if at(values, "ipv4.enabled") else "[::1]:9234"
    if at(values, "operator.prometheus.enabled"):
        data["operator-prometheus-serve-addr"] = f":{at(values, 'operator.prometheus.port')}"
        data["enable-metrics"] = "true"
    if at(values, "prometheus.enabled"):
        data["prometheus-serve-addr"] = f":{at(values, 'prometheus.port')}"
        data["controller-group-metrics"] = shown(at(values, "prometheus.controllerGroupMetrics") or [])
        if at(values, "prometheus.metrics"):
            data["metrics"] = shown(at(values, "prometheus.metrics"))
    if not at(values, "securityContext.privileged"):
        data["procfs"] = "/host/proc"
    taints = at(values, "operator.setNodeTaints")
    if taints or (taints is None and at(values, "operator.removeNodeTaints")):
        data["set-cilium-node-taints"] = "true"
    watcher = at(values, "operator.unmanagedPodWatcher") or {}
    data["unmanaged-pod-watcher-interval"] = f"{watcher['intervalSeconds']}s" if watcher.get("restart") else "0"
    data["external-envoy-proxy"] = shown(envoy_runs_apart(values))
    mode = at(values, "envoy.xdsMode")
    if version.series >= (1, 20) and (mode or _newer(values, (1, 20))):
        data["envoy-xds-mode"] = mode or "ads"
    explicit = at(values, "dnsProxy.enableTransparentMode")
    data["dnsproxy-enable-transparent-mode"] = shown(_newer(values, (1, 12)) if explicit is None else explicit)
    _secrets(values, data)
    _pools(values, data)
    if values.get("localRedirectPolicy") or at(values, "localRedirectPolicies.enabled"):
        data["enable-local-redirect-policy"] = "true"
    if at(values, "bandwidthManager.enabled"):
        data["enable-bandwidth-manager"] = "true"
        data["enable-bbr"] = shown(at(values, "bandwidthManager.bbr"))
        data["enable-bbr-hostns-only"] = shown(at(values, "bandwidthManager.bbrHostNamespaceOnly"))
    if at(values, "bgpControlPlane.enabled"):
        data["enable-bgp-control-plane"] = "true"
        data["bgp-secrets-namespace"] = at(values, "bgpControlPlane.secretsNamespace.name")
        data["enable-bgp-control-plane-status-report"] = shown(at(values, "bgpControlPlane.statusReport.enabled"))
    if at(values, "ciliumEndpointSlice.enabled"):
        data["enable-cilium-endpoint-slice"] = "true"
        data["ces-rate-limits"] = json.dumps(at(values, "ciliumEndpointSlice.rateLimits"), separators=(",", ":"))
    if at(values, "envoyConfig.enabled") or at(values, "loadBalancer.l7.backend") == "envoy":
        data["enable-envoy-config"] = "true"
        data["envoy-config-retry-interval"] = at(values, "envoyConfig.retryInterval")
    if at(values, "envoyConfig.enabled"):
        data["envoy-secrets-namespace"] = at(values, "envoyConfig.secretsNamespace.name")
    if at(values, "loadBalancer.l7.backend") == "envoy":
        data["loadbalancer-l7"] = "envoy"
        data["loadbalancer-l7-ports"] = shown(at(values, "loadBalancer.l7.ports"))
        data["loadbalancer-l7-algorithm"] = shown(at(values, "loadBalancer.l7.algorithm"))


def _secrets(values: Values, data: dict[str, str]) -> None:
    explicit, backend = at(values, "tls.readSecretsOnlyFromSecretsNamespace"), at(values, "tls.secretsBackend")
    only = explicit if explicit is not None else backend in (None, "local")
    sync = at(values, "tls.secretSync.enabled")
    if only:
        if _newer(values, (1, 17)) if sync is None else sync:
            data["enable-policy-secrets-sync"] = "true"
        data["policy-secrets-only-from-secrets-namespace"] = "true"
        data["policy-secrets-namespace"] = at(values, "tls.secretsNamespace.name")


def _pools(values: Values, data: dict[str, str]) -> None:
    if at(values, "ipam.mode") != "cluster-pool":
        return
    for family, number in (("ipv4", "4"), ("ipv6", "6")):
        if at(values, f"{family}.enabled"):
            pools = at(values, f"ipam.operator.clusterPoolIPv{number}PodCIDRList")
            data[f"cluster-pool-{family}-cidr"] = shown(pools)
            data[f"cluster-pool-{family}-mask-size"] = shown(
                at(values, f"ipam.operator.clusterPoolIPv{number}MaskSize")
            )
            if values.get("nativeRoutingCIDRFromClusterPool") and not values.get(f"{family}NativeRoutingCIDR"):
                data[f"{family}-native-routing-cidr"] = shown(pools).split()[0]


def _cni(values: Values, data: dict[str, str]) -> None:
    cni = values["cni"]
    chaining = cni.get("chainingMode") or ("generic-veth" if cni.get("chainingTarget") else "none")
    if chaining != "none":
        data["cni-chaining-mode"] = chaining
        if chaining != "portmap":
            data["enable-local-node-route"] = "false"
        data.setdefault("enable-host-legacy-routing", "true")
        data["install-no-conntrack-iptables-rules"] = "false"
        if at(values, "dnsProxy.enableTransparentMode") is None:
            data.pop("dnsproxy-enable-transparent-mode", None)
    healthy = at(values, "endpointHealthChecking.enabled") and chaining in ("none", "portmap")
    data["enable-endpoint-health-checking"] = shown(bool(healthy))
    if cni.get("configMap"):
        data["read-cni-conf"] = f"{cni['confFileMountPath']}/{cni['configMapKey']}"
    elif cni.get("readCniConf"):
        data["read-cni-conf"] = cni["readCniConf"]
    if not cni.get("customConf") and cni.get("install"):
        data["write-cni-conf-when-ready"] = f"{cni['hostConfDirMountPath']}/05-cilium.conflist"
        data["cni-exclusive"] = shown(cni["exclusive"])
        data["cni-log-file"] = cni["logFile"]


def _encryption(values: Values, data: dict[str, str]) -> None:
    encryption = values["encryption"]
    if not encryption.get("enabled"):
        return
    if encryption["type"] == "ipsec":
        ipsec = encryption["ipsec"]
        data["enable-ipsec"] = "true"
        data["ipsec-key-file"] = f"{ipsec['mountPath']}/{ipsec['keyFile']}"
        data["enable-ipsec-key-watcher"] = shown(ipsec["keyWatcher"])
        data["ipsec-key-rotation-duration"] = shown(ipsec["keyRotationDuration"])
    elif encryption["type"] == "wireguard":
        data["enable-wireguard"] = "true"
        data["wireguard-persistent-keepalive"] = shown(encryption["wireguard"]["persistentKeepalive"])
    if encryption.get("nodeEncryption"):
        data["encrypt-node"] = "true"
    strict = at(encryption, "strictMode.egress") or {}
    if strict.get("enabled"):
        data["enable-encryption-strict-mode-egress"] = "true"
        data["encryption-strict-egress-cidr"] = shown(strict["cidr"])
        data["encryption-strict-egress-allow-remote-node-identities"] = shown(strict["allowRemoteNodeIdentities"])
    if at(encryption, "strictMode.ingress.enabled"):
        data["enable-encryption-strict-mode-ingress"] = "true"


def _hubble(values: Values, data: dict[str, str]) -> None:
    hubble = values["hubble"]
    for key, path in HUBBLE:
        value = at(values, path)
        if value is not None:
            data[key] = shown(value)
    if "listenAddress" in hubble:
        data["hubble-disable-tls"] = shown(not at(hubble, "tls.enabled"))
        if at(hubble, "tls.enabled"):
            data["hubble-tls-cert-file"] = "/var/lib/cilium/tls/hubble/server.crt"
            data["hubble-tls-key-file"] = "/var/lib/cilium/tls/hubble/server.key"
            data["hubble-tls-client-ca-files"] = "/var/lib/cilium/tls/hubble/client-ca.crt"
    metrics = hubble["metrics"]
    if metrics.get("enabled"):
        data["hubble-metrics-server"] = f":{metrics['port']}"
        data["hubble-metrics-server-enable-tls"] = shown(at(metrics, "tls.enabled"))
        data["enable-hubble-open-metrics"] = shown(metrics["enableOpenMetrics"])
        data["hubble-metrics"] = shown(metrics["enabled"])
    redact = hubble.get("redact") or {}
    if redact.get("enabled"):
        data["hubble-redact-enabled"] = "true"
        data["hubble-redact-http-urlquery"] = shown(redact["http"]["urlQuery"])
        data["hubble-redact-http-userinfo"] = shown(redact["http"]["userInfo"])
        for word in ("allow", "deny"):
            if redact["http"]["headers"][word]:
                data[f"hubble-redact-http-headers-{word}"] = shown(redact["http"]["headers"][word])
        if "kafka" in redact:
            data["hubble-redact-kafka-apikey"] = shown(redact["kafka"]["apiKey"])
    if at(hubble, "export.static.enabled"):
        static = hubble["export"]["static"]
        data.update({key: shown(static[name]) for key, name in EXPORT if name in static})
    emitter = hubble["dropEventEmitter"]
    if emitter["enabled"]:
        data["hubble-drop-events"] = "true"
        data["hubble-drop-events-interval"] = emitter["interval"]
        data["hubble-drop-events-reasons"] = shown(emitter["reasons"])
    if hubble.get("preferIpv6") or values.get("preferIpv6") or not at(values, "ipv4.enabled"):
        data["hubble-prefer-ipv6"] = "true"
