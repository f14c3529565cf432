"""What ``cilium-labs status`` says of a kind cluster beyond its Kubernetes objects."""

from __future__ import annotations

import os
from collections.abc import Mapping

from lab_helpers.clusters.homes import Home
from lab_helpers.clusters.kind.creating import NODE_LABEL
from lab_helpers.clusters.kind.engines import ENGINES, find_engine
from lab_helpers.clusters.kind.errors import KindError
from lab_helpers.clusters.kind.ledgers import Ledger
from lab_helpers.clusters.kind.outside_containers import NAME, PART
from lab_helpers.clusters.kind.outsides import ZONES

__all__ = ["describe"]


def describe(home: Home, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """``engine``, ``containers`` and ``outside``, in words. Raises nothing: an engine that is gone is a fact too."""
    made = Ledger(home).read()
    if made is None:
        return {"containers": "none were made from here"}
    try:
        engine = find_engine({**environ, "CILIUM_LABS_ENGINE": made.engine} if made.engine in ENGINES else environ)
        info = engine.info()
        nodes = engine.containers(NODE_LABEL)
        outside = next((one for one in engine.containers(PART) if one.name == NAME), None)
        address = engine.address(NAME, made.network) if outside is not None and outside.running else ""
    except KindError as error:
        return {"engine": error.what}
    running = sum(one.running for one in nodes)
    return {
        "engine": f"{engine.name} {info.version}",
        "image": made.image,
        "containers": f"{running}/{len(made.nodes)} running ({made.state})",
        "outside": f"{', '.join(ZONES)} at {address}" if address else "not running (cilium-labs up --backend kind)",
    }
