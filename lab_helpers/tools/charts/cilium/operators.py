"""Deployment ``cilium-operator`` (templates/cilium-operator/deployment.yaml)."""

from __future__ import annotations

from lab_helpers.tools.charts.cilium.agents import checksum
from lab_helpers.tools.charts.cilium.checks import at
from lab_helpers.tools.charts.cilium.shapes import Body, Context, field_env, http_probe, image_name, mount
from lab_helpers.tools.charts.rendering import Manifest

__all__ = ["operator"]

SELECTOR = {"io.cilium/app": "operator", "name": "cilium-operator"}
HEALTH = 9234


def operator(context: Context) -> Manifest:
    """The Deployment."""
    settings = context.values["operator"]
    labels = {**SELECTOR, **context.labels("cilium-operator")}
    strategy = settings["updateStrategy"]
    if str(settings["replicas"]) == "1" and strategy.get("type") == "RollingUpdate":
        strategy = {**strategy, "rollingUpdate": {**strategy["rollingUpdate"], "maxUnavailable": "100%"}}
    annotations: dict[str, str] = {}
    if settings.get("rollOutPods"):
        annotations["cilium.io/cilium-configmap-checksum"] = checksum(context)
    if at(settings, "prometheus.enabled"):
        annotations |= {"prometheus.io/port": str(settings["prometheus"]["port"]), "prometheus.io/scrape": "true"}
    annotations |= settings.get("podAnnotations") or {}
    spec = {
        "replicas": settings["replicas"],
        "selector": {"matchLabels": SELECTOR},
        "strategy": strategy,
        "template": {
            "metadata": {"annotations": annotations, "labels": {**labels, **(settings.get("podLabels") or {})}},
            "spec": _pod(context),
        },
    }
    body = context.object(
        "apps/v1", "Deployment", "cilium-operator", labels=labels, annotations=settings.get("annotations"), spec=spec
    )
    return Manifest("cilium/templates/cilium-operator/deployment.yaml", body)


def _pod(context: Context) -> Body:
    values, settings = context.values, context.values["operator"]
    key = values.get("agentNotReadyTaintKey")
    pod: Body = {
        "containers": [_container(context)],
        "hostNetwork": settings["hostNetwork"],
        "restartPolicy": "Always",
        "priorityClassName": settings.get("priorityClassName") or "system-cluster-critical",
        "serviceAccountName": at(values, "serviceAccounts.operator.name"),
        "automountServiceAccountToken": at(values, "serviceAccounts.operator.automount"),
        "affinity": settings["affinity"],
        "nodeSelector": settings["nodeSelector"],
        "tolerations": [*settings["tolerations"], *([{"key": key, "operator": "Exists"}] if key else [])],
        "volumes": [
            {"name": "cilium-config-path", "configMap": {"name": "cilium-config"}},
            *(settings.get("extraVolumes") or ()),
        ],
    }
    if settings.get("podSecurityContext"):
        pod["securityContext"] = settings["podSecurityContext"]
    if "hostUsers" in settings:
        pod["hostUsers"] = settings["hostUsers"]
    if settings.get("dnsPolicy"):
        pod["dnsPolicy"] = settings["dnsPolicy"]
    return pod


def _container(context: Context) -> Body:
    settings = context.values["operator"]
    host = context.loopback if settings["hostNetwork"] else ""
    image = settings["image"]
    repository = f"{image['repository']}-generic{image.get('suffix') or ''}"
    container: Body = {
        "name": "cilium-operator",
        "image": image_name(image, repository=repository, digest="genericDigest"),
        "imagePullPolicy": image["pullPolicy"],
        "command": ["cilium-operator-generic"],
        "args": [
            "--config-dir=/tmp/cilium/config-map",
            "--debug=$(CILIUM_DEBUG)",
            *(settings.get("extraArgs") or ()),
        ],
        "env": [
            field_env("K8S_NODE_NAME", "spec.nodeName"),
            field_env("CILIUM_K8S_NAMESPACE", "metadata.namespace"),
            {
                "name": "CILIUM_DEBUG",
                "valueFrom": {"configMapKeyRef": {"key": "debug", "name": "cilium-config", "optional": True}},
            },
            *context.api_server_env(),
            *(settings.get("extraEnv") or ()),
        ],
        "ports": _ports(context),
        "livenessProbe": http_probe(
            "/healthz", "health", host=host, initialDelaySeconds=60, periodSeconds=10, timeoutSeconds=3
        ),
        "readinessProbe": http_probe(
            "/healthz",
            "health",
            host=host,
            initialDelaySeconds=0,
            periodSeconds=5,
            timeoutSeconds=3,
            failureThreshold=5,
        ),
        "volumeMounts": [
            mount("cilium-config-path", "/tmp/cilium/config-map", read_only=True),  # noqa: S108 - inside the container
            *(settings.get("extraVolumeMounts") or ()),
        ],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if settings.get("securityContext"):
        container["securityContext"] = settings["securityContext"]
    if settings.get("resources"):
        container["resources"] = settings["resources"]
    return container


def _ports(context: Context) -> list[Body]:
    settings = context.values["operator"]
    ports: list[Body] = [{"name": "health", "containerPort": HEALTH}]
    if at(settings, "prometheus.enabled"):
        ports.append({"name": "prometheus", "containerPort": settings["prometheus"]["port"], "protocol": "TCP"})
    if settings["hostNetwork"]:
        for port in ports:
            port["hostPort"] = port["containerPort"]
    return ports
