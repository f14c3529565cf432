"""Images: which one nodes are made of, and how those of a bundle get into the engine and into the nodes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from lab_helpers.clusters.kind.commands import checked
from lab_helpers.clusters.kind.configs import CLUSTER
from lab_helpers.clusters.kind.engines import Engine
from lab_helpers.clusters.tools.bundles import read_bundle
from lab_helpers.clusters.tools.catalogues import load_catalogue

__all__ = ["ENGINE_IMAGES", "NODE_IMAGES", "load_into_engine", "load_into_nodes", "node_image", "without_digest"]

ENGINE_IMAGES = "engine.tar"
NODE_IMAGES = "nodes.tar"


def node_image(engine: Engine, environ: Mapping[str, str] = os.environ) -> str:
    """The pinned one; by its tag alone where only that is stored (as an archive leaves it)."""
    image = load_catalogue(environ=environ).node_image
    bare = without_digest(image)
    return bare if bare != image and not engine.has_image(image) and engine.has_image(bare) else image


def without_digest(image: str) -> str:
    """``name:tag`` of ``name:tag@sha256:…``."""
    return image.partition("@")[0]


def load_into_engine(engine: Engine, bundle: Path) -> str:
    """Images that become containers: nodes and the outside. Returns what to say of it. Raises CommandFailed."""
    archive = bundle / "images" / ENGINE_IMAGES
    wanted = read_bundle(bundle).get("engine_images") or []
    if not archive.is_file():
        return "the bundle has none"
    if wanted and all(engine.has_image(str(image)) for image in wanted):
        return "there already"
    engine.do("load", "--input", str(archive), timeout=900.0)
    return f"{len(wanted)} loaded"


def load_into_nodes(engine: Engine, kind: str, bundle: Path) -> str:
    """Images that become pods. Returns what to say of it. Raises CommandFailed."""
    archive = bundle / "images" / NODE_IMAGES
    wanted = read_bundle(bundle).get("node_images") or []
    if not archive.is_file():
        return "the bundle has none"
    checked([kind, "load", "image-archive", str(archive), "--name", CLUSTER], timeout=900.0, environ=engine.variables)
    return f"{len(wanted)} loaded"
