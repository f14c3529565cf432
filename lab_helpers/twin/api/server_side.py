"""PATCH with ``application/apply-patch+yaml``: server-side apply of a request."""

from __future__ import annotations

import copy
import json

from lab_helpers.twin.api.bodies import Decoded, decode_body
from lab_helpers.twin.api.calls import Call
from lab_helpers.twin.api.checking import BodyChecks, other_name, stored_resource
from lab_helpers.twin.api.patching.applying import apply_configuration
from lab_helpers.twin.api.patching.comparing import compare
from lab_helpers.twin.api.patching.field_sets import FieldSet, fields_of
from lab_helpers.twin.api.patching.managed_fields import Manager, Managers, track_update
from lab_helpers.twin.api.requests import Target
from lab_helpers.twin.api.schemas.catalog import Catalog
from lab_helpers.twin.api.schemas.decoding import list_undeclared
from lab_helpers.twin.api.schemas.shapes import Shape
from lab_helpers.twin.objects.errors import StatusError, bad_request, conflict, invalid, not_found
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Object

__all__ = ["ServerSideApply", "Written"]

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Written:
    """The stored object, whether it is new, and warnings for the client."""

    def __init__(self, item: Object, *, created: bool = False, warnings: list[str] | None = None) -> None:
        self.item = item
        self.created = created
        self.warnings = warnings or []


class ServerSideApply:
    """Applies configurations on behalf of field managers."""

    def __init__(self, registry: Registry, catalog: Catalog, checks: BodyChecks) -> None:
        self._registry = registry
        self._catalog = catalog
        self._checks = checks

    def apply(self, call: Call, target: Target) -> Written:
        """Apply the body of ``call``. Raises 400, 409 (conflicts), 422 and 500 like the real server."""
        if not call.query.text("fieldManager"):
            raise _manager_required()
        body = decode_body(call.body, "application/yaml" if not call.body.lstrip().startswith(b"{") else "")
        self._checks.identify(target, body)
        metadata = body["metadata"]
        if metadata.get("managedFields") is not None:
            raise bad_request("metadata.managedFields must be nil")
        if metadata.setdefault("name", target.name) != target.name:
            raise other_name(metadata["name"], target)
        self._checks.place(target, metadata)
        shape = self._catalog.shape(target.kind, target.version)
        configuration, warnings = self._typed_configuration(call, target, body, shape)
        resource = stored_resource(target)
        current = self._registry.find(resource, target.name, target.namespace)
        manager = Manager(call.manager, "Apply", target.api_version, target.subresource)
        now, force = self._registry.clock.timestamp(), call.query.flag("force")
        if current is None:
            if target.subresource:
                raise not_found(resource, target.name)
            if metadata.get("uid"):
                uid = metadata["uid"]
                why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                raise conflict(resource, target.name, why)
        managers = Managers((current or {}).get("metadata", {}).get("managedFields") or ())
        live = current or {"apiVersion": target.api_version, "kind": target.kind.kind, "metadata": {}}
        if current is not None and not managers.fields:
            self._before_first_apply(current, managers, target, shape, now)
        applied = apply_configuration(
            live,
            configuration,
            shape,
            managers,
            manager,
            now,
            force=force,
            has_status=target.kind.has_status,
            allowed=_applied_before(live, shape) if call.manager == "kubectl" else frozenset(),
        )
        item = copy.deepcopy(applied.item)
        if call.manager == "kubectl":
            _refresh_last_applied(item, configuration)
        item["metadata"]["managedFields"] = applied.managers.entries()
        if current is None:
            item = self._registry.create(resource, item, target.namespace, dry_run=call.dry_run)
            return Written(item, created=True, warnings=warnings)
        wanted = metadata.get("resourceVersion")
        item["metadata"]["resourceVersion"] = wanted or current["metadata"]["resourceVersion"]
        stored = self._registry.update(resource, item, subresource=target.subresource, dry_run=call.dry_run)
        return Written(stored, warnings=warnings)

    def _before_first_apply(self, current: Object, managers: Managers, target: Target, shape: Shape, now: str) -> None:
        """Fields that nobody tracked yet belong to an owner of that name."""
        before = Manager("before-first-apply", "Update", target.api_version)
        track_update(managers, {}, current, shape, before, now, has_status=target.kind.has_status)

    def _typed_configuration(self, call: Call, target: Target, body: Decoded, shape: Shape) -> tuple[Object, list[str]]:
        name = f"{target.namespace}/{target.name}; {target.api_version}, Kind={target.kind.kind}"
        found = list_undeclared(body, shape)
        if found:
            raise StatusError(500, "", f"failed to create typed patch object ({name}): {found[0]}")
        return dict(body), self._checks.strictness(call, target, [], body.duplicates)


def _manager_required() -> StatusError:
    why = "Required value: is required for apply patch"
    return invalid("PatchOptions", "meta.k8s.io", "", [("FieldValueRequired", why, "fieldManager")])


def _applied_before(live: Object, shape: Shape) -> FieldSet:
    """What ``kubectl apply`` stated before and nobody changed since: with ``--server-side`` it may take that over."""
    text = ((live.get("metadata") or {}).get("annotations") or {}).get(_LAST_APPLIED)
    try:
        before = json.loads(text) if text else None
    except ValueError:
        return frozenset()
    if not isinstance(before, dict):
        return frozenset()
    difference = compare(before, live, shape)
    return fields_of(before, shape) - difference.modified - difference.removed


def _refresh_last_applied(item: Object, configuration: Object) -> None:
    """Keep the annotation of ``kubectl apply`` in step, where there is one."""
    annotations = item["metadata"].get("annotations") or {}
    if _LAST_APPLIED in annotations:
        stated = copy.deepcopy(configuration)
        (stated["metadata"].get("annotations") or {}).pop(_LAST_APPLIED, None)
        annotations[_LAST_APPLIED] = json.dumps(stated, separators=(",", ":")) + "\n"
