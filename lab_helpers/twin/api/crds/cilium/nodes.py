"""CiliumNode and CiliumNodeConfig."""

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
    mapping,
    struct,
    text,
)
from lab_helpers.twin.api.crds.cilium.selectors import NODE_SELECTOR

__all__ = ["NODES"]

_CIDR = {"format": "cidr"}
_OWNED = struct("", owner=text("Who uses the address"), resource=text())
_PAIR = struct("", ipv4=text(), ipv6=text())
_RELEASE = enum("marked-for-release", "ready-for-release", "do-not-release", "released")


def _cidrs() -> Schema:
    return listing(text(**_CIDR))


def _alibaba() -> Schema:
    network = struct(
        "",
        cidr=text(**_CIDR),
        **{"ipv6-cidr": text(**_CIDR), "secondary-cidrs": _cidrs(), "vpc-id": text()},
    )
    switch = struct("", cidr=text(**_CIDR), **{"ipv6-cidr": text(**_CIDR), "vswitch-id": text()})
    addresses = struct("", primary=boolean(), **{"private-ip-address": text()})
    interface = struct(
        "",
        tags=mapping(text()),
        type=text(),
        vpc=network,
        vswitch=switch,
        **{
            "instance-id": text(),
            "mac-address": text(),
            "network-interface-id": text(),
            "primary-ip-address": text(),
            "private-ipsets": listing(addresses),
            "security-groupids": listing(text()),
            "zone-id": text(),
        },
    )
    return struct("", enis=mapping(interface))


def _azure() -> Schema:
    address = struct("", ip=text(), state=text(), subnet=text())
    interface = struct(
        "",
        addresses=listing(address),
        cidr=text(**_CIDR),
        gateway=text(),
        id=text(),
        ip=text(),
        mac=text(),
        name=text(),
        state=text(),
        subnet=struct("", cidr=text(**_CIDR), id=text()),
        **{"security-group": text()},
    )
    return struct("", interfaces=listing(interface))


def _eni() -> Schema:
    network = struct("", cidrs=_cidrs(), id=text(), **{"primary-cidr": text(**_CIDR)})
    interface = struct(
        "",
        addresses=listing(text()),
        description=text(),
        id=text(),
        ip=text(),
        mac=text(),
        number=integer(),
        prefixes=_cidrs(),
        subnet=struct("", cidr=text(**_CIDR), id=text()),
        tags=mapping(text()),
        vpc=network,
        **{
            "availability-zone": text(),
            "ipv6-prefixes": _cidrs(),
            "public-ip": text(),
            "security-groups": listing(text()),
        },
    )
    return struct("", enis=mapping(interface))


def _ipam_spec() -> Schema:
    allocated = struct(
        "", ("pool",), allowFirstIP=boolean(), allowLastIP=boolean(), cidrs=_cidrs(), pool=text(minLength=1)
    )
    needed = struct("", **{"ipv4-addrs": integer(), "ipv6-addrs": integer()})
    requested = struct("", ("pool",), needed=needed, pool=text(minLength=1))
    return struct(
        "Addresses for pods of this node",
        podCIDRs=listing(text(**_CIDR), "Prefixes the operator gave to this node"),
        pool=mapping(_OWNED),
        pools=struct("", allocated=listing(allocated), requested=listing(requested)),
        **{
            "ipv6-pool": mapping(_OWNED),
            "max-above-watermark": integer(minimum=0),
            "max-allocate": integer(minimum=0),
            "min-allocate": integer(minimum=0),
            "pre-allocate": integer(minimum=0),
            "static-ip-tags": mapping(text()),
        },
    )


def _spec() -> Schema:
    alibaba = {
        "availability-zone": text(),
        "cidr-block": text(**_CIDR),
        "instance-type": text(),
        "security-group-tags": mapping(text()),
        "security-groups": listing(text()),
        "vpc-id": text(),
        "vswitch-tags": mapping(text()),
        "vswitches": listing(text()),
    }
    eni = {
        "availability-zone": text(),
        "delete-on-termination": boolean(),
        "disable-prefix-delegation": boolean(),
        "exclude-interface-tags": mapping(text()),
        "first-interface-index": integer(minimum=0),
        "instance-type": text(),
        "node-subnet-id": text(),
        "security-group-tags": mapping(text()),
        "security-groups": listing(text()),
        "subnet-ids": listing(text()),
        "subnet-tags": mapping(text()),
        "use-primary-address": boolean(),
        "vpc-id": text(),
    }
    return struct(
        "",
        addresses=listing(struct("", ip=text(), type=text("InternalIP, CiliumInternalIP …")), "Addresses of the node"),
        azure=struct("", **{"interface-name": text()}),
        bootid=text("Changes with every start of the node"),
        encryption=struct("", key=integer("Index of the encryption key")),
        eni=struct("", **eni),
        health=_PAIR,
        ingress=_PAIR,
        ipam=_ipam_spec(),
        **{"alibaba-cloud": struct("", **alibaba), "instance-id": text()},
    )


def _status() -> Schema:
    ipam = struct(
        "",
        used=mapping(_OWNED, "Addresses in use"),
        **{
            "assigned-static-ip": text(),
            "ipv6-used": mapping(_OWNED),
            "operator-status": struct("", error=text()),
            "pod-cidrs": mapping(struct("", status=enum("released", "depleted", "in-use"))),
            "release-ips": mapping(_RELEASE),
            "release-ipv6s": mapping(_RELEASE),
        },
    )
    return struct("", azure=_azure(), eni=_eni(), ipam=ipam, **{"alibaba-cloud": _alibaba()})


NODES: tuple[Definition, ...] = (
    Definition(
        "CiliumNode",
        "ciliumnodes",
        {"spec": _spec(), "status": _status()},
        ("metadata", "spec"),
        ("cn", "ciliumn"),
        columns=(
            column("CiliumInternalIP", '.spec.addresses[?(@.type=="CiliumInternalIP")].ip'),
            column("InternalIP", '.spec.addresses[?(@.type=="InternalIP")].ip'),
            AGE,
        ),
        subresources={"status": {}},
        about="A node as Cilium sees it: its addresses and the addresses for its pods",
    ),
    Definition(
        "CiliumNodeConfig",
        "ciliumnodeconfigs",
        {
            "spec": struct(
                "",
                ("defaults", "nodeSelector"),
                defaults=mapping(text(), "Settings that replace those of cilium-config"),
                nodeSelector=NODE_SELECTOR,
            )
        },
        ("spec",),
        namespaced=True,
        versions=("v2", "v2alpha1"),
        about="Settings of the agent for some nodes",
    ),
)
