"""``pods/proxy`` and ``services/proxy``: one HTTP request through to a container."""

from __future__ import annotations

import contextlib
from typing import Any

from lab_helpers.twin.api.calls import Call
from lab_helpers.twin.api.requests import Target
from lab_helpers.twin.api.responses import Response
from lab_helpers.twin.api.streams.pods import pod_key
from lab_helpers.twin.interfaces import ByteStream, ConnectionFailed, Console
from lab_helpers.twin.objects.errors import StatusError, bad_request, not_found
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Object

__all__ = ["proxy_response"]

_HOP = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
    "content-length",
    "proxy-connection",
}


async def proxy_response(call: Call, target: Target, registry: Registry, workloads: Console) -> Response:
    """The container's answer. Raises 503 when nothing answers there."""
    if target.kind.resource == "nodes":
        why = "kubelets of the twin serve no HTTP API; look at pods, or use kubectl logs and exec"
        raise StatusError(503, "ServiceUnavailable", why)
    pod, port = _destination(target, registry)
    try:
        stream = await workloads.port_forward(pod_key(pod), port)
    except (ConnectionFailed, LookupError) as error:
        address = (pod.get("status") or {}).get("podIP", "")
        why = f"error trying to reach service: dial tcp {address}:{port}: {error}"
        raise StatusError(503, "ServiceUnavailable", why) from error
    try:
        return await _exchange(stream, call, target)
    except ConnectionFailed as error:
        raise StatusError(503, "ServiceUnavailable", f"error trying to reach service: {error}") from error
    finally:
        with contextlib.suppress(ConnectionFailed):
            await stream.close()


def _destination(target: Target, registry: Registry) -> tuple[Object, int]:
    """The pod and port of ``name``, ``name:port`` or ``scheme:name:port``."""
    parts = target.name.split(":")
    scheme, name, port = (["", *parts] if len(parts) == 2 else parts if len(parts) == 3 else ["", parts[0], ""])[:3]
    if scheme == "https":
        raise bad_request("only plain HTTP can be proxied to containers of the twin")
    if target.kind.resource == "pods":
        pod = registry.get("pods", name, target.namespace)
        return pod, _pod_port(pod, port)
    service = registry.get("services", name, target.namespace)
    ports = service["spec"].get("ports") or ()
    entry = next((p for p in ports if port in ("", p.get("name"), str(p["port"]))), None)
    if entry is None:
        raise StatusError(503, "ServiceUnavailable", f'no service port "{port}" found for service "{name}"')
    return _backend(registry, target.namespace, name, entry)


def _backend(registry: Registry, namespace: str, name: str, entry: dict[str, Any]) -> tuple[Object, int]:
    slices = registry.list("endpointslices.discovery.k8s.io", namespace, f"kubernetes.io/service-name={name}")
    for part in slices:
        number = next((p["port"] for p in part.get("ports") or () if p.get("name", "") == entry.get("name", "")), None)
        for endpoint in part.get("endpoints") or ():
            reference = endpoint.get("targetRef") or {}
            if number and (endpoint.get("conditions") or {}).get("ready", True) and reference.get("kind") == "Pod":
                return registry.get("pods", reference["name"], namespace), number
    raise StatusError(503, "ServiceUnavailable", f'no endpoints available for service "{name}"')


def _pod_port(pod: Object, text: str) -> int:
    declared = [p for c in pod["spec"]["containers"] for p in c.get("ports") or ()]
    if text.isdigit():
        return int(text)
    if not text:
        return int(declared[0]["containerPort"]) if declared else 80
    named = next((p["containerPort"] for p in declared if p.get("name") == text), None)
    if named is None:
        raise not_found("ports", text)
    return int(named)


async def _exchange(stream: ByteStream, call: Call, target: Target) -> Response:
    import h11

    connection = h11.Connection(h11.CLIENT)
    path = "/" + target.rest + (f"?{call.query.raw}" if call.query.raw else "")
    headers = [(k, v) for k, v in call.headers.items() if k not in _HOP and k not in ("host", "authorization")]
    headers = [("host", target.name), *headers, ("content-length", str(len(call.body))), ("connection", "close")]
    sent = connection.send(h11.Request(method=call.method, target=path, headers=headers)) or b""
    if call.body:
        sent += connection.send(h11.Data(data=call.body)) or b""
    sent += connection.send(h11.EndOfMessage()) or b""
    await stream.write(sent)
    status, answer, body = 502, list[tuple[bytes, bytes]](), b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.read())
        elif isinstance(event, h11.Response):
            status, answer = event.status_code, list(event.headers)
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed) or event is h11.PAUSED:
            break
    shown = {name.decode().title(): value.decode("latin-1") for name, value in answer if name.decode() not in _HOP}
    kind = shown.pop("Content-Type", "text/plain")
    return Response(status, body, kind, headers=shown)
