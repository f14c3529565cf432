"""The story's application as manifests: the files in ``shop/``, and the ConfigMaps that carry our own programs."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib import resources
from typing import Any, Final

__all__ = ["CLIENTS", "NAMESPACES", "STORY_ANNOTATION", "manifest_text", "manifests"]

STORY_ANNOTATION: Final = "cilium-labs/story"
NAMESPACES: Final = ("shop", "dev")
CLIENTS: Final = ("shop/frontend", "shop/payments", "dev/intruder")
"""Workloads with curl and the like inside."""

_PROGRAMS: Final = (("backend", "server.py"), ("caller", "caller.py"))
"""Whose code it is, and its file: they reach pods as ConfigMaps."""


@functools.cache
def _manifests(parts: tuple[str, ...] = ()) -> tuple[dict[str, Any], ...]:
    import yaml

    folder = resources.files("lab_helpers.course.shop")
    folders = [folder, *(folder.joinpath(part) for part in parts)]
    files = sorted(
        (item for place in folders for item in place.iterdir() if item.name.endswith(".yaml")),
        key=lambda item: item.name,
    )
    found: list[dict[str, Any]] = []
    for file in files:
        found += [item for item in yaml.safe_load_all(file.read_text(encoding="utf-8")) if item]
    code = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"{name}-code", "namespace": "shop", "labels": {"app": name}},
            "data": {file: folder.joinpath(file).read_text(encoding="utf-8")},
        }
        for name, file in _PROGRAMS
    ]
    namespaces = [item for item in found if item["kind"] == "Namespace"]
    rest = [item for item in found if item["kind"] != "Namespace"]
    return (*namespaces, *code, *rest)


def manifests(parts: Sequence[str] = ()) -> list[dict[str, Any]]:
    """All objects, in an order in which they can be applied. Each call gives new dictionaries.

    ``parts`` names folders beside the shop's own manifests, such as ``kafka``.
    """
    import copy

    return copy.deepcopy(list(_manifests(tuple(parts))))


def manifest_text() -> str:
    """The same as one YAML stream, for ``kubectl apply -f -``."""
    import yaml

    return yaml.safe_dump_all(_manifests(), sort_keys=False)
