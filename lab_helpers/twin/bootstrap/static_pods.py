"""The control plane's static pods, as kubeadm writes them. Their programs are in
:mod:`lab_helpers.twin.containers`."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from lab_helpers.twin.bootstrap.nodes import KUBERNETES, NodeSpec
from lab_helpers.twin.objects.storage import Object

__all__ = ["COMPONENTS", "Component", "static_pods"]

ETCD = "3.6.5-0"


class Component(NamedTuple):
    """One program of the control plane. ``{ip}`` and ``{node}`` in flags stand for the node's address and name."""

    name: str
    image: str
    flags: tuple[str, ...]
    cpu: str
    memory: str = ""


COMPONENTS = (
    Component(
        "etcd",
        f"registry.k8s.io/etcd:{ETCD}",
        (
            "--advertise-client-urls=https://{ip}:2379",
            "--client-cert-auth=true",
            "--data-dir=/var/lib/etcd",
            "--initial-advertise-peer-urls=https://{ip}:2380",
            "--initial-cluster={node}=https://{ip}:2380",
            "--listen-client-urls=https://127.0.0.1:2379,https://{ip}:2379",
            "--listen-peer-urls=https://{ip}:2380",
            "--name={node}",
        ),
        "100m",
        "100Mi",
    ),
    Component(
        "kube-apiserver",
        f"registry.k8s.io/kube-apiserver:{KUBERNETES}",
        (
            "--advertise-address={ip}",
            "--allow-privileged=true",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--etcd-servers=https://127.0.0.1:2379",
            "--secure-port=6443",
            "--service-cluster-ip-range=10.96.0.0/16",
        ),
        "250m",
    ),
    Component(
        "kube-controller-manager",
        f"registry.k8s.io/kube-controller-manager:{KUBERNETES}",
        (
            "--allocate-node-cidrs=true",
            "--cluster-cidr=10.244.0.0/16",
            "--cluster-name=cilium-labs",
            "--controllers=*,bootstrapsigner,tokencleaner",
            "--leader-elect=true",
            "--service-cluster-ip-range=10.96.0.0/16",
        ),
        "200m",
    ),
    Component(
        "kube-scheduler",
        f"registry.k8s.io/kube-scheduler:{KUBERNETES}",
        ("--bind-address=127.0.0.1", "--kubeconfig=/etc/kubernetes/scheduler.conf", "--leader-elect=true"),
        "100m",
    ),
)


def static_pods(node: NodeSpec) -> list[Object]:
    """Pod bodies for ``controllers.Manager(static_pods=…)``; none for a worker."""
    return [_pod(component, node) for component in COMPONENTS] if node.control_plane else []


def _pod(component: Component, node: NodeSpec) -> Object:
    command = [component.name, *(flag.format(ip=node.ip, node=node.name) for flag in component.flags)]
    digest = hashlib.md5(" ".join(command).encode(), usedforsecurity=False).hexdigest()
    requests = {"cpu": component.cpu, **({"memory": component.memory} if component.memory else {})}
    container: dict[str, Any] = {
        "name": component.name,
        "image": component.image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "resources": {"requests": requests},
    }
    annotations = {
        "kubernetes.io/config.hash": digest,
        "kubernetes.io/config.mirror": digest,
        "kubernetes.io/config.source": "file",
    }
    if component.name == "kube-apiserver":
        annotations["kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint"] = f"{node.ip}:6443"
    return {
        "metadata": {
            "name": f"{component.name}-{node.name}",
            "namespace": "kube-system",
            "labels": {"component": component.name, "tier": "control-plane"},
            "annotations": annotations,
        },
        "spec": {
            "containers": [container],
            "dnsPolicy": "ClusterFirst",
            "enableServiceLinks": True,
            "hostNetwork": True,
            "nodeName": node.name,
            "priority": 2_000_001_000,
            "priorityClassName": "system-node-critical",
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "terminationGracePeriodSeconds": 30,
            "tolerations": [{"effect": "NoExecute", "operator": "Exists"}],
        },
    }
