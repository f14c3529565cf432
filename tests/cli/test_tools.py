"""``cilium-labs tools`` and ``bundle`` as commands: from a mirror on loopback, then from the bundle, offline."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import pytest

from lab_helpers.clusters.tools import ToolError, load_catalogue, this_platform


def _publishers() -> ModuleType:
    path = Path(__file__).parents[1] / "clusters" / "tools" / "publishers.py"
    spec = importlib.util.spec_from_file_location("publishers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault("publishers", module)
    spec.loader.exec_module(module)
    return module


def run(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CILIUM_LABS_")}
    return subprocess.run(
        [sys.executable, "-m", "lab_helpers.cli", *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**environ, "CILIUM_LABS_HOME": str(home), **variables},
        check=False,
    )


def test_from_a_mirror_and_then_from_a_bundle(tmp_path: Path) -> None:
    try:
        platform = this_platform()
    except ToolError as error:
        pytest.skip(str(error))
    publishers = _publishers()
    program = b"#!/bin/sh\necho a tool\n"
    with publishers.serving() as mirror:
        published = [tool for tool in load_catalogue(environ={}).tools.values() if str(platform) in tool.platforms]
        for tool in published:
            asset = tool.asset(platform)
            pack = publishers.zipped if asset.url.endswith(".zip") else publishers.tar_gz
            data = pack(**{asset.member: program}) if asset.member else program
            parts = urlsplit(asset.url)
            mirror.publish(f"/{parts.netloc}{parts.path}", data, asset.checksums.removeprefix(asset.url))
        first = run(tmp_path / "first", "tools", "install", CILIUM_LABS_MIRROR=mirror.address)
        packed = run(
            tmp_path / "first", "bundle", "--no-images", str(tmp_path / "room.tar"), CILIUM_LABS_MIRROR=mirror.address
        )
    names = [tool.name for tool in published]
    assert first.returncode == 0, first.stderr
    assert [line.split()[1] for line in first.stdout.splitlines() if line.startswith("✔")] == names
    assert first.stdout.count("installed") == len(names)
    assert packed.returncode == 0, packed.stderr
    listed = run(tmp_path / "first", "tools", "list")
    assert listed.stdout.count(" installed ") == len(names)
    assert "not seen yet" not in listed.stdout
    path = run(tmp_path / "first", "tools", "path", "kubectl").stdout.strip()
    assert Path(path).read_bytes() == program
    assert len(run(tmp_path / "first", "tools", "path").stdout.strip().split(os.pathsep)) == len(names)

    room = {"CILIUM_LABS_BUNDLE": str(tmp_path / "room.tar"), "HTTPS_PROXY": "http://127.0.0.1:9"}
    second = run(tmp_path / "second", "tools", "install", **room)
    assert second.returncode == 0, second.stderr
    locks = [tmp_path / home / "tools" / "tools.lock.json" for home in ("first", "second")]
    assert json.loads(locks[0].read_text(encoding="utf-8")) == json.loads(locks[1].read_text(encoding="utf-8"))
    assert "there already" in run(tmp_path / "second", "tools", "install", "helm", **room).stdout


def test_failures_name_the_tool_and_end_with_one(tmp_path: Path) -> None:
    done = run(tmp_path, "tools", "install", "helm", CILIUM_LABS_MIRROR="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "✖ helm: the download failed" in done.stderr
    assert "Traceback" not in done.stderr
    assert run(tmp_path, "tools", "path", "helm").returncode == 1
    assert "there is no tool" in run(tmp_path, "tools", "install", "cowsay").stderr


def test_a_bundle_with_images_needs_an_engine(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    done = run(tmp_path / "home", "bundle", str(tmp_path / "x.tar"), PATH=str(empty))
    assert done.returncode == 1
    assert "neither docker nor podman is on PATH" in done.stderr
    assert not (tmp_path / "x.tar").exists()
