"""Services of every type."""

import re
from typing import Any

from lab_helpers.tools.goflags import Command
from lab_helpers.tools.kubectl.creations.objects import create_command
from lab_helpers.tools.kubectl.errors import KubectlError
from lab_helpers.tools.kubectl.sessions import Session

__all__ = ["service"]

Body = dict[str, Any]


def _port(word: str) -> Body:
    match = re.fullmatch(r"(\d+)(?::([\w-]+))?", word)
    if not match:
        raise KubectlError(f"invalid port format {word}: use PORT or PORT:TARGETPORT")
    port, target = int(match.group(1)), match.group(2) or match.group(1)
    return {"name": word.replace(":", "-"), "port": port, "protocol": "TCP",
            "targetPort": int(target) if target.isdigit() else target}  # fmt: skip


def service() -> Command:
    """``create service`` and the types below it."""
    command = Command("service", short="Create a Service", aliases=("svc",))
    for word, kind in (("clusterip", "ClusterIP"), ("nodeport", "NodePort"), ("loadbalancer", "LoadBalancer"),
                       ("externalname", "ExternalName")):  # fmt: skip

        def make(session: Session, name: str, kind: str = kind) -> Body:
            ports = [_port(part) for part in session.flags["tcp"]]
            spec: Body = {"type": kind, "selector": {"app": name}}
            if kind == "ExternalName":
                if not session.flags["external-name"]:
                    raise KubectlError('required flag(s) "external-name" not set')
                spec["externalName"] = session.flags["external-name"]
            elif not ports and session.flags["clusterip"] != "None":
                raise KubectlError("at least one tcp port specifier must be provided")
            if ports:
                spec["ports"] = ports
            if session.flags["clusterip"]:
                spec["clusterIP"] = session.flags["clusterip"]
            return {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "labels": {"app": name}},
                "spec": spec,
                "status": {"loadBalancer": {}},
            }

        child = create_command(
            f"{word} NAME",
            f"Create a {kind} Service",
            f"# For the pods labelled app=web\nkubectl create service {word} web --tcp=80:8080",
            make,
        )
        child.flags.strings("tcp", [], "PORT or PORT:TARGETPORT")
        child.flags.string("clusterip", "", "Its own address, or None")
        child.flags.string("external-name", "", "The name an ExternalName Service stands for")
        command.add(child)
    return command
