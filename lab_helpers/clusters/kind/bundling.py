"""An offline bundle: tools, the chart, and the images of nodes and pods, in one .tar for rooms without internet.

::

    bundle.json        what is inside, for which platform
    tools/             downloads as their publishers made them, with their sums
    charts/            cilium-<version>.tgz
    images/engine.tar  images that become containers: kind's node, the outside
    images/nodes.tar   images that become pods: Cilium's, the shop's, the labs'

Which images Cilium needs is asked of its own chart (``helm template``); those of the shop and the labs are read from
their manifests (``course.images``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import shutil
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from lab_helpers.clusters.environments import environment_file
from lab_helpers.clusters.homes import Home
from lab_helpers.clusters.kind.ciliums import REPOSITORY
from lab_helpers.clusters.kind.commands import checked
from lab_helpers.clusters.kind.engines import Engine
from lab_helpers.clusters.kind.errors import KindError
from lab_helpers.clusters.kind.images import ENGINE_IMAGES, NODE_IMAGES, without_digest
from lab_helpers.clusters.kind.outside_containers import outside_image
from lab_helpers.clusters.kind.steps import Reporter, reporting
from lab_helpers.clusters.tools.bundles import DESCRIPTION
from lab_helpers.clusters.tools.catalogues import Platform
from lab_helpers.clusters.tools.errors import ToolError
from lab_helpers.clusters.tools.installing import Installer
from lab_helpers.clusters.tools.linking import find_tool

__all__ = ["add_chart", "add_images", "add_tools", "chart_images", "manifest_images", "pack"]

_IMAGE: Final = re.compile(r"""^(?:[^#\n]*[\s{,])?(?:image:[ ]+|--image[= ])["']?([^\s"',}]+)""", re.MULTILINE)
"""In block and flow style, and as kubectl's option."""


def add_tools(folder: Path, installer: Installer, platforms: Iterable[Platform], report: Reporter) -> list[str]:
    """Verified downloads for each platform; returns their names. Raises ToolError."""
    added = []
    for platform in platforms:
        for tool in installer.catalogue.tools.values():
            if str(platform) not in tool.platforms:
                report.detail(f"{tool.name} is not published for {platform}")
                continue
            with reporting(report, f"{tool.name} {tool.version} for {platform}"):
                asset = tool.asset(platform)
                there = dataclasses.replace(installer, platform=platform)
                path = there.download(asset, folder / "tools")
                added.append(path.name)
    if not added:
        raise ToolError("no tool is published for these platforms", where="environment/tools.toml")
    return added


def add_chart(folder: Path, home: Home, version: str, report: Reporter, environ: Mapping[str, str]) -> Path:
    """Cilium's chart by the real helm. Raises KindError."""
    helm = _helm(home, environ)
    charts = folder / "charts"
    charts.mkdir(parents=True, exist_ok=True)
    with reporting(report, f"the chart of Cilium {version}"):
        words = ["pull", "cilium", "--repo", REPOSITORY, "--version", version, "--destination", str(charts)]
        checked([helm, *words], timeout=120.0)
    return charts / f"cilium-{version}.tgz"


def chart_images(chart: Path, home: Home, environ: Mapping[str, str]) -> list[str]:
    """The images of the chart with the course's values, by tag: an archive keeps no digests. Raises KindError."""
    values = str(environment_file("kind", "cilium-values.yaml"))
    words = ["template", "cilium", str(chart), "--namespace", "kube-system", "--values", values]
    return manifest_images(checked([_helm(home, environ), *words], timeout=120.0))


def manifest_images(text: str) -> list[str]:
    """The images that manifests or commands name, in order, each once, without digests; at most one in a line."""
    return list(dict.fromkeys(without_digest(found) for found in _IMAGE.findall(text)))


def add_images(
    folder: Path,
    engine: Engine,
    node_image: str,
    pods: Iterable[str],
    report: Reporter,
    environ: Mapping[str, str],
) -> dict[str, list[str]]:
    """Pull what is missing and save it. Raises KindError, with its cure, when an image cannot be had."""
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    sets = {ENGINE_IMAGES: [without_digest(node_image), outside_image(environ)], NODE_IMAGES: list(pods)}
    for file, wanted in sets.items():
        for image in wanted:
            with reporting(report, image) as noted:
                if engine.has_image(image):
                    noted.text = "there already"
                else:
                    engine.do("pull", "--quiet", image, timeout=1800.0)
        with reporting(report, f"saving {len(wanted)} images"):
            engine.do("save", "--output", str(images / file), *wanted, timeout=1800.0)
    return {"engine_images": sets[ENGINE_IMAGES], "node_images": sets[NODE_IMAGES]}


def pack(folder: Path, target: Path, facts: Mapping[str, Any]) -> int:
    """Describe the folder and write it as one .tar, whole or not at all; returns its size. Raises ToolError."""
    part = target.with_name(target.name + ".part")
    try:
        (folder / DESCRIPTION).write_text(json.dumps({"format": 1, **facts}, indent=2) + "\n", encoding="utf-8")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(part, "w") as tar:
            for path in sorted(folder.rglob("*")):
                if path.is_file() and not path.name.endswith((".part", ".part.json")):
                    tar.add(path, arcname=path.relative_to(folder).as_posix(), recursive=False)
        part.replace(target)
        shutil.rmtree(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise ToolError(
            f"the bundle cannot be written: {error.strerror or error}", where=str(target), try_="free some space"
        ) from error
    return target.stat().st_size


def _helm(home: Home, environ: Mapping[str, str]) -> str:
    program = find_tool(home, "helm", environ)
    if program is None:
        raise KindError(
            "the chart is fetched by the real helm, which is not installed",
            try_="cilium-labs tools install helm, or --no-images for a bundle of tools only",
        )
    return program
