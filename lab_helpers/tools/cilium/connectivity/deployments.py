"""What the connectivity test deploys: three clients and two servers, near and far (cilium-cli
connectivity/check/deployment.go).
"""

from typing import Any, NamedTuple

Body = dict[str, Any]


class Part(NamedTuple):
    """One Deployment: labels beside its name, whether it is a server, and whether it shares the node of ``client``."""

    name: str
    labels: dict[str, str]
    server: bool
    near: bool | None


PARTS = (
    Part("echo-same-node", {"kind": "echo", "other": "echo"}, True, True),
    Part("client", {"kind": "client"}, False, None),
    Part("client2", {"kind": "client", "other": "client"}, False, True),
    Part("client3", {"kind": "client", "other": "client-other-node"}, False, False),
    Part("echo-other-node", {"kind": "echo", "first": "echo"}, True, False),
)
PORT = 8080
HOST_PORT = 4000
"""The servers' host port in the first namespace; each further namespace has the next."""
PORT_NAME = "http-8080"


def deployment(part: Part, curl_image: str, server_image: str, host_port: int = HOST_PORT) -> Body:
    """The Deployment."""
    labels = {"name": part.name, **part.labels}
    container: Body = {"name": part.name, "imagePullPolicy": "IfNotPresent"}
    if part.server:
        container |= {
            "image": server_image,
            "env": [{"name": "PORT", "value": str(PORT)}, {"name": "NAMED_PORT", "value": PORT_NAME}],
            "ports": [{"name": PORT_NAME, "containerPort": PORT, "hostPort": host_port, "protocol": "TCP"}],
            "readinessProbe": {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 3, "timeoutSeconds": 2},
        }
    else:
        container |= {"image": curl_image, "command": ["sleep", "10000000"]}
    spec: Body = {"serviceAccountName": part.name, "containers": [container], "terminationGracePeriodSeconds": 0}
    if part.near is not None:
        term = {
            "labelSelector": {"matchExpressions": [{"key": "name", "operator": "In", "values": ["client"]}]},
            "topologyKey": "kubernetes.io/hostname",
        }
        kind = "podAffinity" if part.near else "podAntiAffinity"
        spec["affinity"] = {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": part.name, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"name": part.name}},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def account(name: str) -> Body:
    """The ServiceAccount of a workload; policies select by it."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}


HOSTS = "host-netns"


def hosts(curl_image: str) -> Body:
    """The DaemonSet whose pods are in the network of their nodes."""
    labels = {"name": HOSTS, "kind": HOSTS}
    container = {
        "name": HOSTS,
        "image": curl_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "10000000"],
    }
    spec = {
        "hostNetwork": True,
        "containers": [container],
        "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}],
        "terminationGracePeriodSeconds": 0,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": HOSTS, "labels": labels},
        "spec": {
            "selector": {"matchLabels": {"name": HOSTS}},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def service(part: Part) -> Body:
    """The Service of a server."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": part.name, "labels": {"kind": "echo"}},
        "spec": {
            "type": "NodePort",
            "selector": {"name": part.name},
            "ports": [{"name": PORT_NAME, "port": PORT, "targetPort": PORT, "protocol": "TCP"}],
        },
    }
