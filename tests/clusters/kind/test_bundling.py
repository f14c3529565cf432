"""A bundle made with stand-ins and a publisher on loopback, carried to a machine that reaches nobody."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lab_helpers.clusters.errors import ClusterError
from lab_helpers.clusters.kind import KindError, bundling
from lab_helpers.clusters.kind.engines import find_engine
from lab_helpers.clusters.kind.images import node_image
from lab_helpers.clusters.kind.steps import Lines
from lab_helpers.clusters.tools import Catalogue, Installer, Platform, Tool
from lab_helpers.clusters.tools.bundles import open_bundle, read_bundle
from lab_helpers.clusters.tools.locks import Lock
from lab_helpers.course.shopping import manifest_text

LINUX = Platform("linux", "amd64")
QUIET = Lines(lambda _line: None)


def _offline(folder: Path) -> tuple[Path, Installer]:
    """A bundle's tools, and an installer that has nothing but them."""
    (folder / "tools").mkdir(parents=True)
    tool = Tool("kind", "1", "http://127.0.0.1:9/kind-{os}-{arch}", "", "{url}.sha256", "", ("linux-amd64",))
    data = b"#!/bin/sh\n"
    (folder / "tools" / "kind-linux-amd64").write_bytes(data)
    (folder / "tools" / "kind-linux-amd64.sha256").write_text(hashlib.sha256(data).hexdigest(), encoding="utf-8")
    lock = Lock(folder.parent / "lock.json")
    return folder, Installer(
        folder.parent / "installed", lock, Catalogue({"kind": tool}, "node:1"), LINUX, bundle=folder
    )


def test_made_here_used_there(quick, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    source, installer = _offline(tmp_path / "source")
    folder = tmp_path / "making"
    (source / "bundle.json").write_text('{"format": 1}', encoding="utf-8")
    tools = bundling.add_tools(folder, installer, [LINUX], QUIET)
    chart = bundling.add_chart(folder, quick.home, "1.20.2", QUIET, quick.environ)
    pods = [*bundling.chart_images(chart, quick.home, quick.environ), *bundling.manifest_images(manifest_text())]
    engine = find_engine(quick.environ)
    images = bundling.add_images(folder, engine, "kindest/node:v1@sha256:1", pods, QUIET, quick.environ)
    assert images["engine_images"] == ["kindest/node:v1", "docker.io/library/python:3.13-alpine"]
    assert images["node_images"][:2] == ["quay.io/cilium/cilium:v1.20.2", "quay.io/cilium/operator-generic:v1.20.2"]
    assert "nicolaka/netshoot:v0.14" in images["node_images"]
    assert bundling.pack(folder, tmp_path / "room.tar", {"tools": tools, **images}) > 0
    assert not folder.exists()
    opened = open_bundle(tmp_path / "room.tar", tmp_path / "cache")
    assert read_bundle(opened)["tools"] == ["kind-linux-amd64"]
    assert (opened / "charts" / "cilium-1.20.2.tgz").is_file()
    there = dataclasses.replace(installer, bundle=opened, folder=tmp_path / "there", lock=Lock(tmp_path / "new.json"))
    assert there.install("kind").how == "installed"
    quick.put(images=[])
    quick.forget_calls()
    quick.environ["CILIUM_LABS_BUNDLE"] = str(tmp_path / "room.tar")
    quick.environ["CILIUM_LABS_KIND_IMAGE"] = "kindest/node:v1@sha256:1"
    quick.cluster().up("1.20.2", with_cilium=True)
    assert quick.calls("docker", "pull") == [], "the room has no registry"
    assert "kindest/node:v1" in quick.state["images"]
    assert node_image(engine, quick.environ) == "kindest/node:v1"


def test_every_image_is_asked_for_once(quick, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    quick.put(images=["a:1"])
    bundling.add_images(tmp_path / "b", find_engine(quick.environ), "n:1", ["a:1", "c:1"], QUIET, quick.environ)
    pulled = [call[-1] for call in quick.calls("docker", "pull")]
    assert pulled == ["n:1", "docker.io/library/python:3.13-alpine", "c:1"]


def test_an_image_that_cannot_be_had(quick, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    quick.fail("pull")
    with pytest.raises(KindError, match="could not be downloaded"):
        bundling.add_images(tmp_path / "b", find_engine(quick.environ), "n:1", [], QUIET, quick.environ)


def test_images_of_the_shop_are_all_its_images() -> None:
    found = set()
    for item in yaml.safe_load_all(manifest_text()):
        if item["kind"] == "Deployment":
            found |= {container["image"] for container in item["spec"]["template"]["spec"]["containers"]}
    assert set(bundling.manifest_images(manifest_text())) == found


def test_without_an_engine_a_bundle_with_images_is_refused(machine) -> None:  # type: ignore[no-untyped-def]
    machine.fail("no-daemon")
    command = [sys.executable, "-m", "lab_helpers.cli", "bundle", str(machine.folder / "x.tar")]
    done = subprocess.run(command, capture_output=True, text=True, env=machine.environ, check=False)
    assert done.returncode == 1
    assert "the container engine does not answer" in done.stderr
    assert not (machine.home.path / "bundling").exists()


def test_a_full_disk_leaves_no_half_bundle(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(ClusterError, match="cannot be written"):
        bundling.pack(folder, tmp_path / "taken" / "x.tar", {})
    assert json.loads((folder / "bundle.json").read_text(encoding="utf-8"))["format"] == 1
