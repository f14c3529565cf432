"""Flows for the tests of the map, made by hand."""

from __future__ import annotations

from typing import Any

from lab_helpers.hubble.protos import flow_pb2

SECOND = 1_000_000_000
TO_ENDPOINT, TO_STACK = 0, 3
IPS = {"frontend": "10.0.1.1", "backend": "10.0.1.2", "payments": "10.0.1.3", "intruder": "10.0.2.1", "": "10.0.0.9"}
NUMBERS = {"frontend": 1001, "backend": 1002, "payments": 1003, "intruder": 2001}


def pod(name: str, namespace: str = "shop") -> flow_pb2.Endpoint:
    endpoint = flow_pb2.Endpoint(namespace=namespace, pod_name=f"{name}-5d4f8c7b9-abcde", identity=NUMBERS.get(name, 9))
    endpoint.labels.extend([f"k8s:app={name}", f"k8s:io.kubernetes.pod.namespace={namespace}"])
    endpoint.workloads.add(name=name, kind="Deployment")
    return endpoint


def reserved(name: str, number: int, *labels: str) -> flow_pb2.Endpoint:
    return flow_pb2.Endpoint(identity=number, labels=[f"reserved:{name}", *labels])


WORLD = reserved("world", 2)


def flow(
    source: flow_pb2.Endpoint,
    target: flow_pb2.Endpoint,
    port: int = 8080,
    *,
    event: int = 4,
    sub_type: int = TO_ENDPOINT,
    verdict: str = "FORWARDED",
    reply: bool | None = False,
    at: int = 100,
    from_port: int = 40000,
    protocol: str = "TCP",
    target_ip: str = "",
    **more: Any,
) -> flow_pb2.Flow:
    made = flow_pb2.Flow(source=source, destination=target, verdict=flow_pb2.Verdict.Value(verdict), **more)
    made.time.FromNanoseconds(at * SECOND)
    made.event_type.type, made.event_type.sub_type = event, sub_type
    made.IP.source = IPS.get(source.workloads[0].name if source.workloads else "", "10.0.0.9")
    made.IP.destination = target_ip or IPS.get(target.workloads[0].name if target.workloads else "", "203.0.113.7")
    if reply is not None:
        made.is_reply.value = reply
    ports = getattr(made.l4, protocol)
    ports.source_port, ports.destination_port = from_port, port
    made.uuid = f"{at}-{event}-{sub_type}-{from_port}-{verdict}"
    return made


def dropped(source: flow_pb2.Endpoint, target: flow_pb2.Endpoint, port: int = 8080, **more: Any) -> flow_pb2.Flow:
    values = {"event": 1, "sub_type": 133, "verdict": "DROPPED", "reply": None, "drop_reason": 133, **more}
    return flow(source, target, port, **values)


def asked(
    source: flow_pb2.Endpoint, target: flow_pb2.Endpoint, path: str, status: int = 0, **more: Any
) -> flow_pb2.Flow:
    """A request, or with ``status`` its answer."""
    made = flow(target, source, more.pop("from_port", 40000), event=129, from_port=8080, reply=True, **more) if status \
        else flow(source, target, event=129, **more)  # fmt: skip
    made.l7.type = flow_pb2.RESPONSE if status else flow_pb2.REQUEST
    made.l7.http.method, made.l7.http.url, made.l7.http.code = "GET", f"http://backend:8080{path}?x=1", status
    return made
