"""Pods made from a template, and the hashes that name a template's revision (kubernetes
pkg/controller/controller_utils.go)."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from lab_helpers.twin.controllers.references import owner_reference
from lab_helpers.twin.objects.storage import Object

__all__ = ["pod_from_template", "template_hash"]

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: Mapping[str, Any], collisions: int = 0) -> str:
    """Up to ten letters and digits that are the same for equal templates: FNV-1a, written in the alphabet of
    generated names."""
    value = 0x811C9DC5
    for byte in (json.dumps(template, sort_keys=True) + (str(collisions) if collisions else "")).encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(value))


def pod_from_template(
    owner: Object,
    template: Mapping[str, Any],
    *,
    name: str = "",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Object:
    """A Pod body, controlled by ``owner``; without ``name`` the registry completes ``<owner>-``."""
    source = template.get("metadata") or {}
    metadata: dict[str, Any] = {
        "namespace": owner["metadata"]["namespace"],
        "labels": {**(source.get("labels") or {}), **(labels or {})},
        "ownerReferences": [owner_reference(owner)],
    }
    if source.get("annotations") or annotations:
        metadata["annotations"] = {**(source.get("annotations") or {}), **(annotations or {})}
    if source.get("finalizers"):
        metadata["finalizers"] = list(source["finalizers"])
    if name:
        metadata["name"] = name
    else:
        metadata["generateName"] = owner["metadata"]["name"] + "-"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": copy.deepcopy(dict(template.get("spec") or {})),
    }
