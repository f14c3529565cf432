"""DaemonSet, ConfigMap and Service ``cilium-envoy``: the L7 proxy of every node (templates/cilium-envoy)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lab_helpers.tools.charts.cilium.checks import at
from lab_helpers.tools.charts.cilium.shapes import Body, Context, field_env, host_path, http_probe, image_name, mount
from lab_helpers.tools.charts.rendering import Manifest

__all__ = ["envoy"]


def envoy(context: Context) -> list[Manifest]:
    """The objects of an Envoy that runs apart from the agent."""
    found = [
        Manifest("cilium/templates/cilium-envoy/configmap.yaml", _bootstrap(context)),
        Manifest("cilium/templates/cilium-envoy/daemonset.yaml", _daemonset(context)),
    ]
    if at(context.values, "envoy.prometheus.enabled"):
        found.append(Manifest("cilium/templates/cilium-envoy/service.yaml", _service(context)))
    return found


def _bootstrap(context: Context) -> Body:
    """What Envoy needs to find the agent's xDS socket and to answer health checks."""
    settings = context.values["envoy"]
    socket = "/var/run/cilium/envoy/sockets"
    config = {
        "admin": {"address": {"pipe": {"path": f"{socket}/admin.sock"}}},
        "dynamicResources": {
            "cdsConfig": {"apiConfigSource": _xds(), "initialFetchTimeout": "30s", "resourceApiVersion": "V3"},
            "ldsConfig": {"apiConfigSource": _xds(), "initialFetchTimeout": "30s", "resourceApiVersion": "V3"},
        },
        "node": {"id": "host~127.0.0.1~no-id~localdomain", "cluster": "ingress-cluster"},
        "staticResources": {
            "clusters": [
                {
                    "name": "xds-grpc-cilium",
                    "type": "STATIC",
                    "connectTimeout": f"{settings['connectTimeoutSeconds']}s",
                    "loadAssignment": {
                        "clusterName": "xds-grpc-cilium",
                        "endpoints": [
                            {"lbEndpoints": [{"endpoint": {"address": {"pipe": {"path": f"{socket}/xds.sock"}}}}]}
                        ],
                    },
                }
            ]
        },
    }
    text = json.dumps(config, separators=(",", ":"))
    return context.object(
        "v1",
        "ConfigMap",
        "cilium-envoy-config",
        labels=context.chart_label,
        data={"bootstrap-config.json": text + "\n"},
    )


def _xds() -> Body:
    service = {"envoyGrpc": {"clusterName": "xds-grpc-cilium"}}
    return {
        "apiType": "GRPC",
        "grpcServices": [service],
        "transportApiVersion": "V3",
        "setNodeOnFirstMessageOnly": True,
    }


def _daemonset(context: Context) -> Body:
    settings = context.values["envoy"]
    labels = {**context.labels("cilium-envoy", k8s_app="cilium-envoy"), "name": "cilium-envoy"}
    template: Body = {"metadata": {"labels": {**labels, **(settings.get("podLabels") or {})}}, "spec": _pod(context)}
    if settings.get("podAnnotations"):
        template["metadata"]["annotations"] = settings["podAnnotations"]
    spec = {
        "selector": {"matchLabels": {"k8s-app": "cilium-envoy"}},
        "updateStrategy": settings["updateStrategy"],
        "template": template,
    }
    return context.object(
        "apps/v1", "DaemonSet", "cilium-envoy", labels=labels, annotations=settings.get("annotations"), spec=spec
    )


def _pod(context: Context) -> Body:
    values, settings = context.values, context.values["envoy"]
    run = at(values, "daemon.runPath")
    config = {
        "name": settings.get("bootstrapConfigMap") or "cilium-envoy-config",
        "defaultMode": 0o400,
        "items": [{"key": "bootstrap-config.json", "path": "bootstrap-config.json"}],
    }
    pod: Body = {
        "securityContext": settings["podSecurityContext"],
        "containers": [_container(context)],
        "restartPolicy": "Always",
        "priorityClassName": settings.get("priorityClassName") or "system-node-critical",
        "serviceAccountName": at(values, "serviceAccounts.envoy.name"),
        "automountServiceAccountToken": at(values, "serviceAccounts.envoy.automount"),
        "terminationGracePeriodSeconds": settings["terminationGracePeriodSeconds"],
        "hostNetwork": True,
        "affinity": settings["affinity"],
        "nodeSelector": settings["nodeSelector"],
        "tolerations": settings["tolerations"],
        "volumes": [
            host_path("envoy-sockets", f"{run}/envoy/sockets"),
            host_path("envoy-artifacts", f"{run}/envoy/artifacts"),
            {"name": "envoy-config", "configMap": config},
            host_path("bpf-maps", "/sys/fs/bpf"),
        ],
    }
    if context.version.series >= (1, 20):
        pod["hostUsers"] = True
    return pod


def _container(context: Context) -> Body:
    values, settings = context.values, context.values["envoy"]
    security = settings["securityContext"]
    keep = ["--keep-cap-net-bind-service", "--"] if security["capabilities"]["keepCapNetBindService"] else []
    level = settings["log"].get("defaultLevel") or "info"
    container: Body = {
        "name": "cilium-envoy",
        "image": image_name(settings["image"]),
        "imagePullPolicy": settings["image"]["pullPolicy"],
        "command": ["/usr/bin/cilium-envoy-starter"],
        "args": [
            *keep,
            "-c /var/run/cilium/envoy/bootstrap-config.json",
            f"--base-id {int(settings['baseID'])}",
            f"--log-level {level}",
            *(settings.get("extraArgs") or ()),
        ],
        "readinessProbe": _probe(context, settings["readinessProbe"]),
        "env": [
            field_env("K8S_NODE_NAME", "spec.nodeName"),
            field_env("CILIUM_K8S_NAMESPACE", "metadata.namespace"),
            *context.api_server_env(),
        ],
        "ports": [],
        "securityContext": {"privileged": True}
        if security["privileged"]
        else {
            "seLinuxOptions": security["seLinuxOptions"],
            "capabilities": {"add": security["capabilities"]["envoy"], "drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            mount("envoy-sockets", "/var/run/cilium/envoy/sockets", read_only=False),
            mount("envoy-artifacts", "/var/run/cilium/envoy/artifacts", read_only=True),
            mount("envoy-config", "/var/run/cilium/envoy/", read_only=True),
            mount("bpf-maps", "/sys/fs/bpf", propagation="HostToContainer"),
        ],
    }
    for name in ("startupProbe", "livenessProbe"):
        if settings[name]["enabled"]:
            container[name] = _probe(context, settings[name])
    if settings.get("resources"):
        container["resources"] = settings["resources"]
    if at(values, "envoy.prometheus.enabled"):
        port = int(settings["prometheus"]["port"])
        container["ports"].append({"name": "envoy-metrics", "containerPort": port, "hostPort": port, "protocol": "TCP"})
    return container


def _probe(context: Context, probe: Mapping[str, Any]) -> Body:
    fields = ("failureThreshold", "periodSeconds", "initialDelaySeconds", "timeoutSeconds")
    timing = {"timeoutSeconds": 5, **{name: probe[name] for name in fields if name in probe}, "successThreshold": 1}
    return http_probe("/healthz", context.values["envoy"]["healthPort"], host=context.loopback, **timing)


def _service(context: Context) -> Body:
    port = int(at(context.values, "envoy.prometheus.port"))
    labels = context.labels("cilium-envoy", k8s_app="cilium-envoy") | {"io.cilium/app": "proxy"}
    annotations = {"prometheus.io/scrape": "true", "prometheus.io/port": str(port)}
    spec = {
        "clusterIP": "None",
        "type": "ClusterIP",
        "selector": {"k8s-app": "cilium-envoy"},
        "ports": [{"name": "envoy-metrics", "port": port, "protocol": "TCP", "targetPort": port}],
    }
    return context.object("v1", "Service", "cilium-envoy", labels=labels, annotations=annotations, spec=spec)
