"""Everything an API server has, to compare before and after.

Left out is what a cluster changes by itself all the time: objects that belong to others (they go with their owners),
events, leases, metrics, and Cilium's identities, which its operator collects when nobody has used them for a while.
"""

from __future__ import annotations

from typing import NamedTuple

from lab_helpers.course.api import Api, Kind

LABEL = "cilium-labs/made-by=contract-tests"

_RESTLESS = {
    "events",
    "leases",
    "ciliumidentities",
    "ciliumendpointslices",
    "componentstatuses",
    "endpoints",
    "endpointslices",
}


class Entry(NamedTuple):
    """One object; the generation tells whether its specification was changed."""

    resource: str
    namespace: str
    name: str
    uid: str
    generation: int


def inventory(api: Api) -> frozenset[Entry]:
    """All listable objects of all groups."""
    found = set()
    for kind in _kinds(api):
        for item in api.read(kind.path())["items"]:
            metadata = item["metadata"]
            if metadata.get("ownerReferences") or "deletionTimestamp" in metadata:
                continue
            found.add(
                Entry(
                    f"{kind.plural}.{kind.group}".rstrip("."),
                    metadata.get("namespace", ""),
                    metadata["name"],
                    metadata.get("uid", ""),
                    metadata.get("generation", 0),
                )
            )
    return frozenset(found)


def _kinds(api: Api) -> list[Kind]:
    kinds = [*_of(api, "/api/v1", "", "v1")]
    for group in api.read("/apis")["groups"]:
        if not group["name"].startswith("metrics."):
            preferred = group["preferredVersion"]
            kinds += _of(api, f"/apis/{preferred['groupVersion']}", group["name"], preferred["version"])
    return kinds


def _of(api: Api, path: str, group: str, version: str) -> list[Kind]:
    return [
        Kind(group, version, item["name"], item["namespaced"])
        for item in api.read(path)["resources"]
        if "/" not in item["name"] and "list" in item["verbs"] and item["name"] not in _RESTLESS
    ]
