"""JSON patch (RFC 6902), by the jsonpatch library, with the API server's errors."""

from __future__ import annotations

import copy
import json
from typing import Any

from lab_helpers.twin.objects.errors import StatusError, bad_request

__all__ = ["json_patch"]

LIMIT = 10_000


def json_patch(target: dict[str, Any], body: bytes) -> dict[str, Any]:
    """``target`` after all operations of ``body``; it is not changed itself. Raises 400, 413 or 422."""
    import jsonpatch
    import jsonpointer

    try:
        operations = json.loads(body)
    except ValueError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    if len(operations) > LIMIT:
        message = f"The allowed maximum operations in a JSON patch is {LIMIT}, got {len(operations)}"
        raise StatusError(413, "RequestEntityTooLarge", message)
    try:
        result: dict[str, Any] = jsonpatch.JsonPatch(operations).apply(copy.deepcopy(target))
    except jsonpatch.JsonPatchTestFailed as error:
        raise StatusError(422, "Invalid", "the server rejected our request due to an error in our request") from error
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError) as error:
        raise StatusError(422, "Invalid", "the server rejected our request due to an error in our request") from error
    return result
