"""The check before an upgrade: a DaemonSet that pulls the new image on every node, a Deployment that validates
policies.

Follows templates/cilium-preflight.
"""

from __future__ import annotations

from lab_helpers.tools.charts.cilium.accounts import preflight_accounts
from lab_helpers.tools.charts.cilium.checks import at
from lab_helpers.tools.charts.cilium.configs import envoy_runs_apart
from lab_helpers.tools.charts.cilium.shapes import Body, Context, field_env, host_path, image_name, mount
from lab_helpers.tools.charts.rendering import Manifest

__all__ = ["preflight"]

NAME = "cilium-pre-flight-check"
SERVICE_LABEL = {"kubernetes.io/cluster-service": "true"}


def preflight(context: Context) -> list[Manifest]:
    """Account, DaemonSet and (``preflight.validateCNPs``) Deployment."""
    folder = "cilium/templates/cilium-preflight"
    found = [*preflight_accounts(context), Manifest(f"{folder}/daemonset.yaml", _daemonset(context))]
    if at(context.values, "preflight.validateCNPs"):
        found.append(Manifest(f"{folder}/deployment.yaml", _deployment(context)))
    return found


def _ready(path: str, initial: int, period: int) -> Body:
    return {"exec": {"command": ["cat", path]}, "initialDelaySeconds": initial, "periodSeconds": period}


def _waiter(context: Context, name: str, image: str) -> Body:
    settings = context.values["preflight"]
    path = "/tmp/ready"  # noqa: S108 - a path inside the container
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": settings["image"]["pullPolicy"],
        "command": ["/bin/sh"],
        "args": ["-c", f"touch {path}; sleep 1h"],
        "livenessProbe": _ready(path, 5, 5),
        "readinessProbe": _ready(path, 5, 5),
        "securityContext": settings["securityContext"],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _pod(context: Context, priority: str) -> Body:
    values, settings = context.values, context.values["preflight"]
    pod: Body = {
        "affinity": settings["affinity"],
        "hostNetwork": True,
        "restartPolicy": "Always",
        "priorityClassName": settings["priorityClassName"] or priority,
        "serviceAccountName": at(values, "serviceAccounts.preflight.name"),
        "automountServiceAccountToken": at(values, "serviceAccounts.preflight.automount"),
        "terminationGracePeriodSeconds": settings["terminationGracePeriodSeconds"],
        "nodeSelector": settings["nodeSelector"],
        "tolerations": settings["tolerations"],
    }
    if context.version.series >= (1, 20):
        pod["hostUsers"] = True
    return pod


def _daemonset(context: Context) -> Body:
    values, settings = context.values, context.values["preflight"]
    run = at(values, "daemon.runPath")
    image = image_name(settings["image"])
    first = {
        **_waiter(context, NAME, image),
        "env": [field_env("K8S_NODE_NAME", "spec.nodeName"), *(settings.get("extraEnv") or ())],
        "volumeMounts": [mount("cilium-run", "/var/run/cilium")],
    }
    containers = [first]
    volumes = [host_path("cilium-run", "/var/run/cilium"), host_path("bpf-maps", "/sys/fs/bpf")]
    if envoy_runs_apart(values):
        second = _waiter(context, "cilium-pre-flight-envoy", image_name(settings["envoy"]["image"]))
        second["volumeMounts"] = [
            mount("envoy-sockets", "/var/run/cilium/envoy/sockets", read_only=False),
            mount("envoy-artifacts", "/var/run/cilium/envoy/artifacts", read_only=True),
        ]
        containers.append(second)
        volumes += [
            host_path("envoy-sockets", f"{run}/envoy/sockets"),
            host_path("envoy-artifacts", f"{run}/envoy/artifacts"),
        ]
    greeting = {
        "name": "clean-cilium-state",
        "image": image,
        "imagePullPolicy": settings["image"]["pullPolicy"],
        "command": ["/bin/echo"],
        "args": ["hello"],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    pod = {
        **_pod(context, "system-node-critical"),
        "initContainers": [greeting],
        "containers": containers,
        "dnsPolicy": "ClusterFirstWithHostNet",
        "volumes": volumes,
    }
    labels = {**context.labels(NAME, k8s_app=NAME), **SERVICE_LABEL}
    annotations = {"kubectl.kubernetes.io/default-container": NAME, **(settings.get("podAnnotations") or {})}
    spec = {
        "selector": {"matchLabels": {"k8s-app": NAME, **SERVICE_LABEL}},
        "template": {"metadata": {"annotations": annotations, "labels": labels}, "spec": pod},
    }
    return context.object("apps/v1", "DaemonSet", NAME, annotations=settings.get("annotations"), spec=spec)


def _deployment(context: Context) -> Body:
    settings = context.values["preflight"]
    done = "/tmp/ready-validate-cnp"  # noqa: S108 - a path inside the container
    timing = settings["readinessProbe"]
    container: Body = {
        "name": "cnp-validator",
        "image": image_name(settings["image"]),
        "imagePullPolicy": settings["image"]["pullPolicy"],
        "command": ["/bin/sh"],
        "args": ["-ec", f"cilium-dbg preflight validate-cnp; touch {done}; sleep 1h;"],
        "readinessProbe": _ready(done, timing["initialDelaySeconds"], timing["periodSeconds"]),
        "env": [*context.api_server_env(), *(settings.get("extraEnv") or ())],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    app = f"{NAME}-deployment"
    labels = {**context.labels(NAME, k8s_app=app), **SERVICE_LABEL}
    pod = {**_pod(context, "system-cluster-critical"), "containers": [container]}
    spec = {
        "selector": {"matchLabels": {"k8s-app": app, **SERVICE_LABEL}},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return context.object("apps/v1", "Deployment", NAME, labels=context.labels(NAME), spec=spec)
