"""Which images the course's pods are made of: those that the shop's manifests and the labs' cells and tasks name."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from lab_helpers.clusters.kind.bundling import manifest_images
from lab_helpers.course.catalogue import lab_folders, notebook

__all__ = ["course_images", "lab_images", "shop_images"]


def course_images(labs: Iterable[Path] | None = None) -> list[str]:
    """All of them, each once, by tag. Raises UnknownLab when the labs cannot be found."""
    found = shop_images()
    for folder in lab_folders() if labs is None else labs:
        found += lab_images(folder)
    return list(dict.fromkeys(found))


def shop_images() -> list[str]:
    """Those of the shop and of all its further parts."""
    folder = resources.files("lab_helpers.course.shop")
    places = [folder, *(item for item in folder.iterdir() if item.is_dir())]
    files = [item for place in places for item in place.iterdir() if item.name.endswith(".yaml")]
    texts = [file.read_text(encoding="utf-8") for file in sorted(files, key=lambda item: item.name)]
    return manifest_images("\n".join(texts))


def lab_images(folder: Path) -> list[str]:
    """Those of one lab: in code cells, and in what its tasks begin with, offer, accept and refuse."""
    texts = [file.read_text(encoding="utf-8") for file in sorted((folder / "tasks").glob("*.yaml"))]
    cells = json.loads(notebook(folder).read_text(encoding="utf-8"))["cells"]
    texts += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return manifest_images("\n".join(texts))
