"""Waiting until an object is gone (kubectl pkg/cmd/wait, used by delete)."""

import time

from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.rest import ApiError, Client, Resource


def wait_until_gone(
    client: Client, resource: Resource, namespace: str, name: str, uid: str = "", deadline: float | None = None
) -> None:
    """Return when no object of that name (and uid) exists. `deadline` is time.monotonic(); KubectlError when it
    passes.
    """
    path = resource.path(namespace)
    query = {"fieldSelector": f"metadata.name={name}"}
    while True:
        listing = client.get(path, **query)
        items = listing.get("items") or []
        if not items or (uid and items[0]["metadata"].get("uid") != uid):
            return
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise KubectlError(f"timed out waiting for the condition on {resource.plural}/{name}")
        version = (listing.get("metadata") or {}).get("resourceVersion", "")
        more = {} if left is None else {"timeoutSeconds": max(1, int(left) + 1)}
        try:
            for event, body in client.watch(path, **{**query, "resourceVersion": version, **more}):
                if event == "DELETED" or (event == "ADDED" and uid and body["metadata"].get("uid") != uid):
                    return
                if deadline is not None and time.monotonic() >= deadline:
                    break
        except ApiError as error:
            if error.code != 410:
                raise
