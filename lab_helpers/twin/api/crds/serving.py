"""Serves what CustomResourceDefinitions define: kinds come and go with them, and their objects are checked."""

from __future__ import annotations

import json
from typing import Any

from lab_helpers.twin.api.crds.definitions import CRDS, admit_definition, kind_of
from lab_helpers.twin.api.crds.expressions import check_rules
from lab_helpers.twin.api.crds.structural import Finding, apply_defaults, validate
from lab_helpers.twin.api.schemas.catalog import Catalog
from lab_helpers.twin.api.schemas.custom import custom_shape
from lab_helpers.twin.api.schemas.decoding import read
from lab_helpers.twin.objects.errors import invalid
from lab_helpers.twin.objects.registry import Operation, Registry
from lab_helpers.twin.objects.storage import Change, Key, Object

__all__ = ["CustomResources"]

_BLOCKING = (
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
)
_UNCHECKED = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)


class CustomResources:
    """Keeps ``registry.kinds`` in step with the stored definitions and admits their objects."""

    def __init__(self, registry: Registry, catalog: Catalog) -> None:
        self._registry = registry
        self._catalog = catalog

    def start(self) -> None:
        """Serve what is stored, and follow changes from now on."""
        for crd in self._registry.list(CRDS):
            self._registry.kinds.add(kind_of(crd))
        self._registry.listen(self._follow)

    def step(self, operation: Operation) -> None:
        """The admission step of definitions and of custom objects."""
        if operation.kind.resource == CRDS:
            if operation.verb == "delete":
                if not operation.dry_run:
                    self._delete_objects(operation.object)
            elif not operation.subresource:
                admit_definition(operation, self._registry.clock)
                if operation.verb == "update" and not operation.dry_run:
                    self._prune_objects(operation.object)
        elif operation.kind.custom and operation.verb != "delete":
            self._admit_object(operation)

    def _follow(self, change: Change) -> None:
        if change.key.resource == CRDS:
            if change.type == "DELETED":
                self._registry.kinds.remove(change.key.name)
            else:
                self._registry.kinds.add(kind_of(change.object))

    def _prune_objects(self, crd: Object) -> None:
        """Fields that a new schema does not know are not read from the store any more, whoever asks (the real API
        server's schemaCoercingDecoder); the objects keep their revision, and no watch tells of it.
        """
        kind = kind_of(crd)
        schema = next(
            (
                (entry.get("schema") or {}).get("openAPIV3Schema")
                for entry in crd["spec"]["versions"]
                if entry["storage"]
            ),
            None,
        )
        shape = custom_shape(schema, kind.kind)
        for item in self._registry.list(kind.resource):
            found = read(item, shape, custom=True)
            if found.unknown:
                metadata = item["metadata"]
                self._registry.storage.reform(
                    Key(kind.resource, metadata.get("namespace", ""), metadata["name"]), found.value
                )

    def _delete_objects(self, crd: Object) -> None:
        """A definition takes its objects along."""
        resource = crd["metadata"]["name"]
        for item in self._registry.list(resource):
            metadata = item["metadata"]
            self._registry.storage.remove(Key(resource, metadata.get("namespace", ""), metadata["name"]))

    def _admit_object(self, operation: Operation) -> None:
        kind, item, old = operation.kind, operation.object, operation.previous
        version = operation.api_version.rpartition("/")[2] or kind.version
        schema = self._catalog.schema(kind, version)
        if schema is None:
            return
        properties = schema.get("properties") or {}
        for name, value in item.items():
            if name in properties and name != "metadata":
                apply_defaults(value, properties[name])
        body = {key: value for key, value in item.items() if key not in ("apiVersion", "kind", "metadata")}
        before = {} if old is None else {key: old[key] for key in body if key in old}
        if old is not None and body == before and len(old) == len(item):
            return
        found = self._errors(item, body, before, schema)
        if found:
            raise invalid(kind.kind, kind.group, item["metadata"]["name"], found)

    def _errors(self, item: Object, body: Object, before: Object, schema: Any) -> list[Finding]:
        """Schema errors of what changed (what did not is left in peace), then the rules."""
        changed = {key: value for key, value in body.items() if before.get(key, ...) != value}
        root = {**schema, "properties": {k: v for k, v in (schema.get("properties") or {}).items() if k in changed}}
        found = validate({**item, **changed}, root).errors
        if any(reason in _BLOCKING for reason, _, _ in found):
            if '"x-kubernetes-validations"' in _text(schema):
                found = [*found, ("FieldValueInvalid", f"Invalid value: null: {_UNCHECKED}", "<nil>")]
        else:
            found = [*found, *check_rules(item, schema, "", before or None)]
        unique = dict.fromkeys(found)
        return list(unique)


def _text(schema: Any) -> str:
    return json.dumps(schema)
