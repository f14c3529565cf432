"""Every module imports on its own, and publishes what it says."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import lab_helpers

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
