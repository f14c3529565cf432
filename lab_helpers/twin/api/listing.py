"""GET on a collection: selectors, pages (``limit``/``continue``) and resource-version semantics."""

from __future__ import annotations

import base64
import json
from typing import Any, NamedTuple

from lab_helpers.twin.api.requests import Query, Target
from lab_helpers.twin.objects.errors import StatusError, bad_request, expired, invalid
from lab_helpers.twin.objects.field_selectors import FieldPredicate, parse_field_selector
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.selectors import LabelPredicate, parse_label_selector
from lab_helpers.twin.objects.storage import Object

__all__ = ["Page", "Selection", "list_page", "too_new"]

_STALE = (
    "The provided continue parameter is too old to display a consistent list result. "
    "You can start a new list without the continue parameter."
)


class Selection:
    """The label and field selectors of a request."""

    def __init__(self, query: Query, target: Target, selectable: tuple[str, ...] = ()) -> None:
        labels, fields = query.text("labelSelector"), query.text("fieldSelector")
        self._labels: LabelPredicate | None = parse_label_selector(labels) if labels else None
        self._fields: FieldPredicate | None = parse_field_selector(fields, target.kind, selectable) if fields else None
        self.narrows = bool(labels or fields)
        self._name = target.name

    def __call__(self, item: Object) -> bool:
        """Is the object selected?"""
        if self._name and item["metadata"]["name"] != self._name:
            return False
        if self._labels is not None and not self._labels(item["metadata"].get("labels") or {}):
            return False
        return self._fields is None or self._fields(item)


class Page(NamedTuple):
    """Part of a list and its ``ListMeta``."""

    items: list[Object]
    metadata: dict[str, Any]


def list_page(registry: Registry, target: Target, query: Query, selection: Selection) -> Page:
    """The requested page.

    Raises 400 for a bad token or version, 410 when the history no longer reaches back, 422 for options that do not go
    together.
    """
    _check_options(query)
    resource = target.kind.stored_as or target.kind.resource
    limit, token = max(query.number("limit") or 0, 0), query.text("continue")
    revision, start = registry.storage.revision, ("", "")
    wanted, match = query.text("resourceVersion"), query.text("resourceVersionMatch")
    if token:
        revision, start = _read_token(token)
        try:
            found = registry.storage.at(resource, target.namespace, revision)
        except StatusError as error:
            raise expired(_STALE) from error
    elif wanted not in ("", "0"):
        version = _number(wanted)
        if version > revision:
            raise too_new(version, revision)
        if match == "Exact":
            revision = version
            found = registry.storage.at(resource, target.namespace, revision)
        else:
            found = registry.storage.list(resource, target.namespace)
    else:
        found = registry.storage.list(resource, target.namespace)
    if start != ("", ""):
        found = [item for item in found if _place(item) > start]
    chosen = [item for item in found if selection(item)] if selection.narrows or target.name else found
    metadata: dict[str, Any] = {"resourceVersion": str(revision)}
    if limit and len(chosen) > limit:
        rest = len(chosen) - limit
        chosen = chosen[:limit]
        metadata["continue"] = _write_token(revision, _place(chosen[-1]))
        if not selection.narrows:
            metadata["remainingItemCount"] = rest
    return Page(chosen, metadata)


def too_new(wanted: int, current: int) -> StatusError:
    """504: the client has seen a version that this server has not (its state was reset)."""
    message = f"Too large resource version: {wanted}, current: {current}"
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    return StatusError(504, "Timeout", message, {"causes": causes, "retryAfterSeconds": 1})


def _check_options(query: Query) -> None:
    """What a list may be asked for (apimachinery internalversion/validation)."""
    field, match, version = "resourceVersionMatch", query.text("resourceVersionMatch"), query.text("resourceVersion")
    forbidden: list[str] = []
    if match and not version:
        forbidden.append(f"{field} is forbidden unless resourceVersion is provided")
    if match and query.text("continue"):
        forbidden.append(f"{field} is forbidden when continue is provided")
    if match == "Exact" and version == "0":
        forbidden.append(f'{field} "exact" is forbidden for resourceVersion "0"')
    causes = [("FieldValueForbidden", f"Forbidden: {why}", field) for why in forbidden]
    if match not in ("", "Exact", "NotOlderThan"):
        why = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
        causes.append(("FieldValueNotSupported", why, field))
    if causes:
        raise invalid("ListOptions", "meta.k8s.io", "", causes)


def _place(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _write_token(revision: int, last: tuple[str, str]) -> str:
    body = json.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": "/".join(last)}, separators=(",", ":"))
    return base64.urlsafe_b64encode(body.encode()).rstrip(b"=").decode()


def _read_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        body = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, _, name = body["start"].rpartition("/")
        return int(body["rv"]), (namespace, name)
    except (ValueError, KeyError, TypeError) as error:
        raise bad_request("continue key is not valid: it must come from the previous page of the same list") from error


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise bad_request(f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax') from None
