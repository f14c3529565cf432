"""Field errors in the API server's words (apimachinery pkg/util/validation/field)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from lab_helpers.twin.objects.errors import StatusError, invalid
from lab_helpers.twin.objects.kinds import Kind

__all__ = ["Problems", "shown"]


def shown(value: Any) -> str:
    """A value as error texts quote it: text in quotes, everything else as JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class Problems:
    """Collects what is wrong with one object."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str, str]] = []

    def required(self, field: str, why: str = "") -> None:
        """Something is missing."""
        self._add("FieldValueRequired", "Required value", field, why)

    def invalid(self, field: str, value: Any, why: str) -> None:
        """A value breaks a rule."""
        self._add("FieldValueInvalid", f"Invalid value: {shown(value)}", field, why)

    def unsupported(self, field: str, value: Any, supported: Iterable[str]) -> None:
        """A value is not in its list."""
        choices = ", ".join(shown(choice) for choice in supported)
        self._add("FieldValueNotSupported", f"Unsupported value: {shown(value)}", field, f"supported values: {choices}")

    def forbidden(self, field: str, why: str) -> None:
        """A field may not be set, or not be changed."""
        self._add("FieldValueForbidden", "Forbidden", field, why)

    def duplicate(self, field: str, value: Any) -> None:
        """A value that must be unique occurs twice."""
        self._add("FieldValueDuplicate", f"Duplicate value: {shown(value)}", field, "")

    def not_found(self, field: str, value: Any) -> None:
        """A reference leads nowhere."""
        self._add("FieldValueNotFound", f"Not found: {shown(value)}", field, "")

    def too_long(self, field: str, limit: int) -> None:
        """A text has too many bytes."""
        self._add("FieldValueTooLong", "Too long", field, f"may not be more than {limit} bytes")

    def raise_for(self, kind: Kind, name: str) -> None:
        """Raise 422 if there is anything."""
        if self.found:
            raise self.error(kind, name)

    def error(self, kind: Kind, name: str) -> StatusError:
        """The 422 of what was found."""
        return invalid(kind.kind, kind.group, name, self.found)

    def _add(self, reason: str, what: str, field: str, why: str) -> None:
        self.found.append((reason, f"{what}: {why}" if why else what, field))
