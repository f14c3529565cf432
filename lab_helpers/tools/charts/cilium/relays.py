"""Hubble Relay: Deployment, ConfigMap, Service (templates/hubble-relay), and the Services of Hubble itself
(templates/hubble)."""

from __future__ import annotations

from typing import Any

from lab_helpers.tools.charts.cilium.checks import at
from lab_helpers.tools.charts.cilium.shapes import Body, Context, image_name, mount
from lab_helpers.tools.charts.rendering import Manifest

__all__ = ["hubble_services", "relay"]


def hubble_services(context: Context) -> list[Manifest]:
    """Service ``hubble-peer``, and ``hubble-metrics`` when metrics are on."""
    values = context.values
    peer = {
        "selector": {"k8s-app": "cilium"},
        "ports": [
            {
                "name": "peer-service",
                "port": at(values, "hubble.peerService.servicePort")
                or (443 if at(values, "hubble.tls.enabled") else 80),
                "protocol": "TCP",
                "targetPort": at(values, "hubble.peerService.targetPort"),
            }
        ],
        "internalTrafficPolicy": "Local",
    }
    labels = context.labels("hubble-peer", k8s_app="cilium")
    body = context.object("v1", "Service", "hubble-peer", labels=labels, spec=peer)
    found = [Manifest("cilium/templates/hubble/peer-service.yaml", body)]
    if at(values, "hubble.metrics.enabled"):
        port = at(values, "hubble.metrics.port")
        metrics = {
            "clusterIP": "None",
            "type": "ClusterIP",
            "ports": [{"name": "hubble-metrics", "port": port, "protocol": "TCP", "targetPort": "hubble-metrics"}],
            "selector": {"k8s-app": "cilium"},
        }
        labels = context.labels("hubble", k8s_app="hubble")
        annotations = {"prometheus.io/scrape": "true", "prometheus.io/port": str(port)}
        body = context.object("v1", "Service", "hubble-metrics", labels=labels, annotations=annotations, spec=metrics)
        found.append(Manifest("cilium/templates/hubble/metrics-service.yaml", body))
    return found


def relay(context: Context) -> list[Manifest]:
    """ConfigMap, Service and Deployment ``hubble-relay``."""
    folder = "cilium/templates/hubble-relay"
    return [
        Manifest(f"{folder}/configmap.yaml", _config(context)),
        Manifest(f"{folder}/service.yaml", _service(context)),
        Manifest(f"{folder}/deployment.yaml", _deployment(context)),
    ]


def _config(context: Context) -> Body:
    values, settings = context.values, context.values["hubble"]["relay"]
    tls = at(values, "hubble.tls.enabled")
    port = at(values, "hubble.peerService.servicePort") or (443 if tls else 80)
    domain = at(values, "hubble.peerService.clusterDomain")
    lines = [
        f"cluster-name: {at(values, 'cluster.name')}",
        f'peer-service: "hubble-peer.{context.namespace}.svc.{domain}.:{port}"',
        f"listen-address: {settings['listenHost']}:{settings['listenPort']}",
        f"gops: {str(settings['gops']['enabled']).lower()}",
        f'gops-port: "{settings["gops"]["port"]}"',
    ]
    if settings["prometheus"]["enabled"]:
        lines.append(f'metrics-listen-address: ":{settings["prometheus"]["port"]}"')
    for key, name in (
        ("retry-timeout", "retryTimeout"),
        ("sort-buffer-len-max", "sortBufferLenMax"),
        ("sort-buffer-drain-timeout", "sortBufferDrainTimeout"),
    ):
        value = settings.get(name)
        lines.append(f"{key}: {'' if value is None else value}")
    folder = "/var/lib/hubble-relay/tls"
    if tls:
        lines += [
            f"tls-hubble-client-cert-file: {folder}/client.crt",
            f"tls-hubble-client-key-file: {folder}/client.key",
            f"tls-hubble-server-ca-files: {folder}/hubble-server-ca.crt",
        ]
    else:
        lines.append("disable-client-tls: true")
    if tls and settings["tls"]["server"]["enabled"]:
        lines += [
            f"tls-relay-server-cert-file: {folder}/server.crt",
            f"tls-relay-server-key-file: {folder}/server.key",
        ]
        if settings["tls"]["server"]["mtls"]:
            lines.append(f"tls-relay-client-ca-files: {folder}/hubble-server-ca.crt")
    else:
        lines.append("disable-server-tls: true")
    text = "".join(f"{line}\n" for line in lines)
    return context.object("v1", "ConfigMap", "hubble-relay-config", data={"config.yaml": text})


def _service(context: Context) -> Body:
    settings = context.values["hubble"]["relay"]
    port: Body = {
        "protocol": "TCP",
        "port": settings.get("servicePort") or (443 if settings["tls"]["server"]["enabled"] else 80),
        "targetPort": "grpc",
    }
    if settings["service"]["type"] == "NodePort" and settings["service"].get("nodePort"):
        port["nodePort"] = settings["service"]["nodePort"]
    spec = {"type": settings["service"]["type"], "selector": {"k8s-app": "hubble-relay"}, "ports": [port]}
    labels = context.labels("hubble-relay", k8s_app="hubble-relay")
    return context.object("v1", "Service", "hubble-relay", labels=labels, spec=spec)


def _deployment(context: Context) -> Body:
    settings = context.values["hubble"]["relay"]
    labels = context.labels("hubble-relay", k8s_app="hubble-relay")
    template: Body = {"metadata": {"labels": {**labels, **(settings.get("podLabels") or {})}}, "spec": _pod(context)}
    if settings.get("podAnnotations"):
        template["metadata"]["annotations"] = settings["podAnnotations"]
    spec = {
        "replicas": settings["replicas"],
        "selector": {"matchLabels": {"k8s-app": "hubble-relay"}},
        "strategy": settings["updateStrategy"],
        "template": template,
    }
    return context.object(
        "apps/v1", "Deployment", "hubble-relay", labels=labels, annotations=settings.get("annotations"), spec=spec
    )


def _pod(context: Context) -> Body:
    values, settings = context.values, context.values["hubble"]["relay"]
    volumes: list[Body] = [
        {"name": "tmp-volume", "emptyDir": {}},
        {
            "name": "config",
            "configMap": {"name": "hubble-relay-config", "items": [{"key": "config.yaml", "path": "config.yaml"}]},
        },
    ]
    if at(values, "hubble.tls.enabled"):
        client = {"tls.crt": "client.crt", "tls.key": "client.key", "ca.crt": "hubble-server-ca.crt"}
        sources = [_secret(settings["tls"]["client"]["existingSecret"] or "hubble-relay-client-certs", client)]
        if settings["tls"]["server"]["enabled"]:
            server = {"tls.crt": "server.crt", "tls.key": "server.key"}
            sources.append(_secret(settings["tls"]["server"]["existingSecret"] or "hubble-relay-server-certs", server))
        volumes.append({"name": "tls", "projected": {"defaultMode": 0o400, "sources": sources}})
    return {
        "securityContext": settings["podSecurityContext"],
        "containers": [_container(context)],
        "restartPolicy": "Always",
        "priorityClassName": settings["priorityClassName"],
        "serviceAccountName": at(values, "serviceAccounts.relay.name"),
        "automountServiceAccountToken": at(values, "serviceAccounts.relay.automount"),
        "terminationGracePeriodSeconds": settings["terminationGracePeriodSeconds"],
        "affinity": settings["affinity"],
        "nodeSelector": settings["nodeSelector"],
        "tolerations": settings["tolerations"],
        "volumes": volumes,
    }


def _secret(name: str, items: dict[str, str]) -> Body:
    return {"secret": {"name": name, "items": [{"key": key, "path": path} for key, path in items.items()]}}


def _container(context: Context) -> Body:
    values, settings = context.values, context.values["hubble"]["relay"]
    health: dict[str, Any] = {"grpc": {"port": 4222}}
    mounts = [
        mount("tmp-volume", "/tmp"),  # noqa: S108 - a path inside the container
        mount("config", "/etc/hubble-relay", read_only=True),
    ]
    if at(values, "hubble.tls.enabled"):
        mounts.append(mount("tls", "/var/lib/hubble-relay/tls", read_only=True))
    ports: list[Body] = [{"name": "grpc", "containerPort": int(settings["listenPort"])}]
    if settings["prometheus"]["enabled"]:
        ports.append({"name": "prometheus", "containerPort": settings["prometheus"]["port"], "protocol": "TCP"})
    container: Body = {
        "name": "hubble-relay",
        "image": image_name(settings["image"]),
        "imagePullPolicy": settings["image"]["pullPolicy"],
        "command": ["hubble-relay"],
        "args": ["serve", *(["--debug"] if at(values, "debug.enabled") else [])],
        "ports": ports,
        "readinessProbe": {**health, "timeoutSeconds": 3},
        "livenessProbe": {
            **health,
            "timeoutSeconds": 10,
            "initialDelaySeconds": 10,
            "periodSeconds": 10,
            "failureThreshold": 12,
        },
        "startupProbe": {**health, "initialDelaySeconds": 10, "failureThreshold": 20, "periodSeconds": 3},
        "securityContext": settings["securityContext"],
        "volumeMounts": mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if settings.get("extraEnv"):
        container["env"] = settings["extraEnv"]
    if settings.get("resources"):
        container["resources"] = settings["resources"]
    return container
