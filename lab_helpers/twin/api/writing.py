"""Create, replace, patch and delete."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, cast

from lab_helpers.twin.api.bodies import Decoded, decode_body, unsupported_media_type
from lab_helpers.twin.api.calls import Call
from lab_helpers.twin.api.checking import BodyChecks, other_name, stored_resource
from lab_helpers.twin.api.listing import Selection
from lab_helpers.twin.api.patching.json_patches import json_patch
from lab_helpers.twin.api.patching.merging import merge_patch
from lab_helpers.twin.api.patching.strategic import strategic_merge
from lab_helpers.twin.api.requests import Target
from lab_helpers.twin.api.schemas.catalog import Catalog
from lab_helpers.twin.api.server_side import ServerSideApply, Written
from lab_helpers.twin.objects.errors import bad_request, conflict, invalid
from lab_helpers.twin.objects.registry import Propagation, Registry
from lab_helpers.twin.objects.storage import Object

__all__ = ["Writer", "Written"]


class Writer:
    """Writes on behalf of clients."""

    def __init__(self, registry: Registry, catalog: Catalog) -> None:
        self._registry = registry
        self._catalog = catalog
        self._checks = BodyChecks(catalog)
        self._server_side = ServerSideApply(registry, catalog, self._checks)

    def create(self, call: Call, target: Target) -> Written:
        """POST on a collection."""
        body, warnings = self._checks.decode(call, target)
        resource = stored_resource(target)
        item = self._registry.create(
            resource, body, target.namespace, dry_run=call.dry_run, manager=call.manager, api_version=target.api_version
        )
        return Written(item, created=True, warnings=warnings)

    def replace(self, call: Call, target: Target) -> Written:
        """PUT on an object or its ``status``."""
        body, warnings = self._checks.decode(call, target)
        metadata = body["metadata"]
        if not metadata.get("name"):
            metadata["name"] = target.name
        if metadata["name"] != target.name:
            raise other_name(metadata["name"], target)
        self._checks.place(target, metadata)
        if target.kind.custom and not metadata.get("resourceVersion"):
            self._registry.get(stored_resource(target), target.name, target.namespace)
            cause = (
                "FieldValueInvalid",
                "Invalid value: 0: must be specified for an update",
                "metadata.resourceVersion",
            )
            raise invalid(target.kind.kind, target.kind.group, target.name, [cause])
        return Written(self._update(call, target, body), warnings=warnings)

    def patch(self, call: Call, target: Target) -> Written:
        """PATCH on an object or a subresource."""
        kind = call.content_type
        resource = stored_resource(target)
        if kind in ("application/apply-patch+yaml", "application/apply-patch+cbor"):
            return self._server_side.apply(call, target)
        current = self._registry.get(resource, target.name, target.namespace)
        change = self._patcher(kind, call, target)
        patched = change(current)
        if not isinstance(patched.get("metadata"), dict):
            patched["metadata"] = {}
        checked, warnings = self._checks.check(call, target, Decoded(patched))
        metadata = checked["metadata"]
        if metadata.get("name") != target.name:
            raise other_name(metadata.get("name", ""), target)
        return Written(self._update(call, target, checked), warnings=warnings)

    def delete(self, call: Call, target: Target) -> Object:
        """DELETE on an object: the object while something holds it, else a Success Status."""
        options = _delete_options(call)
        resource = stored_resource(target)
        before = self._registry.get(resource, target.name, target.namespace)
        item = self._delete(resource, before, options, call)
        gone = call.dry_run or self._registry.find(resource, target.name, target.namespace) is None
        if not gone or resource in ("pods", "namespaces") or target.kind.resource in _RETURNED:
            return item
        details = {"name": target.name, "group": target.kind.group, "kind": target.kind.plural}
        details["uid"] = item["metadata"]["uid"]
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {key: value for key, value in details.items() if value},
        }

    def delete_collection(self, call: Call, target: Target, selection: Selection) -> list[Object]:
        """DELETE on a collection; returns what was selected."""
        options = _delete_options(call)
        resource = stored_resource(target)
        chosen = [item for item in self._registry.list(resource, target.namespace) if selection(item)]
        return [self._delete(resource, item, options, call) for item in chosen]

    def _delete(self, resource: str, item: Object, options: dict[str, Any], call: Call) -> Object:
        metadata = item["metadata"]
        conditions = options.get("preconditions") or {}
        wanted = conditions.get("resourceVersion")
        if wanted and wanted != metadata["resourceVersion"]:
            why = (
                f"Precondition failed: ResourceVersion in precondition: {wanted}, "
                f"ResourceVersion in object meta: {metadata['resourceVersion']}"
            )
            raise conflict(resource, metadata["name"], why)
        return self._registry.delete(
            resource,
            metadata["name"],
            metadata.get("namespace", ""),
            propagation=cast("Propagation", options.get("propagationPolicy") or _default_propagation(options)),
            grace=options.get("gracePeriodSeconds"),
            uid=conditions.get("uid"),
            dry_run=call.dry_run,
        )

    def _update(self, call: Call, target: Target, body: Object) -> Object:
        return self._registry.update(
            stored_resource(target),
            body,
            subresource=target.subresource,
            dry_run=call.dry_run,
            manager=call.manager,
            api_version=target.api_version,
        )

    def _patcher(self, kind: str, call: Call, target: Target) -> Callable[[Object], Object]:
        if kind == "application/json-patch+json":
            return lambda current: json_patch(current, call.body)
        strategic = kind == "application/strategic-merge-patch+json" and not target.kind.custom
        if not strategic and kind != "application/merge-patch+json":
            accepted = ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"]
            if not target.kind.custom:
                accepted.append("application/strategic-merge-patch+json")
            raise unsupported_media_type(kind, accepted)
        patch = _patch_object(call)
        if strategic:
            shape = self._catalog.shape(target.kind)
            return lambda current: copy.deepcopy(strategic_merge(current, patch, shape))
        return lambda current: copy.deepcopy(merge_patch(current, patch))


_RETURNED = ("persistentvolumeclaims", "persistentvolumes", "services", "serviceaccounts")


def _default_propagation(options: dict[str, Any]) -> str:
    return "Orphan" if options.get("orphanDependents") else "Background"


def _delete_options(call: Call) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if call.body.strip():
        options = dict(decode_body(call.body, call.content_type))
    grace = call.query.number("gracePeriodSeconds")
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    if policy := call.query.text("propagationPolicy"):
        options["propagationPolicy"] = policy
    if call.query.flag("orphanDependents"):
        options["orphanDependents"] = True
    policy = options.get("propagationPolicy") or "Background"
    if policy not in ("Background", "Foreground", "Orphan"):
        why = f'Unsupported value: "{policy}": supported values: "Foreground", "Background", "Orphan", "nil"'
        raise invalid("DeleteOptions", "meta.k8s.io", "", [("FieldValueNotSupported", why, "propagationPolicy")])
    if "All" in (options.get("dryRun") or ()):
        call.query.set("dryRun", "All")
    return options


def _json_name(value: object) -> str:
    """As Go's encoding/json names what is no object."""
    names = {str: "string", list: "array", bool: "bool"}
    return names.get(type(value), "number")


def _patch_object(call: Call) -> dict[str, Any]:
    try:
        patch = json.loads(call.body)
    except ValueError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    if patch is None:
        return {}  # Go reads null as a map with nothing in it
    if not isinstance(patch, dict):
        raise bad_request(f"json: cannot unmarshal {_json_name(patch)} into Go value of type map[string]interface {{}}")
    return patch
