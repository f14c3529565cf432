"""Deploying what the test needs into its namespace, and finding it there (cilium-cli connectivity/check/deployment.go).

Objects that are there already are kept.
"""

import time
from typing import Any

from lab_helpers.tools.cilium.connectivity.deployments import (
    HOSTS,
    PARTS,
    PORT,
    Part,
    account,
    deployment,
    hosts,
    service,
)
from lab_helpers.tools.cilium.connectivity.peers import Place, place_of
from lab_helpers.tools.cilium.connectivity.scenarios import Stage
from lab_helpers.tools.cilium.connectivity.speaking import Speaker
from lab_helpers.tools.cilium.errors import CiliumError
from lab_helpers.tools.cilium.sessions import Session, pause
from lab_helpers.tools.rest import ApiError
from lab_helpers.tools.rest.executing import execute

_PATIENCE = 300.0


def deploy(session: Session, speaker: Speaker, namespace: str, host_port: int) -> Stage:
    """Bring everything up. Raises CiliumError when it does not become ready."""
    cluster = session.client.target.context or "default"
    flags = session.flags
    if flags["force-deploy"]:
        speaker.say(f"🔥 [{cluster}] Deleting connectivity check deployments...")
        delete_namespace(session, namespace)
    if session.find(f"/api/v1/namespaces/{namespace}") is None:
        speaker.say(f"✨ [{cluster}] Creating namespace {namespace} for connectivity check...")
        labels = {"app.kubernetes.io/name": "cilium-cli"}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
        session.client.post("/api/v1/namespaces", body)
    nodes = _nodes(session)
    schedulable = [node for node in nodes if not _tainted(node)]
    parts = [part for part in PARTS if part.near is not False or (len(schedulable) > 1 and not flags["single-node"])]
    for part in parts:
        _one(session, speaker, namespace, part, host_port)
    speaker.say(f"✨ [{cluster}] Deploying {HOSTS} daemonset...")
    _create(session, f"/apis/apps/v1/namespaces/{namespace}/daemonsets", hosts(flags["curl-image"]))
    for part in sorted(parts, key=lambda one: one.name):
        speaker.say(f"⌛ [{cluster}] Waiting for deployment {namespace}/{part.name} to become ready...")
        _wait_ready(session, namespace, "deployments", part.name)
    speaker.say(f"⌛ [{cluster}] Waiting for DaemonSet {namespace}/{HOSTS} to become ready...")
    _wait_ready(session, namespace, "daemonsets", HOSTS)
    stage = _find(session, namespace, nodes)._replace(host_port=host_port)
    _wait_services(session, speaker, cluster, stage)
    return stage


def _one(session: Session, speaker: Speaker, namespace: str, part: Part, host_port: int) -> None:
    flags, cluster = session.flags, session.client.target.context or "default"
    if part.server:
        speaker.say(f"✨ [{cluster}] Deploying {part.name} service...")
        _create(session, f"/api/v1/namespaces/{namespace}/services", service(part))
    _create(session, f"/api/v1/namespaces/{namespace}/serviceaccounts", account(part.name))
    speaker.say(f"✨ [{cluster}] Deploying {part.name.removeprefix('echo-')} deployment...")
    body = deployment(part, flags["curl-image"], flags["json-mock-image"], host_port)
    _create(session, f"/apis/apps/v1/namespaces/{namespace}/deployments", body)


def _nodes(session: Session) -> list[dict[str, Any]]:
    return list(session.client.get("/api/v1/nodes").get("items") or [])


def _tainted(node: dict[str, Any]) -> bool:
    return any(taint.get("effect") == "NoSchedule" for taint in node["spec"].get("taints") or [])


def _create(session: Session, path: str, body: dict[str, Any]) -> None:
    try:
        session.client.post(path, body)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise


def _wait_ready(session: Session, namespace: str, plural: str, name: str) -> None:
    from lab_helpers.tools.kubectl.following import follow_object

    for body in follow_object(session.client, f"/apis/apps/v1/namespaces/{namespace}/{plural}", name, _PATIENCE):
        if body is None:
            break
        state = body.get("status") or {}
        seen = state.get("observedGeneration", 0) >= body["metadata"].get("generation", 0)
        if plural == "daemonsets":
            wanted, ready = state.get("desiredNumberScheduled", 0), state.get("numberReady", 0)
            done = wanted > 0 and ready >= wanted
        else:
            done = state.get("availableReplicas", 0) >= body["spec"].get("replicas", 1)
        if seen and done:
            return
    raise CiliumError(
        f"Connectivity test failed: timeout waiting for {plural.removesuffix('s')} {namespace}/{name} to become ready: "
        f"kubectl -n {namespace} get pods"
    )


def _find(session: Session, namespace: str, nodes: list[dict[str, Any]]) -> Stage:
    clients: list[Place] = []
    echoes: list[Place] = []
    host_pods: list[Place] = []
    for pod in sorted(session.pods("kind in (client, echo, host-netns)", namespace), key=_name):
        if "deletionTimestamp" in pod["metadata"] or (pod.get("status") or {}).get("phase") != "Running":
            continue
        place = place_of(pod, pod["metadata"]["labels"]["name"])
        {"client": clients, "echo": echoes}.get(place.labels["kind"], host_pods).append(place)
    ports = {}
    for item in session.client.get(f"/api/v1/namespaces/{namespace}/services").get("items") or []:
        if (item["metadata"].get("labels") or {}).get("kind") == "echo" and item["spec"]["ports"][0].get("nodePort"):
            ports[item["metadata"]["name"]] = int(item["spec"]["ports"][0]["nodePort"])
    addresses = {
        _name(node): next(one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP")
        for node in nodes
    }
    return Stage(tuple(clients), tuple(echoes), tuple(host_pods), addresses, ports, session.flags)


def _name(item: dict[str, Any]) -> str:
    return str(item["metadata"]["name"])


def _wait_services(session: Session, speaker: Speaker, cluster: str, stage: Stage) -> None:
    """Each Service answers by its name. Raises CiliumError."""
    caller = stage.clients[0]
    for name in sorted(stage.node_ports):
        speaker.say(f"⌛ [{cluster}] Waiting for Service {caller.namespace}/{name} to become ready...")
        command = stage.curl(f"http://{name}:{PORT}/")
        deadline = time.monotonic() + _PATIENCE
        while execute(session.client, caller.namespace, caller.name, command, container=caller.workload).exit_code:
            if time.monotonic() > deadline:
                raise CiliumError(
                    f"Connectivity test failed: service {name} does not answer pods; is a policy left in "
                    f"{caller.namespace}? kubectl -n {caller.namespace} get cnp,netpol; --force-deploy starts afresh"
                )
            pause(0.5)


def delete_namespace(session: Session, namespace: str) -> None:
    """Delete it and wait until it is gone."""
    from lab_helpers.tools.kubectl.vanishing import wait_until_gone

    try:
        session.client.delete(f"/api/v1/namespaces/{namespace}", {"propagationPolicy": "Background"})
    except ApiError as error:
        if error.code != 404:
            raise
        return
    wait_until_gone(
        session.client, session.catalogue.find("namespaces"), "", namespace, "", time.monotonic() + _PATIENCE
    )
