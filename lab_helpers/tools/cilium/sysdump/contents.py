"""What a sysdump holds: names of its files, as the real one's, and where each comes from."""

from typing import NamedTuple


class Listing(NamedTuple):
    """A kind of object, all of it. ``title`` is said while it is collected; "" in `group` is the core API."""

    title: str
    file: str
    group: str
    plural: str


class Single(NamedTuple):
    """One object in Cilium's namespace."""

    title: str
    file: str
    group: str
    plural: str
    name: str


_V2, _V2ALPHA = "cilium.io/v2", "cilium.io/v2alpha1"

LISTINGS: tuple[Listing, ...] = (
    Listing("Kubernetes nodes", "kubernetes-nodes", "v1", "nodes"),
    Listing("Kubernetes events", "kubernetes-events", "v1", "events"),
    Listing("Kubernetes namespaces", "kubernetes-namespaces", "v1", "namespaces"),
    Listing("Kubernetes pods", "kubernetes-pods", "v1", "pods"),
    Listing("Kubernetes services", "kubernetes-services", "v1", "services"),
    Listing("Kubernetes endpoints", "kubernetes-endpoints", "v1", "endpoints"),
    Listing("Kubernetes endpoint slices", "kubernetes-endpointslices", "discovery.k8s.io/v1", "endpointslices"),
    Listing("Kubernetes leases", "kubernetes-leases", "coordination.k8s.io/v1", "leases"),
    Listing("Kubernetes network policies", "kubernetes-networkpolicies", "networking.k8s.io/v1", "networkpolicies"),
    Listing("Kubernetes daemonsets", "kubernetes-daemonsets", "apps/v1", "daemonsets"),
    Listing("Kubernetes deployments", "kubernetes-deployments", "apps/v1", "deployments"),
    Listing("Kubernetes replicasets", "kubernetes-replicasets", "apps/v1", "replicasets"),
    Listing(
        "Kubernetes custom resource definitions",
        "kubernetes-customresourcedefinitions",
        "apiextensions.k8s.io/v1",
        "customresourcedefinitions",
    ),
    Listing("Cilium network policies", "ciliumnetworkpolicies", _V2, "ciliumnetworkpolicies"),
    Listing(
        "Cilium cluster-wide network policies",
        "ciliumclusterwidenetworkpolicies",
        _V2,
        "ciliumclusterwidenetworkpolicies",
    ),
    Listing("Cilium endpoints", "ciliumendpoints", _V2, "ciliumendpoints"),
    Listing("Cilium endpoint slices", "ciliumendpointslices", _V2ALPHA, "ciliumendpointslices"),
    Listing("Cilium identities", "ciliumidentities", _V2, "ciliumidentities"),
    Listing("Cilium nodes", "ciliumnodes", _V2, "ciliumnodes"),
    Listing("Cilium CIDR groups", "ciliumcidrgroups", _V2, "ciliumcidrgroups"),
    Listing("Cilium egress gateway policies", "ciliumegressgatewaypolicies", _V2, "ciliumegressgatewaypolicies"),
    Listing("Cilium local redirect policies", "ciliumlocalredirectpolicies", _V2, "ciliumlocalredirectpolicies"),
    Listing("Cilium LoadBalancer IP pools", "ciliumloadbalancerippools", _V2, "ciliumloadbalancerippools"),
)

SINGLES: tuple[Single, ...] = (
    Single("Cilium configuration", "cilium-configmap", "v1", "configmaps", "cilium-config"),
    Single("Cilium daemonset", "cilium-daemonset", "apps/v1", "daemonsets", "cilium"),
    Single("Cilium Envoy daemonset", "cilium-envoy-daemonset", "apps/v1", "daemonsets", "cilium-envoy"),
    Single("Cilium operator deployment", "cilium-operator-deployment", "apps/v1", "deployments", "cilium-operator"),
    Single("Hubble Relay deployment", "hubble-relay-deployment", "apps/v1", "deployments", "hubble-relay"),
    Single("Hubble UI deployment", "hubble-ui-deployment", "apps/v1", "deployments", "hubble-ui"),
    Single("Hubble Relay configuration", "hubble-relay-configmap", "v1", "configmaps", "hubble-relay-config"),
)

LOGGED: tuple[tuple[str, str], ...] = (
    ("Cilium", "k8s-app=cilium"),
    ("Cilium Envoy", "k8s-app=cilium-envoy"),
    ("Cilium operator", "name=cilium-operator"),
    ("Hubble Relay", "k8s-app=hubble-relay"),
    ("Hubble UI", "k8s-app=hubble-ui"),
    ("CoreDNS", "k8s-app=kube-dns"),
)
"""Whose logs are collected, and by which label they are found."""

BUGTOOL: tuple[str, ...] = (
    "cilium-dbg status --verbose",
    "cilium-dbg version",
    "cilium-dbg config -a",
    "cilium-dbg endpoint list",
    "cilium-dbg endpoint list -o json",
    "cilium-dbg identity list",
    "cilium-dbg policy get",
    "cilium-dbg policy selectors -o json",
    "cilium-dbg service list",
    "cilium-dbg ip list -n -o json",
    "cilium-dbg node list -o json",
    "cilium-dbg map list --verbose",
    "cilium-dbg fqdn cache list",
    "cilium-dbg metrics list",
    "cilium-dbg bpf lb list",
    "cilium-dbg bpf ct list global",
    "cilium-dbg bpf nat list",
    "cilium-dbg bpf ipcache list",
    "cilium-dbg bpf endpoint list",
    "cilium-dbg bpf tunnel list",
    "cilium-dbg bpf metrics list",
    "cilium-dbg bpf policy get --all --numeric",
    "iptables-save -c",
)
"""What an agent is asked by ``cilium-bugtool``, as far as it stands in one container."""
