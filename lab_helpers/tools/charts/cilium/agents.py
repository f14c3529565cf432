"""DaemonSet ``cilium``: the agent on every node, with its init containers (templates/cilium-agent/daemonset.yaml)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from lab_helpers.tools.charts.cilium.checks import at
from lab_helpers.tools.charts.cilium.configs import config_data, envoy_runs_apart
from lab_helpers.tools.charts.cilium.shapes import Body, Context, field_env, host_path, http_probe, image_name, mount
from lab_helpers.tools.charts.rendering import Manifest

__all__ = ["agent", "checksum"]

_TERMINATION = {"terminationMessagePolicy": "FallbackToLogsOnError"}
_MOUNT_CGROUP = (
    "cp /usr/bin/cilium-mount /hostbin/cilium-mount; "
    'nsenter --cgroup=/hostproc/1/ns/cgroup --mount=/hostproc/1/ns/mnt "${BIN_PATH}/cilium-mount" $CGROUP_ROOT; '
    "rm /hostbin/cilium-mount"
)
_SYSCTL = (
    "cp /usr/bin/cilium-sysctlfix /hostbin/cilium-sysctlfix; "
    'nsenter --mount=/hostproc/1/ns/mnt "${BIN_PATH}/cilium-sysctlfix"; '
    "rm /hostbin/cilium-sysctlfix"
)


def checksum(context: Context) -> str:
    """The annotation that makes pods roll when the configuration changes (``rollOutCiliumPods`` and its like)."""
    data = config_data(context.values, context.version)
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def agent(context: Context) -> Manifest:
    """The DaemonSet."""
    values = context.values
    labels = context.labels("cilium-agent", k8s_app="cilium")
    annotations: dict[str, str] = {}
    if at(values, "prometheus.enabled"):
        annotations |= {"prometheus.io/port": str(at(values, "prometheus.port")), "prometheus.io/scrape": "true"}
    if values.get("rollOutCiliumPods"):
        annotations["cilium.io/cilium-configmap-checksum"] = checksum(context)
    annotations |= values.get("podAnnotations") or {}
    annotations["kubectl.kubernetes.io/default-container"] = "cilium-agent"
    selector = {"k8s-app": "cilium"}
    if values.get("keepDeprecatedLabels"):
        labels["kubernetes.io/cluster-service"] = selector["kubernetes.io/cluster-service"] = "true"
    spec: Body = {
        "selector": {"matchLabels": selector},
        "updateStrategy": values["updateStrategy"],
        "template": {
            "metadata": {"annotations": annotations, "labels": {**labels, **(values.get("podLabels") or {})}},
            "spec": _pod(context),
        },
    }
    if values.get("minReadySeconds"):
        spec["minReadySeconds"] = values["minReadySeconds"]
    body = context.object(
        "apps/v1", "DaemonSet", values["name"], labels=labels, annotations=values.get("annotations"), spec=spec
    )
    return Manifest("cilium/templates/cilium-agent/daemonset.yaml", body)


def _pod(context: Context) -> Body:
    values = context.values
    pod: Body = {
        "securityContext": values["podSecurityContext"],
        "containers": [_container(context), *(values.get("extraContainers") or ())],
        "initContainers": [*_init_containers(context), *(values.get("extraInitContainers") or ())],
        "restartPolicy": "Always",
        "priorityClassName": values.get("priorityClassName") or "system-node-critical",
        "serviceAccountName": at(values, "serviceAccounts.cilium.name"),
        "automountServiceAccountToken": at(values, "serviceAccounts.cilium.automount"),
        "terminationGracePeriodSeconds": values["terminationGracePeriodSeconds"],
        "hostNetwork": True,
        "affinity": values["affinity"],
        "nodeSelector": values["nodeSelector"],
        "tolerations": values["tolerations"],
        "volumes": [*_volumes(context), *(values.get("extraVolumes") or ())],
    }
    if context.version.series >= (1, 20):
        pod["hostUsers"] = True
    if values.get("imagePullSecrets"):
        pod["imagePullSecrets"] = values["imagePullSecrets"]
    if values.get("dnsPolicy"):
        pod["dnsPolicy"] = values["dnsPolicy"]
    return pod


def _base(context: Context, name: str) -> Body:
    image = context.values["image"]
    return {"name": name, "image": image_name(image), "imagePullPolicy": image["pullPolicy"]}


def _security(context: Context, capabilities: list[str] | None) -> Body:
    security = context.values["securityContext"]
    if security.get("privileged"):
        return {"privileged": True}
    return {
        "seLinuxOptions": security["seLinuxOptions"],
        "capabilities": {**({"add": capabilities} if capabilities else {}), "drop": ["ALL"]},
    }


def _container(context: Context) -> Body:
    values = context.values
    brief = {"brief": "true"}
    alive = {**brief, "require-k8s-connectivity": str(at(values, "livenessProbe.requireK8sConnectivity")).lower()}
    container: Body = {
        **_base(context, "cilium-agent"),
        "command": ["cilium-agent"],
        "args": ["--config-dir=/tmp/cilium/config-map", *(values.get("extraArgs") or ())],
        "startupProbe": http_probe(
            "/healthz",
            "health",
            host=context.loopback,
            headers=brief,
            **_timing(values["startupProbe"]),
            successThreshold=1,
            initialDelaySeconds=5,
        ),
        "livenessProbe": http_probe(
            "/healthz",
            "health",
            host=context.loopback,
            headers=alive,
            **_timing(values["livenessProbe"]),
            successThreshold=1,
            timeoutSeconds=5,
        ),
        "readinessProbe": http_probe(
            "/healthz",
            "health",
            host=context.loopback,
            headers=brief,
            **_timing(values["readinessProbe"]),
            successThreshold=1,
            timeoutSeconds=5,
        ),
        "env": [
            *_names(),
            {"name": "CILIUM_CLUSTERMESH_CONFIG", "value": "/var/lib/cilium/clustermesh/"},
            {
                "name": "GOMEMLIMIT",
                "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1"}},
            },
            *context.api_server_env(),
            *_back_off(values),
            *(values.get("extraEnv") or ()),
        ],
        "ports": _ports(values),
        "securityContext": _security(context, at(values, "securityContext.capabilities.ciliumAgent")),
        **_TERMINATION,
        "volumeMounts": [*_mounts(context), *(values.get("extraVolumeMounts") or ())],
    }
    if at(values, "cni.install"):
        container["lifecycle"] = {"preStop": {"exec": {"command": ["/cni-uninstall.sh"]}}}
    if values.get("resources"):
        container["resources"] = values["resources"]
    if values.get("sleepAfterInit"):
        container["command"] = ["/bin/bash", "-c", "--"]
        container["args"] = ["while true; do sleep 30; done"]
        container.pop("startupProbe")
        container["livenessProbe"] = container["readinessProbe"] = {"exec": {"command": ["true"]}}
    return container


def _timing(probe: Mapping[str, Any]) -> dict[str, int]:
    return {name: probe[name] for name in ("failureThreshold", "periodSeconds") if name in probe}


def _names() -> list[Body]:
    return [field_env("K8S_NODE_NAME", "spec.nodeName"), field_env("CILIUM_K8S_NAMESPACE", "metadata.namespace")]


def _back_off(values: Mapping[str, Any]) -> list[Body]:
    back_off = values.get("k8sClientExponentialBackoff") or {}
    if not back_off.get("enabled"):
        return []
    return [
        {"name": "KUBE_CLIENT_BACKOFF_BASE", "value": str(back_off["backoffBaseSeconds"])},
        {"name": "KUBE_CLIENT_BACKOFF_DURATION", "value": str(back_off["backoffMaxDurationSeconds"])},
    ]


def _ports(values: Mapping[str, Any]) -> list[Body]:
    found = [("health", values["healthPort"])]
    if at(values, "hubble.enabled"):
        found.append(("peer-service", at(values, "hubble.peerService.targetPort")))
    if at(values, "prometheus.enabled"):
        found.append(("prometheus", at(values, "prometheus.port")))
    if at(values, "hubble.metrics.enabled"):
        found.append(("hubble-metrics", at(values, "hubble.metrics.port")))
    return [{"name": name, "containerPort": port, "hostPort": port, "protocol": "TCP"} for name, port in found]


def _hubble_tls(values: Mapping[str, Any]) -> bool:
    return bool(
        at(values, "hubble.enabled") and at(values, "hubble.tls.enabled") and "listenAddress" in values["hubble"]
    )


def _ipsec(values: Mapping[str, Any]) -> bool:
    return bool(at(values, "encryption.enabled") and at(values, "encryption.type") == "ipsec")


def _mounts(context: Context) -> list[Body]:
    values = context.values
    privileged = at(values, "securityContext.privileged")
    found = []
    if envoy_runs_apart(values):
        found.append(mount("envoy-sockets", "/var/run/cilium/envoy/sockets", read_only=False))
    if not privileged:
        found.append(mount("host-proc-sys-net", "/host/proc/sys/net"))
        found.append(mount("host-proc-sys-kernel", "/host/proc/sys/kernel"))
    found.append(mount("bpf-maps", "/sys/fs/bpf", propagation="Bidirectional" if privileged else "HostToContainer"))
    if "/run/cilium/cgroupv2" not in at(values, "cgroup.hostRoot"):
        found.append(mount("cilium-cgroup", at(values, "cgroup.hostRoot")))
    found += [
        mount("cilium-run", "/var/run/cilium"),
        mount("cilium-netns", "/var/run/cilium/netns", propagation="HostToContainer"),
        mount("etc-cni-netd", at(values, "cni.hostConfDirMountPath")),
        mount("clustermesh-secrets", "/var/lib/cilium/clustermesh", read_only=True),
        mount("lib-modules", "/lib/modules", read_only=True),
        mount("xtables-lock", "/run/xtables.lock"),
    ]
    if at(values, "cni.configMap"):
        found.append(mount("cni-configuration", at(values, "cni.confFileMountPath"), read_only=True))
    if _ipsec(values):
        found.append(mount("cilium-ipsec-secrets", at(values, "encryption.ipsec.mountPath")))
    if _hubble_tls(values):
        found.append(mount("hubble-tls", "/var/lib/cilium/tls/hubble", read_only=True))
    found.append(mount("tmp", "/tmp"))  # noqa: S108 - a path inside the simulated container
    return found


def _init_containers(context: Context) -> list[Body]:
    values = context.values
    privileged = at(values, "securityContext.privileged")
    found: list[Body] = [
        {
            **_base(context, "config"),
            "command": ["cilium-dbg", "build-config"],
            "env": [*_names(), *context.api_server_env(), *(values.get("extraEnv") or ())],
            "volumeMounts": [mount("tmp", "/tmp")],  # noqa: S108 - a path inside the simulated container
            **_TERMINATION,
            "securityContext": {"privileged": True}
            if privileged
            else {"capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}},
        }
    ]
    host = [mount("hostproc", "/hostproc"), mount("cni-path", "/hostbin")]
    binaries = {"name": "BIN_PATH", "value": at(values, "cni.binPath")}
    if at(values, "cgroup.autoMount.enabled"):
        found.append(
            {
                **_base(context, "mount-cgroup"),
                "env": [{"name": "CGROUP_ROOT", "value": at(values, "cgroup.hostRoot")}, binaries],
                "command": ["bash", "-ec", _MOUNT_CGROUP],
                "volumeMounts": host,
                **_TERMINATION,
                "securityContext": _security(context, at(values, "securityContext.capabilities.mountCgroup")),
            }
        )
    if at(values, "sysctlfix.enabled"):
        found.append(
            {
                **_base(context, "apply-sysctl-overwrites"),
                "env": [binaries],
                "command": ["bash", "-ec", _SYSCTL],
                "volumeMounts": host,
                **_TERMINATION,
                "securityContext": _security(context, at(values, "securityContext.capabilities.applySysctlOverwrites")),
            }
        )
    if at(values, "bpf.autoMount.enabled") and not privileged:
        found.append(
            {
                **_base(context, "mount-bpf-fs"),
                "args": ['mount | grep "/sys/fs/bpf type bpf" || mount -t bpf bpf /sys/fs/bpf'],
                "command": ["/bin/bash", "-c", "--"],
                **_TERMINATION,
                "securityContext": {"privileged": True},
                "volumeMounts": [mount("bpf-maps", "/sys/fs/bpf", propagation="Bidirectional")],
            }
        )
    found.append(_clean_state(context))
    if at(values, "cni.install"):
        found.append(
            {
                **_base(context, "install-cni-binaries"),
                "command": ["/install-plugin.sh"],
                "resources": at(values, "cni.resources"),
                "securityContext": _security(context, None),
                **_TERMINATION,
                "volumeMounts": [mount("cni-path", "/host/opt/cni/bin")],
            }
        )
    if values.get("initResources"):
        found = [{"resources": values["initResources"], **item} for item in found]
    return found


def _clean_state(context: Context) -> Body:
    values = context.values

    def setting(name: str, key: str) -> Body:
        reference = {"name": "cilium-config", "key": key, "optional": True}
        return {"name": name, "valueFrom": {"configMapKeyRef": reference}}

    return {
        **_base(context, "clean-cilium-state"),
        "command": ["/init-container.sh"],
        "env": [
            setting("CILIUM_ALL_STATE", "clean-cilium-state"),
            setting("CILIUM_BPF_STATE", "clean-cilium-bpf-state"),
            setting("WRITE_CNI_CONF_WHEN_READY", "write-cni-conf-when-ready"),
            *context.api_server_env(),
            *(values.get("extraEnv") or ()),
        ],
        **_TERMINATION,
        "securityContext": _security(context, at(values, "securityContext.capabilities.cleanCiliumState")),
        "volumeMounts": [
            mount("bpf-maps", "/sys/fs/bpf"),
            mount("cilium-cgroup", at(values, "cgroup.hostRoot"), propagation="HostToContainer"),
            mount("cilium-run", "/var/run/cilium"),
        ],
    }


def _volumes(context: Context) -> list[Body]:
    values = context.values
    run = at(values, "daemon.runPath")
    found: list[Body] = [
        {"name": "tmp", **(values.get("tmpVolume") or {"emptyDir": {}})},
        host_path("cilium-run", run),
        host_path("cilium-netns", "/var/run/netns"),
        host_path("bpf-maps", "/sys/fs/bpf"),
        host_path("hostproc", "/proc", "Directory"),
        host_path("cilium-cgroup", at(values, "cgroup.hostRoot")),
        host_path("cni-path", at(values, "cni.binPath")),
        host_path("etc-cni-netd", at(values, "cni.confPath")),
        host_path("lib-modules", "/lib/modules", ""),
        host_path("xtables-lock", "/run/xtables.lock", "FileOrCreate"),
    ]
    if envoy_runs_apart(values):
        found.append(host_path("envoy-sockets", f"{run}/envoy/sockets"))
    found.append(_clustermesh_secrets())
    if _ipsec(values):
        secret = {"secretName": at(values, "encryption.ipsec.secretName")}
        found.append({"name": "cilium-ipsec-secrets", "secret": secret})
    if at(values, "cni.configMap"):
        found.append({"name": "cni-configuration", "configMap": {"name": at(values, "cni.configMap")}})
    if not at(values, "securityContext.privileged"):
        found.append(host_path("host-proc-sys-net", "/proc/sys/net", "Directory"))
        found.append(host_path("host-proc-sys-kernel", "/proc/sys/kernel", "Directory"))
    if _hubble_tls(values):
        name = at(values, "hubble.tls.server.existingSecret") or "hubble-server-certs"
        items = {"tls.crt": "server.crt", "tls.key": "server.key", "ca.crt": "client-ca.crt"}
        found.append({"name": "hubble-tls", "projected": {"defaultMode": 0o400, "sources": [_secret(name, items)]}})
    return found


def _secret(name: str, items: Mapping[str, str]) -> Body:
    shown = [{"key": key, "path": path} for key, path in items.items()]
    return {"secret": {"name": name, "optional": True, **({"items": shown} if shown else {})}}


def _clustermesh_secrets() -> Body:
    common = {
        "tls.key": "common-etcd-client.key",
        "tls.crt": "common-etcd-client.crt",
        "ca.crt": "common-etcd-client-ca.crt",
    }
    local = {
        "tls.key": "local-etcd-client.key",
        "tls.crt": "local-etcd-client.crt",
        "ca.crt": "local-etcd-client-ca.crt",
    }
    sources = [
        _secret("cilium-clustermesh", {}),
        _secret("clustermesh-apiserver-remote-cert", common),
        _secret("clustermesh-apiserver-local-cert", local),
    ]
    return {"name": "clustermesh-secrets", "projected": {"defaultMode": 0o400, "sources": sources}}
