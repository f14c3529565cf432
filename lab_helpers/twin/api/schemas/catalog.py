"""Every kind's shape, built-in or custom, and the CRD behind a custom kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_helpers.twin.api.schemas.builtin import builtin_shape
from lab_helpers.twin.api.schemas.custom import custom_shape
from lab_helpers.twin.api.schemas.shapes import ANY, Shape
from lab_helpers.twin.objects.kinds import Kind
from lab_helpers.twin.objects.registry import Registry

__all__ = ["Catalog"]

_CRDS = "customresourcedefinitions.apiextensions.k8s.io"


class Catalog:
    """Looks kinds up; shapes of custom kinds are kept until their CRD changes."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._shapes: dict[tuple[str, str], tuple[str, Shape]] = {}

    def definition(self, kind: Kind) -> Mapping[str, Any] | None:
        """The CustomResourceDefinition of a custom kind."""
        return self._registry.find(_CRDS, kind.resource)

    def version(self, kind: Kind, version: str) -> Mapping[str, Any] | None:
        """One version of it: schema, columns, subresources."""
        crd = self.definition(kind)
        versions = crd["spec"]["versions"] if crd else ()
        return next((entry for entry in versions if entry["name"] == version), None)

    def schema(self, kind: Kind, version: str) -> Mapping[str, Any] | None:
        """The OpenAPI schema of a custom kind's version."""
        found = self.version(kind, version)
        return ((found or {}).get("schema") or {}).get("openAPIV3Schema")

    def shape(self, kind: Kind, version: str = "") -> Shape:
        """The shape of a kind; free JSON when nothing is known."""
        if not kind.custom:
            return builtin_shape("" if kind.stored_as else kind.group, kind.kind) or ANY
        version = version or kind.version
        crd = self.definition(kind)
        if crd is None:
            return ANY
        stamp = crd["metadata"]["resourceVersion"]
        kept = self._shapes.get((kind.resource, version))
        if kept is None or kept[0] != stamp:
            kept = (stamp, custom_shape(self.schema(kind, version), kind.kind))
            self._shapes[kind.resource, version] = kept
        return kept[1]
