from __future__ import annotations

from typing import Any

import pytest

from lab_helpers.releases import CILIUM_VERSION
from lab_helpers.tools.charts import Chart, OutOfScopeError, TemplateError, ValuesError, find_chart
from lab_helpers.tools.helm.settings import assign, covered


def nothing(kind: str, namespace: str, name: str) -> dict[str, Any] | None:
    return None


def chart(version: str = "1.20.2") -> Chart:
    found = find_chart("cilium", version)
    assert found is not None
    return found


def rendered(*settings: str, version: str = "1.20.2") -> dict[tuple[str, str], dict[str, Any]]:
    values: dict[str, Any] = {}
    for word in settings:
        assign(values, word)
    found = chart(version)
    result = found.render(covered(found.defaults(), values), namespace="kube-system", lookup=nothing)
    return {(item.body["kind"], item.body["metadata"]["name"]): item.body for item in result.manifests}


def config(*settings: str, version: str = "1.20.2") -> dict[str, str]:
    found: dict[str, str] = rendered(*settings, version=version)["ConfigMap", "cilium-config"]["data"]
    return found


def test_what_a_plain_installation_writes() -> None:
    objects = rendered()
    assert {name for kind, name in objects if kind in ("DaemonSet", "Deployment")} == {
        "cilium",
        "cilium-envoy",
        "cilium-operator",
    }
    assert {name for kind, name in objects if kind == "Service"} == {"cilium-envoy", "hubble-peer"}
    assert {name for kind, name in objects if kind == "Secret"} == {"cilium-ca", "hubble-server-certs"}
    agent = objects["DaemonSet", "cilium"]["spec"]["template"]["spec"]
    assert [item["name"] for item in agent["initContainers"]] == [
        "config",
        "mount-cgroup",
        "apply-sysctl-overwrites",
        "mount-bpf-fs",
        "clean-cilium-state",
        "install-cni-binaries",
    ]
    assert agent["hostNetwork"] is True
    assert agent["tolerations"] == [{"operator": "Exists"}]
    assert objects["Deployment", "cilium-operator"]["spec"]["replicas"] == 2


@pytest.mark.parametrize(
    ("settings", "key", "value"),
    [
        ((), "kube-proxy-replacement", "false"),
        (("kubeProxyReplacement=true",), "kube-proxy-replacement", "true"),
        (("policyEnforcementMode=Always",), "enable-policy", "always"),
        (("bpf.monitorAggregation=none",), "monitor-aggregation", "none"),
        (("dnsProxy.minTtl=3600",), "tofqdns-min-ttl", "3600"),
        (("ipam.mode=kubernetes",), "ipam", "kubernetes"),
        (("hubble.enabled=false",), "enable-hubble", "false"),
        (("l7Proxy=false",), "external-envoy-proxy", "false"),
        (("devices={eth0,eth1}",), "devices", "eth0 eth1"),
        (("policyAuditMode=true",), "policy-audit-mode", "true"),
        (("extraConfig.enable-policy=never",), "enable-policy", "never"),
        (("hubble.metrics.enabled={dns,drop}",), "hubble-metrics", "dns drop"),
    ],
)
def test_configuration(settings: tuple[str, ...], key: str, value: str) -> None:
    assert config(*settings)[key] == value


@pytest.mark.parametrize(
    ("version", "absent", "present"),
    [
        ("1.20.2", "hubble-redact-kafka-apikey", "envoy-xds-mode"),
        ("1.19.8", "envoy-xds-mode", "policy-deny-response"),
        ("1.18.14", "policy-deny-response", "enable-node-port"),
    ],
)
def test_versions_differ(version: str, absent: str, present: str) -> None:
    data = config(version=version)
    assert absent not in data
    assert present in data


@pytest.mark.parametrize(
    ("dial", "offered"), [("1.19.8", "1.19.8"), ("1.19", "1.19.8"), ("", CILIUM_VERSION), ("9", CILIUM_VERSION)]
)
def test_the_version_offered_is_the_clusters(dial: str, offered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CILIUM_LABS_CILIUM_VERSION", dial)
    chart = find_chart("cilium")
    assert chart is not None
    assert chart.version == offered
    named = find_chart("cilium", "1.20")
    assert named is not None
    assert named.version == "1.20.2"


def test_mutual_authentication_was_on_until_1_18() -> None:
    assert config(version="1.18.14")["mesh-auth-enabled"] == "true"
    assert config(version="1.19.8")["mesh-auth-enabled"] == "false"


def test_relay_and_ui() -> None:
    objects = rendered("hubble.relay.enabled=true,hubble.ui.enabled=true")
    assert objects["Service", "hubble-relay"]["spec"]["ports"] == [
        {"protocol": "TCP", "port": 80, "targetPort": "grpc"}
    ]
    ui = objects["Deployment", "hubble-ui"]["spec"]["template"]["spec"]["containers"]
    assert [item["name"] for item in ui] == ["frontend", "backend"]
    text = objects["ConfigMap", "hubble-relay-config"]["data"]["config.yaml"]
    assert 'peer-service: "hubble-peer.kube-system.svc.cluster.local.:443"' in text
    assert ("Secret", "hubble-relay-client-certs") in objects


def test_the_api_server_is_named_in_the_environment() -> None:
    objects = rendered("k8sServiceHost=cilium-labs-control-plane,k8sServicePort=6443")
    env = objects["DaemonSet", "cilium"]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "KUBERNETES_SERVICE_HOST", "value": "cilium-labs-control-plane"} in env
    assert {"name": "KUBERNETES_SERVICE_PORT", "value": "6443"} in env


def test_preflight_alone() -> None:
    objects = rendered("preflight.enabled=true,agent=false,operator.enabled=false")
    assert {key for key in objects if key[0] in ("DaemonSet", "Deployment", "ConfigMap")} == {
        ("DaemonSet", "cilium-pre-flight-check"),
        ("Deployment", "cilium-pre-flight-check"),
    }


def test_a_changed_configuration_rolls_pods_only_when_asked() -> None:
    def template(*settings: str) -> Any:
        return rendered(*settings)["DaemonSet", "cilium"]["spec"]["template"]

    assert template() == template("debug.enabled=true")
    assert template("rollOutCiliumPods=true") != template("rollOutCiliumPods=true,debug.enabled=true")


@pytest.mark.parametrize("value", ["strict", "probe", "partial", "disabled"])
def test_old_modes_of_kube_proxy_replacement_are_refused(value: str) -> None:
    with pytest.raises(TemplateError, match=r"must be explicitly set to a valid value \(true or false\) to continue"):
        rendered(f"kubeProxyReplacement={value}")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("hubble.ui.enabled=true", "Hubble UI requires .Values.hubble.relay.enabled=true"),
        ("hubble.enabled=false,hubble.relay.enabled=true", "Hubble Relay requires .Values.hubble.enabled=true"),
        ("tunnel=vxlan", "tunnel was deprecated in v1.14 and has been removed in v1.15"),
        ("cluster.name=Big", "The cluster name is invalid: must consist of lower case"),
        ("cluster.id=5", "cannot use default value with cluster.id != 0"),
        ("clustermesh.maxConnectedClusters=300", "max-connected-clusters must be set to 255 or 511"),
        (
            "routingMode=native,enableIPv4Masquerade=true",
            "ipv4NativeRoutingCIDR must be set when routingMode is native",
        ),
    ],
)
def test_contradictions_are_refused(setting: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        rendered(setting)
    assert message in caught.value.reason


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("hubble.enabled=yes", "at '/hubble/enabled': got string, want boolean"),
        ("operator.replicas=two", "at '/operator/replicas': got string, want integer"),
        ("tolerations=none", "at '/tolerations': got string, want array"),
        ("cluster.name=7", "at '/cluster/name': got number, want string"),
        ("identityManagementMode=me", "at '/identityManagementMode': value must be one of 'agent', 'operator', 'both'"),
    ],
)
def test_wrong_types_are_refused(setting: str, problem: str) -> None:
    with pytest.raises(ValuesError) as caught:
        rendered(setting)
    assert caught.value.problems == (problem,)


def test_what_is_not_bundled_is_said() -> None:
    with pytest.raises(OutOfScopeError, match=r"gatewayAPI\.enabled=true"):
        rendered("gatewayAPI.enabled=true")


def test_certificates_are_kept() -> None:
    first = rendered()

    def lookup(kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        return first.get((kind, name))

    found = chart()
    again = found.render(found.defaults(), namespace="kube-system", lookup=lookup)
    secrets = {
        item.body["metadata"]["name"]: item.body["data"] for item in again.manifests if item.body["kind"] == "Secret"
    }
    assert secrets == {name: body["data"] for (kind, name), body in first.items() if kind == "Secret"}


@pytest.mark.parametrize(
    ("text", "version"), [("", "1.20.2"), ("1.19", "1.19.8"), ("v1.18.14", "1.18.14"), ("1.20.x", "1.20.2")]
)
def test_versions_by_name(text: str, version: str) -> None:
    assert chart(text).version == version


def test_unknown_versions() -> None:
    assert find_chart("cilium", "1.99.0") is None
    assert find_chart("tetragon") is None
