"""The operator's lease lives on the clock: renewed every two seconds while it leads."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime

import pytest

from lab_helpers.twin.agent.logs import AgentLog
from lab_helpers.twin.agent.operators import Operator
from tests.twin.agent.clusters import Cluster

LEASES = "leases.coordination.k8s.io"


@pytest.mark.parametrize(("seconds", "at_least"), [(5, 4), (70, 65), (3600, 3598)])
async def test_the_leader_renews_its_lease(seconds: float, at_least: float) -> None:
    cluster = await Cluster().start()
    cluster.registry.create(
        "configmaps", {"metadata": {"name": "cilium-config", "namespace": "kube-system"}, "data": {"ipam": "x"}}
    )
    leading = asyncio.create_task(Operator(cluster.agents).lead(AgentLog(cluster.clock), "operator-1", "1.20.2"))
    await cluster.settle()
    taken = cluster.registry.get(LEASES, "cilium-operator-resource-lock", "kube-system")["spec"]
    await cluster.clock.advance(seconds)
    now = cluster.registry.get(LEASES, "cilium-operator-resource-lock", "kube-system")["spec"]
    leading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await leading
    assert now["acquireTime"] == taken["renewTime"]
    assert now["leaseTransitions"] == 0
    assert _seconds(now["renewTime"]) - _seconds(taken["renewTime"]) >= at_least


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
