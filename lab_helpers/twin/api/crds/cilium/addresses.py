"""CiliumLoadBalancerIPPool, CiliumPodIPPool and CiliumL2AnnouncementPolicy."""

from __future__ import annotations

from lab_helpers.twin.api.crds.cilium.definitions import (
    AGE,
    Definition,
    Schema,
    boolean,
    column,
    enum,
    integer,
    listing,
    struct,
    text,
)
from lab_helpers.twin.api.crds.cilium.selectors import CONDITIONS, selector

__all__ = ["ADDRESSES"]


def _frozen(name: str) -> dict[str, list[dict[str, str]]]:
    return {"x-kubernetes-validations": [{"message": f"{name} is immutable", "rule": "self == oldSelf"}]}


def _family(most: int) -> Schema:
    return struct(
        "",
        ("cidrs", "maskSize"),
        cidrs=listing(text(format="cidr"), "Prefixes of the pool", minItems=1),
        maskSize=integer("Size of the part one node gets", maximum=most, minimum=1, **_frozen("maskSize")),
    )


_STATUS = struct("", conditions=CONDITIONS)
ADDRESSES: tuple[Definition, ...] = (
    Definition(
        "CiliumLoadBalancerIPPool",
        "ciliumloadbalancerippools",
        {
            "spec": struct(
                "",
                allowFirstLastIPs=enum("Yes", "No", about="Whether the first and last address of a prefix are used"),
                blocks=listing(
                    struct("", cidr=text(format="cidr"), start=text(), stop=text()), "Addresses of the pool"
                ),
                disabled=boolean("Give out no more addresses", default=False),
                serviceSelector=selector("Which services get an address from here"),
            ),
            "status": _STATUS,
        },
        ("metadata", "spec"),
        ("ippools", "ippool", "lbippool", "lbippools"),
        versions=("v2", "v2alpha1"),
        columns=(
            column("Disabled", ".spec.disabled", "boolean"),
            column("Conflicting", '.status.conditions[?(@.type=="cilium.io/PoolConflict")].status'),
            column("IPs Available", '.status.conditions[?(@.type=="cilium.io/IPsAvailable")].message'),
            AGE,
        ),
        subresources={"status": {}},
        about="Addresses for services of type LoadBalancer",
    ),
    Definition(
        "CiliumPodIPPool",
        "ciliumpodippools",
        {
            "spec": struct(
                "",
                allowFirstIP=boolean("Use the first address", default=False, **_frozen("allowFirstIP")),
                allowLastIP=boolean("Use the last address", default=False, **_frozen("allowLastIP")),
                ipv4=_family(32),
                ipv6=_family(128),
                namespaceSelector=selector("Namespaces that use this pool"),
                podSelector=selector("Pods that use this pool"),
            )
        },
        ("spec",),
        ("cpip",),
        versions=("v2alpha1",),
        about="A pool of pod addresses",
    ),
    Definition(
        "CiliumL2AnnouncementPolicy",
        "ciliuml2announcementpolicies",
        {
            "spec": struct(
                "",
                externalIPs=boolean("Announce externalIPs of services"),
                interfaces=listing(text(), "Expressions for interfaces to announce on"),
                loadBalancerIPs=boolean("Announce load balancer addresses of services"),
                nodeSelector=selector("Nodes that may announce"),
                serviceSelector=selector("Services to announce"),
            ),
            "status": _STATUS,
        },
        ("metadata",),
        ("l2announcement",),
        versions=("v2alpha1",),
        columns=(AGE,),
        subresources={"status": {}},
        about="Who answers ARP and NDP for addresses of services",
    ),
)
