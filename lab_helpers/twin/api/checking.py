"""What a body must be before it is written: of the right kind, with the right types, with known fields only."""

from __future__ import annotations

import json
import re
from typing import Any

from lab_helpers.twin.api.bodies import Decoded, decode_body
from lab_helpers.twin.api.calls import Call
from lab_helpers.twin.api.event_groups import from_events_group
from lab_helpers.twin.api.patching.strategic import go_text
from lab_helpers.twin.api.requests import Target
from lab_helpers.twin.api.schemas.catalog import Catalog
from lab_helpers.twin.api.schemas.decoding import DecodeError, read
from lab_helpers.twin.objects.errors import StatusError, bad_request, invalid
from lab_helpers.twin.objects.storage import Object

__all__ = ["BodyChecks", "other_name", "stored_resource"]

_UNRECOGNIZED = re.compile(r"^json: cannot unmarshal .* of type (int32|int64|bool|string)$")


class BodyChecks:
    """Checks bodies against the shapes of their kinds."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def decode(self, call: Call, target: Target) -> tuple[Object, list[str]]:
        """The object of a POST or PUT, and warnings."""
        return self.check(call, target, decode_body(call.body, call.content_type))

    def check(self, call: Call, target: Target, body: Decoded) -> tuple[Object, list[str]]:
        """Identity, types and unknown fields of a body."""
        self.identify(target, body)
        item: Object = dict(body)
        if target.kind.stored_as:
            item = from_events_group(item)
        try:
            shape = self._catalog.shape(target.kind, target.version)
            reading = read(item, shape, custom=target.kind.custom)
        except DecodeError as error:
            raise self._unreadable(call, target, str(error)) from error
        return reading.value, self.strictness(call, target, reading.unknown, body.duplicates)

    def strictness(self, call: Call, target: Target, unknown: list[str], duplicates: list[str]) -> list[str]:
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

    def identify(self, target: Target, body: Decoded) -> None:
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

    def place(self, target: Target, metadata: dict[str, Any]) -> None:
        """The namespace of the path, unless the body names another one (400)."""
        if not target.kind.namespaced:
            metadata.pop("namespace", None)
            return
        if metadata.setdefault("namespace", target.namespace) != target.namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def stored_resource(target: Target) -> str:
    """Where the objects of a target are stored."""
    return target.kind.stored_as or target.kind.resource


def other_name(name: str, target: Target) -> StatusError:
    """400: body and path name different objects."""
    return bad_request(f"the name of the object ({name}) does not match the name on the URL ({target.name})")


def _short(body: Object) -> str:
    return json.dumps(body, separators=(",", ":"))
