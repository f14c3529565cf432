"""Descriptions of built-in types and fields for ``kubectl explain``, read as text from the installed official client.

Without the client, or where it has changed its form, there simply is no description.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

__all__ = ["describe"]

_PREFIXES = (
    "v1_",
    "core_v1_",
    "discovery_v1_",
    "events_v1_",
    "storage_v1_",
    "apiextensions_v1_",
    "rbac_v1_",
    "authentication_v1_",
)
_CLASS = re.compile(r'^class (?:V1|\w+V1)\w+\(BaseModel\):\n    """\n    (.*?)\n\n', re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r'^    (\w+): .*?Field\(.*?description=("(?:[^"\\]|\\.)*")\)$', re.MULTILINE)
_ALIAS = re.compile(r'serialization_alias="(\w+)"')


def describe(type_name: str, field: str) -> str:
    """The description of ``Pod``'s ``spec`` (or of the type itself for an empty field); "" when there is none."""
    return _of(type_name).get(field, "")


@lru_cache(maxsize=512)
def _of(type_name: str) -> Mapping[str, str]:
    folder = _folder()
    if folder is None:
        return {}
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type_name).lower()
    for prefix in _PREFIXES:
        path = folder / f"{prefix}{snake}.py"
        if path.is_file():
            return _read(path.read_text(encoding="utf-8"))
    return {}


def _read(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    if about := _CLASS.search(text):
        found[""] = " ".join(about[1].split())
    for field in _FIELD.finditer(text):
        alias = _ALIAS.search(field[0])
        found[alias[1] if alias else field[1]] = ast.literal_eval(field[2])
    return found


@lru_cache(maxsize=1)
def _folder() -> Path | None:
    spec = importlib.util.find_spec("kubernetes")
    places = list(spec.submodule_search_locations or ()) if spec else []
    folder = Path(places[0]) / "client" / "models" if places else None
    return folder if folder and folder.is_dir() else None
