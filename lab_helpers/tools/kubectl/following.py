"""An object's versions over time: what it is now, then each change, until a deadline."""

import time
from collections.abc import Iterator
from typing import Any

from lab_helpers.tools.rest import ApiError, Client


def follow_object(client: Client, collection: str, name: str, seconds: float | None) -> Iterator[dict[str, Any] | None]:
    """Each version of the object called `name` in a collection; None when it does not exist (any more).

    Ends after `seconds` (None: never).
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    query = {"fieldSelector": f"metadata.name={name}"}
    while True:
        listing = client.get(collection, **query)
        items = listing.get("items") or []
        version = (listing.get("metadata") or {}).get("resourceVersion", "")
        kind = {"apiVersion": listing.get("apiVersion"), "kind": str(listing.get("kind", "")).removesuffix("List")}
        yield {**kind, **items[0]} if items else None
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            return
        more: dict[str, Any] = {"resourceVersion": version}
        if left is not None:
            more["timeoutSeconds"] = max(1, int(left) + 1)
        try:
            for event, body in client.watch(collection, **{**query, **more}):
                if event != "BOOKMARK":
                    yield None if event == "DELETED" else body
                if deadline is not None and time.monotonic() >= deadline:
                    return
        except ApiError as error:
            if error.code != 410:
                raise
