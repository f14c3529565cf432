"""The CustomResourceDefinitions of cilium.io, as the operator registers them (Cilium pkg/k8s/apis/cilium.io).

``cilium_crds("1.20.2")`` gives the objects to create. Field names, enums, patterns, limits and columns are Cilium's;
the descriptions are ours. The kinds in ``LOOSE`` (BGP, gateway classes) are served with a spec that is not checked: the
twin does not act on them.
"""

from __future__ import annotations

from typing import Any

from lab_helpers.twin.api.crds.cilium.addresses import ADDRESSES
from lab_helpers.twin.api.crds.cilium.definitions import (
    EARLIER_SCHEMA_VERSION,
    SCHEMA_VERSION,
    Definition,
    render,
)
from lab_helpers.twin.api.crds.cilium.endpoints import ENDPOINTS
from lab_helpers.twin.api.crds.cilium.loose import LOOSE
from lab_helpers.twin.api.crds.cilium.nodes import NODES
from lab_helpers.twin.api.crds.cilium.policies import policy_definitions
from lab_helpers.twin.api.crds.cilium.redirects import REDIRECTS

__all__ = ["cilium_crds"]


def cilium_crds(version: str) -> list[dict[str, Any]]:
    """The definitions of a Cilium version such as ``1.20.2``, in name order."""
    major, minor = (int(part) for part in version.removeprefix("v").split(".")[:2])
    found: list[Definition] = [*policy_definitions((major, minor)), *ENDPOINTS, *NODES, *ADDRESSES, *REDIRECTS, *LOOSE]
    if (major, minor) < (1, 20):
        found = [definition for definition in found if definition.kind != "CiliumDatapathPlugin"]
    schema_version = SCHEMA_VERSION if (major, minor) >= (1, 20) else EARLIER_SCHEMA_VERSION
    crds = [render(definition, schema_version) for definition in found]
    return sorted(crds, key=lambda crd: str(crd["metadata"]["name"]))
