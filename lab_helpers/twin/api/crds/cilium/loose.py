"""Kinds that are served so that ``kubectl get`` knows them, with a spec and status that are not checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_helpers.twin.api.crds.cilium.definitions import AGE, Definition, Schema, column, enum, struct, text

__all__ = ["LOOSE"]

_FREE: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _bgp(kind: str, plural: str, short: str, subresources: Mapping[str, Any]) -> Definition:
    fields = {"spec": _FREE, "status": _FREE} if subresources else {"spec": _FREE}
    return Definition(
        kind,
        plural,
        fields,
        ("spec",),
        (short,),
        ("cilium", "ciliumbgp"),
        versions=("v2", "v2alpha1"),
        columns=(AGE,),
        subresources=subresources,
        about="Part of the BGP control plane",
    )


LOOSE: tuple[Definition, ...] = (
    _bgp("CiliumBGPAdvertisement", "ciliumbgpadvertisements", "cbgpadvert", {}),
    _bgp("CiliumBGPClusterConfig", "ciliumbgpclusterconfigs", "cbgpcluster", {"status": {}}),
    _bgp("CiliumBGPNodeConfig", "ciliumbgpnodeconfigs", "cbgpnode", {"status": {}}),
    _bgp("CiliumBGPNodeConfigOverride", "ciliumbgpnodeconfigoverrides", "cbgpnodeoverride", {}),
    _bgp("CiliumBGPPeerConfig", "ciliumbgppeerconfigs", "cbgppeer", {"status": {}}),
    Definition(
        "CiliumGatewayClassConfig",
        "ciliumgatewayclassconfigs",
        {"spec": _FREE, "status": _FREE},
        ("metadata",),
        ("cgcc",),
        namespaced=True,
        versions=("v2alpha1",),
        columns=(
            column("Accepted", '.status.conditions[?(@.type=="Accepted")].status'),
            AGE,
            column("Description", ".spec.description", priority=1),
        ),
        subresources={"status": {}},
        about="Settings of a GatewayClass",
    ),
    Definition(
        "CiliumDatapathPlugin",
        "ciliumdatapathplugins",
        {
            "spec": struct(
                "", ("attachmentPolicy", "version"), attachmentPolicy=enum("Always", "BestEffort"), version=text()
            )
        },
        ("spec",),
        ("cddp",),
        versions=("v2alpha1",),
        about="A program that joins the datapath",
    ),
)
