"""A bundle has every image that a lab or the shop names, whatever the way it is written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from lab_helpers.clusters.kind.bundling import manifest_images
from lab_helpers.course import shopping
from lab_helpers.course.catalogue import lab_folders, notebook
from lab_helpers.course.images import course_images, lab_images

LABS = Path(__file__).resolve().parents[2] / "labs"


def named(value: Any) -> set[str]:
    """The images of a parsed document: what pods have, and what is YAML within its texts."""
    if isinstance(value, dict):
        here = {str(value["image"])} if isinstance(value.get("image"), str) else set()
        return here.union(*map(named, value.values()))
    if isinstance(value, list):
        return set().union(*map(named, value))
    return parsed(value) if isinstance(value, str) and "image:" in value else set()


def parsed(text: str) -> set[str]:
    return set().union(*(named(item) for item in YAML(typ="safe", pure=True).load_all(text)))


@pytest.fixture(scope="module")
def images() -> list[str]:
    return course_images(lab_folders(LABS))


def test_each_is_there_once_and_has_a_tag(images: list[str]) -> None:
    assert len(images) == len(set(images))
    assert all(re.fullmatch(r"[a-z0-9./-]+:v?\d[\w.-]*", image) for image in images), images


def test_all_of_the_shop_and_of_its_parts(images: list[str]) -> None:
    parts = [item.name for item in (Path(shopping.__file__).parent / "shop").iterdir() if item.is_dir()]
    parts = [part for part in parts if not part.startswith("__")]
    assert "kafka" in parts
    assert named(shopping.manifests(parts)) <= set(images)


@pytest.mark.parametrize("folder", lab_folders(LABS), ids=lambda folder: folder.name)
def test_all_that_a_lab_names(folder: Path, images: list[str]) -> None:
    wanted: set[str] = set()
    for file in (folder / "tasks").glob("*.yaml"):
        wanted |= named(YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8")))
    for cell in json.loads(notebook(folder).read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "code" and text.startswith("%%") and "image:" in text:
            wanted |= parsed(text.partition("\n")[2])
    assert wanted <= set(images)


def test_lab_02_brings_a_kube_proxy() -> None:
    found = lab_images(next(folder for folder in lab_folders(LABS) if folder.name.startswith("02")))
    assert any("/kube-proxy:" in image for image in found)


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("      - image: a/b:1", "a/b:1"),
        ('image: "quay.io/a/b:1@sha256:00"', "quay.io/a/b:1"),
        ('containers: [{name: x, image: "a:1", command: [sh]}]', "a:1"),
        ("- {image: a:1}", "a:1"),
        ("!kubectl run x --image=a:1 -- sh", "a:1"),
        ("kubectl run x --image a:1", "a:1"),
    ],
)
def test_ways_to_write_one(text: str, image: str) -> None:
    assert manifest_images(f"kind: Pod\n{text}\n") == [image]


@pytest.mark.parametrize(
    "text", ["# image: a:1", "my-image: a:1", "imagePullPolicy: Always", "image:\n  repository: a"]
)
def test_what_is_none(text: str) -> None:
    assert manifest_images(f"{text}\n") == []
