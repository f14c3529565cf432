"""Every module imports on its own, and publishes what it says; its libraries are as new as it needs them."""

from __future__ import annotations

import importlib
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

import lab_helpers

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(lab_helpers.__path__, "lab_helpers.")
    if not module.name.endswith(("__main__", "_pb2", "_pb2_grpc"))
)


@pytest.mark.parametrize("name", MODULES)
def test_published_names_exist(name: str) -> None:
    module = importlib.import_module(name)
    missing = [public for public in getattr(module, "__all__", ()) if not hasattr(module, public)]
    assert not missing
    assert module.__doc__, "a module opens with its contract"


def test_the_floors_of_the_project_are_what_the_generated_stubs_need() -> None:
    """Both libraries refuse stubs of a newer generator when they are imported."""
    protos = ROOT / "lab_helpers" / "hubble" / "protos"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    floors = dict(re.findall(r"^(grpcio|protobuf)>=([\d.]+)", "\n".join(project["dependencies"]), re.MULTILINE))
    stubs = "\n".join(path.read_text(encoding="utf-8") for path in protos.glob("*_pb2*.py"))
    assert set(re.findall(r"^# Protobuf Python Version: (.+)$", stubs, re.MULTILINE)) == {floors["protobuf"]}
    assert set(re.findall(r"^GRPC_GENERATED_VERSION = '(.+)'$", stubs, re.MULTILINE)) == {floors["grpcio"]}
