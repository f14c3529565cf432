"""Hubble UI: Deployment with a frontend and a backend, ConfigMap, Service (templates/hubble-ui)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_helpers.tools.charts.cilium.checks import at
from lab_helpers.tools.charts.cilium.shapes import Body, Context, image_name, mount
from lab_helpers.tools.charts.rendering import Manifest

__all__ = ["user_interface"]

HTTP, GRPC = 8081, 8090


def user_interface(context: Context) -> list[Manifest]:
    """ConfigMap, Service and Deployment ``hubble-ui``."""
    folder = "cilium/templates/hubble-ui"
    return [
        Manifest(f"{folder}/configmap.yaml", _nginx(context)),
        Manifest(f"{folder}/service.yaml", _service(context)),
        Manifest(f"{folder}/deployment.yaml", _deployment(context)),
    ]


def _nginx(context: Context) -> Body:
    """The frontend's web server: files, and the API handed to the backend."""
    base = at(context.values, "hubble.ui.baseUrl")
    listen = [f"listen {HTTP};"]
    if at(context.values, "hubble.ui.frontend.server.ipv6.enabled"):
        listen.append(f"listen [::]:{HTTP};")
    rules = [
        *listen,
        "server_name localhost;",
        "root /app;",
        "index index.html;",
        f"location {base}api {{ proxy_http_version 1.1; proxy_pass http://127.0.0.1:{GRPC}; }}",
        f"location {base} {{ try_files $uri $uri/ /index.html; }}",
        "location /healthz { access_log off; return 200 'ok'; }",
    ]
    text = "server {\n" + "".join(f"    {rule}\n" for rule in rules) + "}\n"
    return context.object("v1", "ConfigMap", "hubble-ui-nginx", data={"nginx.conf": text})


def _service(context: Context) -> Body:
    settings = context.values["hubble"]["ui"]
    port: Body = {"name": "http", "port": 80, "targetPort": HTTP}
    if settings["service"]["type"] == "NodePort" and settings["service"].get("nodePort"):
        port["nodePort"] = settings["service"]["nodePort"]
    spec = {"type": settings["service"]["type"], "selector": {"k8s-app": "hubble-ui"}, "ports": [port]}
    labels = {**context.labels("hubble-ui", k8s_app="hubble-ui"), **(settings["service"].get("labels") or {})}
    annotations = {**(settings.get("annotations") or {}), **(settings["service"].get("annotations") or {})}
    return context.object("v1", "Service", "hubble-ui", labels=labels, annotations=annotations, spec=spec)


def _deployment(context: Context) -> Body:
    values, settings = context.values, context.values["hubble"]["ui"]
    labels = context.labels("hubble-ui", k8s_app="hubble-ui")
    tls = at(values, "hubble.relay.tls.server.enabled")
    volumes: list[Body] = [
        {"name": "hubble-ui-nginx-conf", "configMap": {"defaultMode": 0o644, "name": "hubble-ui-nginx"}},
        {"name": "tmp-dir", "emptyDir": {"sizeLimit": "256Mi"} if context.version.series >= (1, 20) else {}},
    ]
    if tls:
        items = {"tls.crt": "client.crt", "tls.key": "client.key", "ca.crt": "hubble-relay-ca.crt"}
        secret = {
            "name": settings["tls"]["client"]["existingSecret"] or "hubble-ui-client-certs",
            "items": [{"key": key, "path": path} for key, path in items.items()],
        }
        projected = {"defaultMode": 0o400, "sources": [{"secret": secret}]}
        volumes.append({"name": "hubble-ui-client-certs", "projected": projected})
    pod: Body = {
        "securityContext": settings["securityContext"],
        "priorityClassName": settings["priorityClassName"],
        "serviceAccountName": at(values, "serviceAccounts.ui.name"),
        "automountServiceAccountToken": at(values, "serviceAccounts.ui.automount"),
        "containers": [_frontend(settings["frontend"]), _backend(settings["backend"], values)],
        "nodeSelector": settings["nodeSelector"],
        "tolerations": settings["tolerations"],
        "volumes": volumes,
    }
    if settings.get("affinity"):
        pod["affinity"] = settings["affinity"]
    template: Body = {"metadata": {"labels": {**labels, **(settings.get("podLabels") or {})}}, "spec": pod}
    if settings.get("podAnnotations"):
        template["metadata"]["annotations"] = settings["podAnnotations"]
    spec = {
        "replicas": settings["replicas"],
        "selector": {"matchLabels": {"k8s-app": "hubble-ui"}},
        "strategy": settings["updateStrategy"],
        "template": template,
    }
    return context.object(
        "apps/v1", "Deployment", "hubble-ui", labels=labels, annotations=settings.get("annotations"), spec=spec
    )


def _frontend(settings: Mapping[str, Any]) -> Body:
    return {
        "name": "frontend",
        "image": image_name(settings["image"]),
        "imagePullPolicy": settings["image"]["pullPolicy"],
        "ports": [{"name": "http", "containerPort": HTTP}],
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
        "volumeMounts": [
            {**mount("hubble-ui-nginx-conf", "/etc/nginx/conf.d/default.conf"), "subPath": "nginx.conf"},
            mount("tmp-dir", "/tmp"),  # noqa: S108 - a path inside the container
        ],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **_optional(settings),
    }


def _backend(settings: Mapping[str, Any], values: Mapping[str, Any]) -> Body:
    env = [{"name": "EVENTS_SERVER_PORT", "value": str(GRPC)}]
    mounts = []
    if at(values, "hubble.relay.tls.server.enabled"):
        folder = "/var/lib/hubble-ui/certs"
        env += [
            {"name": "FLOWS_API_ADDR", "value": "hubble-relay:443"},
            {"name": "TLS_TO_RELAY_ENABLED", "value": "true"},
            {"name": "TLS_RELAY_SERVER_NAME", "value": at(values, "hubble.relay.tls.server.relayName")},
            {"name": "TLS_RELAY_CA_CERT_FILES", "value": f"{folder}/hubble-relay-ca.crt"},
            {"name": "TLS_RELAY_CLIENT_CERT_FILE", "value": f"{folder}/client.crt"},
            {"name": "TLS_RELAY_CLIENT_KEY_FILE", "value": f"{folder}/client.key"},
        ]
        mounts.append(mount("hubble-ui-client-certs", folder, read_only=True))
    else:
        env.append({"name": "FLOWS_API_ADDR", "value": "hubble-relay:80"})
    return {
        "name": "backend",
        "image": image_name(settings["image"]),
        "imagePullPolicy": settings["image"]["pullPolicy"],
        "env": [*env, *(settings.get("extraEnv") or ())],
        "ports": [{"name": "grpc", "containerPort": GRPC}],
        "volumeMounts": mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **_optional(settings),
    }


def _optional(settings: Mapping[str, Any]) -> Body:
    return {name: settings[name] for name in ("resources", "securityContext") if settings.get(name)}
