"""``cilium-labs down`` for a kind cluster: everything that is written down as made goes, and nothing else.

Containers are compared by their ids, so that a cluster somebody else made under the same name stays. The engine's
network goes when it was not there before and nobody else uses it. Images stay: they are a cache, and not only ours.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping

from lab_helpers.clusters.homes import Home
from lab_helpers.clusters.kind.commands import run
from lab_helpers.clusters.kind.configs import CLUSTER
from lab_helpers.clusters.kind.creating import NODE_LABEL
from lab_helpers.clusters.kind.engines import ENGINES, Engine, find_engine
from lab_helpers.clusters.kind.ledgers import Ledger, Made
from lab_helpers.clusters.kind.outside_containers import NAME, PART
from lab_helpers.clusters.kind.steps import Reporter, reporting
from lab_helpers.clusters.tools.linking import find_tool

__all__ = ["remove"]


def remove(home: Home, report: Reporter, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Remove it; returns what was removed, in words. Raises EngineMissing, CommandFailed: then nothing is forgotten."""
    ledger = Ledger(home)
    made = ledger.read()
    if made is None:
        shutil.rmtree(home.kind, ignore_errors=True)
        return []
    engine = find_engine({**environ, "CILIUM_LABS_ENGINE": made.engine} if made.engine in ENGINES else environ)
    engine.info()
    removed = []
    with reporting(report, "removing the cluster") as noted:
        removed += _nodes(home, engine, made, environ)
        noted.text = ", ".join(removed) or "its nodes were gone"
    with reporting(report, "removing the outside") as noted:
        found = [one for one in engine.containers(PART) if one.name == NAME]
        engine.remove([one.id for one in found])
        removed += [one.name for one in found]
        noted.text = "" if found else "it was gone"
    if made.network_made and engine.network(made.network) == []:
        with reporting(report, f'removing the network "{made.network}"'):
            engine.do("network", "rm", made.network)
            removed.append(f"network {made.network}")
    shutil.rmtree(home.kind, ignore_errors=True)
    return removed


def _nodes(home: Home, engine: Engine, made: Made, environ: Mapping[str, str]) -> list[str]:
    there = engine.containers(NODE_LABEL)
    ours = [one for one in there if made.state == "creating" or one.id in made.nodes.values()]
    if not ours:
        return []
    kind = find_tool(home, "kind", environ)
    if len(ours) == len(there) and kind is not None:
        with contextlib.suppress(OSError):
            words = [kind, "delete", "cluster", "--name", CLUSTER, "--kubeconfig", str(home.kind / "kubeconfig")]
            run(words, timeout=180.0, environ=engine.variables)
    left = {one.id for one in engine.containers(NODE_LABEL)}
    engine.remove([one.id for one in ours if one.id in left])  # kind is gone, or did not manage
    return [one.name for one in ours]
