"""``pods/log``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from lab_helpers.twin.api.calls import Call
from lab_helpers.twin.api.responses import Response
from lab_helpers.twin.api.streams.pods import choose_container, pod_key
from lab_helpers.twin.clock import Clock
from lab_helpers.twin.interfaces import Console
from lab_helpers.twin.objects.errors import bad_request, invalid
from lab_helpers.twin.objects.storage import Object

__all__ = ["log_response"]


async def log_response(call: Call, pod: Object, workloads: Console, clock: Clock) -> Response:
    """The container's output as plain text. Raises 400 and 422 like the API server and the kubelet."""
    query = call.query
    container = choose_container(pod, query.text("container"))
    if not pod["spec"].get("nodeName"):
        return Response(200, b"", "text/plain")
    lines = workloads.logs(
        pod_key(pod),
        container,
        follow=query.flag("follow"),
        previous=query.flag("previous"),
        tail=_count(call, "tailLines"),
        since=_since(call, clock),
        timestamps=query.flag("timestamps"),
        limit_bytes=_count(call, "limitBytes"),
    )
    if query.flag("follow") and _waiting(pod, container) == "":
        return Response(200, content_type="text/plain", stream=_tolerant(lines))
    try:
        pieces = [line async for line in lines]
    except LookupError as error:
        raise bad_request(_text(error, pod, container)) from error
    return Response(200, b"".join(pieces), "text/plain")


async def _tolerant(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async for line in lines:
            yield line
    except LookupError as error:
        yield f"{error.args[0]}\n".encode()


def _text(error: LookupError, pod: Object, container: str) -> str:
    return _waiting(pod, container) or str(error.args[0])


def _waiting(pod: Object, container: str) -> str:
    """The kubelet's words for a container that has not started; "" when it has."""
    status = pod.get("status") or {}
    known = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
    found = next((entry for entry in known if entry["name"] == container), None)
    if found is None:
        return ""
    state = found.get("state") or {}
    if "waiting" not in state or found.get("lastState"):
        return ""
    reason, name = state["waiting"].get("reason", "ContainerCreating"), pod["metadata"]["name"]
    if reason in ("ErrImagePull", "ImagePullBackOff", "InvalidImageName"):
        return f'container "{container}" in pod "{name}" is waiting to start: {_image_reason(reason)}'
    return f'container "{container}" in pod "{name}" is waiting to start: {reason}'


def _image_reason(reason: str) -> str:
    return "trying and failing to pull image" if reason != "InvalidImageName" else reason


def _count(call: Call, name: str) -> int | None:
    value = call.query.number(name)
    least = 1 if name == "limitBytes" else 0
    if value is not None and value < least:
        why = f"Invalid value: {value}: must be greater than {'0' if least else 'or equal to 0'}"
        raise invalid("PodLogOptions", "", "", [("FieldValueInvalid", why, name)])
    return value


def _since(call: Call, clock: Clock) -> float | None:
    """``sinceSeconds`` or ``sinceTime`` as clock seconds."""
    seconds, moment = call.query.number("sinceSeconds"), call.query.text("sinceTime")
    if seconds is not None and moment:
        why = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
        raise invalid("PodLogOptions", "", "", [("FieldValueForbidden", why, "")])
    if seconds is not None:
        return clock.monotonic() - seconds
    if not moment:
        return None
    try:
        then = datetime.fromisoformat(moment)
    except ValueError as error:
        raise bad_request(f'parsing time "{moment}" as RFC 3339: {error}') from error
    return clock.monotonic() - (clock.now() - then).total_seconds()
