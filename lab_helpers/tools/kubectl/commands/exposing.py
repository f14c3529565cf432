"""``kubectl expose``: a Service for a workload (kubectl pkg/cmd/expose)."""

from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.creations.objects import add_create_flags, create_object
from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.selecting import NOTHING_NAMED, find
from lab_helpers.tools.kubectl.sessions import Session


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        "expose (-f FILENAME | TYPE NAME) [--port=port] [--protocol=TCP|UDP|SCTP] [--target-port=number-or-name] "
        "[--name=name] [--type=type]",
        short="Make a Service for a workload",
        example="# Port 80 in front of the pods' 8080\nkubectl expose deployment web --port=80 --target-port=8080",
        run=run,
    )
    flags = command.flags
    flags.string("cluster-ip", "", "Its own address, or None")
    flags.strings("filename", [], "File that names the object", "f")
    flags.string("labels", "", "Labels of the Service", "l")
    flags.string("name", "", "Name of the Service; the object's")
    flags.string("port", "", "Port of the Service")
    flags.string("protocol", "", "TCP, UDP or SCTP")
    flags.string("selector", "", "Labels of the pods; the object's")
    flags.string("session-affinity", "", "None or ClientIP")
    flags.string("target-port", "", "Port of the pods, by number or name")
    flags.string("type", "", "ClusterIP, NodePort or LoadBalancer")
    add_create_flags(flags)
    return command


def _pairs(text: str) -> dict[str, str]:
    out = {}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if not equals:
            raise KubectlError(f"invalid label spec: {part}")
        out[key] = value
    return out


def run(invocation: Invocation) -> int:
    """Do it."""
    session = Session(invocation)
    flags = session.flags
    chosen = flags["selector"]
    # --selector names the Service's pods here, not the objects to find
    flags.get("selector").value.value = ""  # type: ignore[union-attr]
    found = find(session, session.args, nothing=NOTHING_NAMED)
    for item in found:
        body = item.body or {}
        create_object(session, _service(session, item.resource.kind, body, chosen), "exposed")
    return 0


def _service(session: Session, kind: str, body: dict[str, Any], chosen: str) -> dict[str, Any]:
    flags = session.flags
    spec = body.get("spec") or {}
    name = flags["name"] or body["metadata"]["name"]
    if chosen:
        selector = _pairs(chosen)
    elif kind == "Pod":
        selector = body["metadata"].get("labels") or {}
        if not selector:
            raise KubectlError(
                "couldn't retrieve selectors via --selector flag or introspection: the pod has no labels and cannot "
                "be exposed"
            )
    elif kind == "Service":
        selector = spec.get("selector") or {}
    elif kind in ("Deployment", "ReplicaSet"):
        if (spec.get("selector") or {}).get("matchExpressions"):
            raise KubectlError(
                f'couldn\'t convert expressions - "{spec["selector"]["matchExpressions"]}" to map-based selector format'
            )
        selector = (spec.get("selector") or {}).get("matchLabels") or {}
    else:
        raise KubectlError(f"cannot expose a {kind}")
    template = (spec.get("template") or {}).get("spec") or spec
    numbers = [(port["containerPort"], port.get("protocol", "TCP")) for container in template.get("containers") or []
               for port in container.get("ports") or []]  # fmt: skip
    if flags["port"]:
        wanted = [(int(part), "TCP") for part in flags["port"].split(",") if part.isdigit()]
    else:
        wanted = numbers
    if not wanted:
        raise KubectlError("couldn't find port via --port flag or introspection")
    target = flags["target-port"]
    ports = []
    for index, (port, protocol) in enumerate(wanted):
        entry: dict[str, Any] = {"port": port, "protocol": flags["protocol"].upper() or protocol}
        if len(wanted) > 1:
            entry["name"] = f"port-{index + 1}"
        entry["targetPort"] = (int(target) if target.isdigit() else target) if target else port
        ports.append(entry)
    service: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"ports": ports, "selector": selector},
        "status": {"loadBalancer": {}},
    }
    labels = _pairs(flags["labels"]) if flags["labels"] else body["metadata"].get("labels")
    if labels:
        service["metadata"]["labels"] = labels
    for flag, key in (("type", "type"), ("cluster-ip", "clusterIP"), ("session-affinity", "sessionAffinity")):
        if flags[flag]:
            service["spec"][key] = flags[flag]
    return service
