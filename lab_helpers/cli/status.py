"""``cilium-labs status``."""

from __future__ import annotations

import json
from typing import Any

import click

from lab_helpers.clusters import Cluster, ClusterError, Home, connect

__all__ = ["status"]


@click.command()
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form of the answer."
)
def status(output: str) -> None:
    """Show which cluster is in use and how it is. Exit code 1 when there is none or it does not answer.

    \b
    Examples:
      cilium-labs status
      cilium-labs status -o json
    """
    cluster = connect()
    if not cluster.reachable():
        again = "cilium-labs down, then cilium-labs up" if cluster.backend == "twin" else "cilium-labs up"
        raise ClusterError("the cluster does not answer", where=str(cluster.kubeconfig), try_=again)
    facts = _facts(cluster)
    if output == "json":
        click.echo(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        click.echo(f"{name + ':':<12} {value}")


def _facts(cluster: Cluster) -> dict[str, Any]:
    from kubernetes import client

    versions = cluster.versions()
    with cluster.api() as api:
        core = client.CoreV1Api(api)
        nodes = core.list_node().items
        pods = core.list_pod_for_all_namespaces().items
        ready = sum(
            any(c.type == "Ready" and c.status == "True" for c in node.status.conditions or ()) for node in nodes
        )
        running = sum(pod.status.phase == "Running" for pod in pods)
    facts = {
        "backend": cluster.backend,
        "cluster": cluster.name,
        "kubernetes": versions["kubernetes"],
        "cilium": versions.get("cilium", "not installed"),
        "nodes": f"{ready}/{len(nodes)} ready",
        "pods": f"{running}/{len(pods)} running",
        "hubble": _hubble(cluster),
        "kubeconfig": str(cluster.kubeconfig),
    }
    return {**facts, **_around(cluster)}


def _around(cluster: Cluster) -> dict[str, Any]:
    """What there is beside the cluster's own objects."""
    if cluster.backend == "existing":
        from lab_helpers.clusters.existing import marked_namespaces

        allowed = "allowed" if cluster.facts.get("cluster_wide") else "not allowed"
        ours = ", ".join(marked_namespaces(cluster)) or "none yet"
        return {"ours": f"namespaces: {ours}", "cluster-wide": f"changes by labs are {allowed}"}
    if cluster.backend == "kind":
        from lab_helpers.clusters.kind.describing import describe

        return dict(describe(Home(cluster.state_dir)))
    return {}


def _hubble(cluster: Cluster) -> str:
    try:
        with cluster.hubble() as hubble:
            answer = hubble.status()
    except Exception:  # noqa: BLE001 - whatever the reason, the status is "not reachable"
        return "not reachable"
    where = f"at {cluster.hubble_address}" if cluster.hubble_address else "through the API server"
    return f"{answer.num_flows}/{answer.max_flows} flows {where}"
