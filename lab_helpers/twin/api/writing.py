"""Create, replace, patch and delete."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any, cast

from lab_helpers.twin.api.bodies import Decoded, decode_body, unsupported_media_type
from lab_helpers.twin.api.calls import Call
from lab_helpers.twin.api.event_groups import from_events_group
from lab_helpers.twin.api.listing import Selection
from lab_helpers.twin.api.patching.applying import apply_configuration
from lab_helpers.twin.api.patching.comparing import compare
from lab_helpers.twin.api.patching.field_sets import FieldSet, fields_of
from lab_helpers.twin.api.patching.json_patches import json_patch
from lab_helpers.twin.api.patching.managed_fields import Manager, Managers, track_update
from lab_helpers.twin.api.patching.merging import merge_patch
from lab_helpers.twin.api.patching.strategic import go_text, strategic_merge
from lab_helpers.twin.api.requests import Target
from lab_helpers.twin.api.schemas.catalog import Catalog
from lab_helpers.twin.api.schemas.decoding import DecodeError, list_undeclared, read
from lab_helpers.twin.api.schemas.shapes import Shape
from lab_helpers.twin.objects.errors import StatusError, bad_request, conflict, invalid, not_found
from lab_helpers.twin.objects.registry import Propagation, Registry
from lab_helpers.twin.objects.storage import Object

__all__ = ["Writer", "Written"]


class Written:
    """The stored object, whether it is new, and warnings for the client."""

    def __init__(self, item: Object, *, created: bool = False, warnings: list[str] | None = None) -> None:
        self.item = item
        self.created = created
        self.warnings = warnings or []


class Writer:
    """Writes on behalf of clients."""

    def __init__(self, registry: Registry, catalog: Catalog) -> None:
        self._registry = registry
        self._catalog = catalog

    def create(self, call: Call, target: Target) -> Written:
        """POST on a collection."""
        body, warnings = self._decode(call, target)
        resource = _stored(target)
        item = self._registry.create(
            resource, body, target.namespace, dry_run=call.dry_run, manager=call.manager, api_version=target.api_version
        )
        return Written(item, created=True, warnings=warnings)

    def replace(self, call: Call, target: Target) -> Written:
        """PUT on an object or its ``status``."""
        body, warnings = self._decode(call, target)
        metadata = body["metadata"]
        if not metadata.get("name"):
            metadata["name"] = target.name
        if metadata["name"] != target.name:
            raise _other_name(metadata["name"], target)
        self._place(target, metadata)
        if target.kind.custom and not metadata.get("resourceVersion"):
            self._registry.get(_stored(target), target.name, target.namespace)
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
        resource = _stored(target)
        if kind in ("application/apply-patch+yaml", "application/apply-patch+cbor"):
            return self._apply(call, target)
        current = self._registry.get(resource, target.name, target.namespace)
        change = self._patcher(kind, call, target)
        patched = change(current)
        if not isinstance(patched.get("metadata"), dict):
            patched["metadata"] = {}
        checked, warnings = self._check(call, target, Decoded(patched))
        metadata = checked["metadata"]
        if metadata.get("name") != target.name:
            raise _other_name(metadata.get("name", ""), target)
        return Written(self._update(call, target, checked), warnings=warnings)

    def delete(self, call: Call, target: Target) -> Object:
        """DELETE on an object: the object while something holds it, else a Success Status."""
        options = _delete_options(call)
        resource = _stored(target)
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
        resource = _stored(target)
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
            _stored(target),
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

    def _apply(self, call: Call, target: Target) -> Written:
        """Server-side apply."""
        if not call.query.text("fieldManager"):
            raise _manager_required()
        body = decode_body(call.body, "application/yaml" if not call.body.lstrip().startswith(b"{") else "")
        self._identify(target, body)
        metadata = body["metadata"]
        if metadata.get("managedFields") is not None:
            raise bad_request("metadata.managedFields must be nil")
        if metadata.setdefault("name", target.name) != target.name:
            raise _other_name(metadata["name"], target)
        self._place(target, metadata)
        shape = self._catalog.shape(target.kind, target.version)
        configuration, warnings = self._typed_configuration(call, target, body, shape)
        resource = _stored(target)
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
        return dict(body), self._strictness(call, target, [], body.duplicates)

    def _decode(self, call: Call, target: Target) -> tuple[Object, list[str]]:
        return self._check(call, target, decode_body(call.body, call.content_type))

    def _check(self, call: Call, target: Target, body: Decoded) -> tuple[Object, list[str]]:
        """Identity, types and unknown fields of a body."""
        self._identify(target, body)
        item: Object = dict(body)
        if target.kind.stored_as:
            item = from_events_group(item)
        try:
            shape = self._catalog.shape(target.kind, target.version)
            reading = read(item, shape, custom=target.kind.custom)
        except DecodeError as error:
            raise self._unreadable(call, target, str(error)) from error
        return reading.value, self._strictness(call, target, reading.unknown, body.duplicates)

    def _strictness(self, call: Call, target: Target, unknown: list[str], duplicates: list[str]) -> list[str]:
        """Warnings about unknown and duplicate fields, or 400 when the client wants strictness."""
        found = [f'unknown field "{path}"' for path in unknown]
        found += [f'duplicate field "{path}"' for path in dict.fromkeys(duplicates)]
        match call.query.text("fieldValidation") or "Warn":
            case "Strict" if found:
                raise self._unreadable(call, target, "strict decoding error: " + ", ".join(found))
            case "Strict" | "Ignore":
                return []
            case "Warn":
                return found
            case other:
                why = f'Unsupported value: "{other}": supported values: "Ignore", "Strict", "Warn"'
                cause = ("FieldValueNotSupported", why, "fieldValidation")
                raise invalid("CreateOptions", "meta.k8s.io", "", [cause])

    def _unreadable(self, call: Call, target: Target, why: str) -> StatusError:
        if call.method == "PATCH":
            shown = call.body.decode("utf-8", "replace")
            if call.content_type == "application/strategic-merge-patch+json":
                shown, why = go_text(json.loads(shown)), _UNRECOGNIZED.sub(r"unrecognized type: \1", why)
            return invalid("", "", "", [("FieldValueInvalid", f"Invalid value: {json.dumps(shown)}: {why}", "patch")])
        kind = target.kind.kind
        return bad_request(f'{kind} in version "{target.version}" cannot be handled as a {kind}: {why}')

    def _identify(self, target: Target, body: Decoded) -> None:
        """Is the body of the kind and version that the path speaks of? Fills both in when it says neither."""
        kind = target.kind
        version, name = body.get("apiVersion", ""), body.get("kind", "")
        if not name and not version:
            body["apiVersion"], body["kind"] = target.api_version, kind.kind
        elif not name:
            raise bad_request(f"Object 'Kind' is missing in '{_short(body)}'")
        elif not version:
            raise bad_request(f"Object 'apiVersion' is missing in '{_short(body)}'")
        elif version != target.api_version:
            expected = target.api_version
            raise bad_request(
                f"the API version in the data ({version}) does not match the expected API version ({expected})"
            )
        elif name != kind.kind:
            raise bad_request(
                f'{name} in version "{target.version}" cannot be handled as a {kind.kind}: '
                f'no kind "{name}" is registered for the resource {kind.resource}'
            )
        if not isinstance(body.get("metadata"), dict):
            body["metadata"] = {}

    def _place(self, target: Target, metadata: dict[str, Any]) -> None:
        if not target.kind.namespaced:
            metadata.pop("namespace", None)
            return
        if metadata.setdefault("namespace", target.namespace) != target.namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


_UNRECOGNIZED = re.compile(r"^json: cannot unmarshal .* of type (int32|int64|bool|string)$")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_RETURNED = ("persistentvolumeclaims", "persistentvolumes", "services", "serviceaccounts")


def _stored(target: Target) -> str:
    return target.kind.stored_as or target.kind.resource


def _short(body: Object) -> str:
    return json.dumps(body, separators=(",", ":"))


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


def _patch_object(call: Call) -> dict[str, Any]:
    try:
        patch = json.loads(call.body)
    except ValueError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    if not isinstance(patch, dict):
        raise bad_request("json: cannot unmarshal array into Go value of type map[string]interface {}")
    return patch


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


def _other_name(name: str, target: Target) -> StatusError:
    return bad_request(f"the name of the object ({name}) does not match the name on the URL ({target.name})")
