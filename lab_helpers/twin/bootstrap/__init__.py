"""The objects of a fresh cluster: like kind's with one control plane and two workers, without CNI and without
kube-proxy."""

from lab_helpers.twin.bootstrap.nodes import NODES, NodeSpec, node_specs
from lab_helpers.twin.bootstrap.seeding import seed
from lab_helpers.twin.bootstrap.static_pods import static_pods

__all__ = ["NODES", "NodeSpec", "node_specs", "seed", "static_pods"]
