"""A publisher on loopback, and an installer that asks it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lab_helpers.clusters.tools import Catalogue, Installer, Platform, Tool
from lab_helpers.clusters.tools.locks import Lock


def _publishers() -> ModuleType:
    spec = importlib.util.spec_from_file_location("publishers", Path(__file__).with_name("publishers.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["publishers"] = module
    spec.loader.exec_module(module)
    return module


publishers = _publishers()

PROGRAM = b"#!/bin/sh\necho kind\n" * 40_000


@pytest.fixture
def publisher() -> Iterator[publishers.Publisher]:
    with publishers.serving() as one:
        one.publish("/kind-linux-amd64", PROGRAM)
        one.publish("/helm-linux-amd64.tar.gz", publishers.tar_gz(**{"linux-amd64/helm": PROGRAM}))
        one.publish("/helm-windows-amd64.zip", publishers.zipped(**{"windows-amd64/helm.exe": PROGRAM}))
        yield one


@pytest.fixture
def installer(publisher: publishers.Publisher, tmp_path: Path) -> Installer:
    base = publisher.address
    both = ("linux-amd64", "windows-amd64")
    tools = {
        "kind": Tool("kind", "1.0", base + "/kind-{os}-{arch}", "", "{url}.sha256sum", "", ("linux-amd64",)),
        "helm": Tool(
            "helm",
            "3.0",
            base + "/helm-{os}-{arch}.tar.gz",
            base + "/helm-{os}-{arch}.zip",
            "{url}.sha256sum",
            "{os}-{arch}/helm{exe}",
            both,
        ),
    }
    folder = tmp_path / "tools"
    return Installer(
        folder, Lock(folder / "lock.json"), Catalogue(tools, "node:1"), Platform("linux", "amd64"), timeout=30.0
    )
