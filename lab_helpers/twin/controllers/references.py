"""Owner references: who made an object, and who is responsible for it (k8s.io/apimachinery pkg/apis/meta/v1
controller_ref.go)."""

from __future__ import annotations

from typing import Any

from lab_helpers.twin.objects.storage import Object

__all__ = ["controller_of", "owner_reference", "owner_uids"]


def controller_of(item: Object) -> dict[str, Any] | None:
    """The owner reference with ``controller: true``, if any."""
    for reference in item["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            found: dict[str, Any] = reference
            return found
    return None


def owner_uids(item: Object) -> list[str]:
    """The uids of all owners."""
    return [reference["uid"] for reference in item["metadata"].get("ownerReferences") or ()]


def owner_reference(owner: Object) -> dict[str, Any]:
    """The reference that makes ``owner`` the controller of an object."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
