"""Every module imports on its own, and publishes what it says; its libraries are as new as it needs them."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
import tomllib
from collections.abc import Iterator
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


@pytest.mark.parametrize("name", ["policy", "twin.containers"])
def test_the_map_of_a_large_package_names_every_module(name: str) -> None:
    package = importlib.import_module(f"lab_helpers.{name}")
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    map_ = (package.__doc__ or "").partition("What is where")[2]
    assert modules == set(re.findall(r"``([a-z_0-9]+)``", map_))


def test_the_floors_of_the_project_are_what_the_generated_stubs_need() -> None:
    """Both libraries refuse stubs of a newer generator when they are imported."""
    protos = ROOT / "lab_helpers" / "hubble" / "protos"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    floors = dict(re.findall(r"^(grpcio|protobuf)>=([\d.]+)", "\n".join(project["dependencies"]), re.MULTILINE))
    stubs = "\n".join(path.read_text(encoding="utf-8") for path in protos.glob("*_pb2*.py"))
    assert set(re.findall(r"^# Protobuf Python Version: (.+)$", stubs, re.MULTILINE)) == {floors["protobuf"]}
    assert set(re.findall(r"^GRPC_GENERATED_VERSION = '(.+)'$", stubs, re.MULTILINE)) == {floors["grpcio"]}


IMPORTED_AS = {
    "IPython": "ipython",
    "celpy": "cel-python",
    "dns": "dnspython",
    "google": "protobuf",
    "grpc": "grpcio",
    "grpc_tools": "grpcio-tools",
    "kafka": "kafka-python",
    "re2": "google-re2",
    "ruamel": "ruamel-yaml",
    "websocket": "websocket-client",
    "yaml": "pyyaml",
}
OTHERS_BRING_THEM = {
    "certifi",  # authorities for a Python that has none of its own; does without
    "jsonschema",  # imported before nbformat does it, to spare it a slow part
}
NOBODY_IMPORTS_THEM = {"ipywidgets"}  # the front end's half of anywidget
IMPORT = re.compile(r"^\s*(?:from (\w+)[\w.]* import |import (\w+)[\w.]*(?: as \w+)?(?:  #.*)?$)", re.MULTILINE)


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    always = {_normal(line) for line in project["dependencies"]}
    sometimes = {_normal(line) for extra in ("cel", "protos") for line in project["optional-dependencies"][extra]}
    roots = {root for path in (ROOT / "lab_helpers").rglob("*.py") for root in _imported(path)}
    used = {_normal(IMPORTED_AS.get(root, root)) for root in roots - {"lab_helpers", *sys.stdlib_module_names}}
    assert used - always - sometimes == OTHERS_BRING_THEM
    assert always - used == NOBODY_IMPORTS_THEM


def _normal(requirement: str) -> str:
    """The name alone, as package indexes compare it: ``ruamel.yaml>=0.18`` → ``ruamel-yaml``."""
    found = re.match(r"[\w.-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found.group()).lower()


def _imported(path: Path) -> Iterator[str]:
    """The top-level packages a module imports."""
    for found in IMPORT.finditer(path.read_text(encoding="utf-8")):
        yield found[1] or found[2]
