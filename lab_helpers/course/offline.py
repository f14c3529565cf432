"""Rooms without internet: Cilium's chart comes from the bundle that ``cilium-labs up --backend kind`` was given."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab_helpers.clusters import Cluster

__all__ = ["advice", "chart_here"]


def chart_here(cluster: Cluster, version: str) -> list[str]:
    """helm's words for the bundle's chart of this version; none without one."""
    folder = str(cluster.facts.get("bundle") or "")
    if not folder:
        return []
    from lab_helpers.clusters.kind.ciliums import bundled_chart

    return bundled_chart(Path(folder), version)


def advice(chart: Sequence[str]) -> str:
    """What a learner does in a lab that installs Cilium by helm."""
    version = Path(chart[0]).stem.removeprefix("cilium-")
    return (
        f"helm repo add and helm search need the internet: leave them out, and write {shlex.join(chart)} where cells "
        f"and solutions say cilium/cilium --version {version}; cilium connectivity test downloads images of its own, "
        "so it cannot run"
    )
