"""The kubelet of every node: runs the pods bound to it by way of the container runtime, reports on them and on the
node."""

from lab_helpers.twin.controllers.kubelet.kubelets import Kubelets
from lab_helpers.twin.controllers.kubelet.static_pods import StaticPods

__all__ = ["Kubelets", "StaticPods"]
