"""``cilium encryption``, ``bgp`` and ``clustermesh``: what agents say, or why there is nothing to say."""

import json
from collections.abc import Callable, Iterable

from lab_helpers.tools.cilium.errors import CiliumError, not_bundled
from lab_helpers.tools.cilium.sessions import Session
from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.rest.executing import execute


def build() -> list[Command]:
    """The commands."""
    return [_encryption(), _bgp(), _clustermesh()]


def _encryption() -> Command:
    command = Command(
        "encryption", short="Cilium encryption", example="cilium encryption status\ncilium encryption status -o json"
    )
    status = Command("status", short="Display encryption status", example="cilium encryption status", run=_status)
    status.flags.bool("per-node-details", False, "Encryption status will be displayed for each cluster node separately")
    status.flags.string("output", "summary", "Output format. One of: json, summary", "o")
    command.add(status)
    for name in ("create-key", "rotate-key", "key-status"):
        refused = not_bundled(f"cilium encryption {name}", "the course does not encrypt with IPsec")
        command.add(_refusal(name, refused))
    return command


def _refusal(name: str, error: CiliumError) -> Command:
    def refuse(_call: Invocation) -> int:
        raise error

    child = Command(name, short="(not bundled)", run=refuse)
    child.flags.ignore_unknown = True
    return child


def _status(call: Invocation) -> int:
    session = Session(call)
    if session.flags["output"] not in ("summary", "json"):
        raise CiliumError(f'Invalid output format "{session.flags["output"]}": use json or summary')
    modes = {}
    for pod in session.pods("k8s-app=cilium"):
        name, node = pod["metadata"]["name"], str(pod["spec"].get("nodeName", ""))
        done = execute(
            session.client, session.namespace, name, ("cilium-dbg", "status", "-o", "json"), container="cilium-agent"
        )
        try:
            modes[node] = str((json.loads(done.stdout).get("encryption") or {}).get("mode") or "Disabled")
        except ValueError as error:
            said = (done.stderr or done.stdout).strip() or "no answer"
            raise CiliumError(f"Unable to get encryption status of node {node}: {said}") from error
    if not modes:
        raise CiliumError(f"Unable to get encryption status: no agents in namespace {session.namespace}")
    if session.flags["output"] == "json":
        session.say(json.dumps(_counts(modes), indent=1))
        return 0
    if session.flags["per-node-details"]:
        for node, mode in sorted(modes.items()):
            session.say(f"Node: {node}\nEncryption: {mode}\n")
        return 0
    for mode in sorted(set(modes.values())):
        session.say(f"Encryption: {mode} ({sum(one == mode for one in modes.values())}/{len(modes)} nodes)")
    session.say()
    return 0


def _counts(modes: dict[str, str]) -> dict[str, int]:
    """How many nodes encrypt how (cilium-cli encrypt/model.go); what no node does is left out."""
    counts = {"total-node-count": len(modes)}
    for mode in ("Disabled", "IPsec", "Wireguard"):
        number = sum(one == mode for one in modes.values())
        if number:
            counts[f"enc-{mode.lower()}-node-count"] = number
    return counts


def _bgp() -> Command:
    command = Command("bgp", short="Access to BGP control plane", example="cilium bgp peers")
    for name in ("peers", "routes"):
        child = Command(name, short=f"Lists BGP {name}", example=f"cilium bgp {name}", run=_needing(name))
        child.flags.ignore_unknown = True
        command.add(child)
    return command


def _needing(name: str) -> Callable[[Invocation], int]:
    def run(call: Invocation) -> int:
        session = Session(call)
        path = f"/api/v1/namespaces/{session.namespace}/configmaps/cilium-config"
        data = (session.find(path) or {}).get("data") or {}
        if data.get("enable-bgp-control-plane", "false") != "true":
            raise CiliumError(
                f"Unable to list BGP {name}: the BGP control plane is disabled in this cluster "
                "(enable-bgp-control-plane in cilium-config)"
            )
        raise not_bundled(f"cilium bgp {name}", "read CiliumBGP objects with kubectl")

    return run


def _clustermesh() -> Command:
    command = Command("clustermesh", short="Multi Cluster Management", example="cilium clustermesh status")
    status = Command("status", short="Show the status of ClusterMesh", example="cilium clustermesh status", run=_mesh)
    status.flags.ignore_unknown = True
    command.add(status)
    for name in _MESH_COMMANDS:
        command.add(_refusal(name, not_bundled(f"cilium clustermesh {name}", "the labs use one cluster")))
    return command


_MESH_COMMANDS: Iterable[str] = ("connect", "disable", "disconnect", "enable", "inspect-policy-default-local-cluster")


def _mesh(call: Invocation) -> int:
    session = Session(call)
    if session.workload("deployments", "clustermesh-apiserver") is None:
        path = f"/api/v1/namespaces/{session.namespace}/configmaps/cilium-config"
        if ((session.find(path) or {}).get("data") or {}).get("cluster-id", "0") in ("", "0"):
            session.say(
                "⚠️  Cluster not configured for clustermesh, use '--set cluster.id' and '--set cluster.name' with "
                "'cilium install'."
            )
        raise CiliumError(
            'Unable to determine status:  unable to get clustermesh service "clustermesh-apiserver": '
            'services "clustermesh-apiserver" not found'
        )
    raise not_bundled("cilium clustermesh status", "use cilium-dbg troubleshoot clustermesh in an agent")
