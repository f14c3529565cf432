"""Errors of the API machinery, each one a ``metav1.Status`` (k8s.io/apimachinery pkg/api/errors).

``StatusError`` is the root. Messages follow the real API server's wording, because kubectl prints them unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "StatusError",
    "already_exists",
    "bad_request",
    "conflict",
    "expired",
    "forbidden",
    "invalid",
    "method_not_allowed",
    "not_found",
]


class StatusError(Exception):
    """A request the API server refuses: HTTP ``code``, machine-readable ``reason``, text, and details."""

    def __init__(self, code: int, reason: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = dict(details or {})

    def status(self) -> dict[str, Any]:
        """The ``Status`` object to send."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details:
            body["details"] = self.details
        body["code"] = self.code
        return body


def not_found(resource: str, name: str) -> StatusError:
    """404; ``resource`` in the form ``pods`` or ``deployments.apps``."""
    return StatusError(404, "NotFound", f'{resource} "{name}" not found', _details(resource, name))


def already_exists(resource: str, name: str) -> StatusError:
    """409 on create."""
    return StatusError(409, "AlreadyExists", f'{resource} "{name}" already exists', _details(resource, name))


def conflict(resource: str, name: str, why: str) -> StatusError:
    """409 on update: somebody else was quicker."""
    message = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    return StatusError(409, "Conflict", message, _details(resource, name))


def invalid(kind: str, group: str, name: str, causes: Sequence[tuple[str, str, str]]) -> StatusError:
    """422; ``causes`` are (reason, message, field).

    For example ``("FieldValueRequired", "Required value", "spec.selector")``.
    """
    texts = [f"{field}: {message}" if field else message for _, message, field in causes]
    joined = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    kind_group = f"{kind}.{group}" if group else kind
    details = {
        "name": name,
        "group": group,
        "kind": kind,
        "causes": [{"reason": reason, "message": message, "field": field} for reason, message, field in causes],
    }
    return StatusError(
        422, "Invalid", f'{kind_group} "{name}" is invalid: {joined}', {k: v for k, v in details.items() if v}
    )


def bad_request(message: str) -> StatusError:
    """400: the request itself is malformed."""
    return StatusError(400, "BadRequest", message)


def forbidden(resource: str, name: str, why: str) -> StatusError:
    """403: understood, and refused."""
    return StatusError(403, "Forbidden", f'{resource} "{name}" is forbidden: {why}', _details(resource, name))


def expired(message: str) -> StatusError:
    """410: the requested resource version is older than the watch history."""
    return StatusError(410, "Expired", message)


def method_not_allowed(message: str = "the server does not allow this method on the requested resource") -> StatusError:
    """405."""
    return StatusError(405, "MethodNotAllowed", message)


def _details(resource: str, name: str) -> dict[str, Any]:
    kind, _, group = resource.partition(".")
    return {key: value for key, value in (("name", name), ("group", group), ("kind", kind)) if value}
