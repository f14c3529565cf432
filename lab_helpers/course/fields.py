"""Values inside Kubernetes objects by path: ``spec.ingress[*].toPorts[*].ports[*].port``.

``[*]`` goes through a list, ``[?type=Ready]`` keeps the elements with that value. A path that leads nowhere finds
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["matches", "select"]

_STEP = re.compile(r"\.?(?:([^.\[\]]+)|\[(\*)\]|\[\?([^=\]]+)=([^\]]*)\])")


def select(resource: Any, path: str) -> list[Any]:
    """All values at ``path``. Raises ValueError for a path that cannot be read.

    A key with dots is written with a slash before each dot: ``metadata.labels.app/.kubernetes/.io``.
    """
    found = [resource]
    for step in _steps(path.replace("/.", "\0")):
        found = list(step_into(found, step))
    return found


def _steps(path: str) -> Iterator[tuple[str, str, str, str]]:
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            raise ValueError(f"cannot read the path from here: {path[position:]}")
        name, star, key, value = match.groups(default="")
        yield name.replace("\0", "."), star, key, value
        position = match.end()


def step_into(values: Iterable[Any], step: tuple[str, str, str, str]) -> Iterator[Any]:
    """One step of a path from each of ``values``."""
    name, star, key, wanted = step
    for value in values:
        if name and isinstance(value, Mapping) and name in value:
            yield value[name]
        elif star and isinstance(value, list):
            yield from value
        elif key and isinstance(value, list):
            yield from (item for item in value if isinstance(item, Mapping) and str(item.get(key)) == wanted)


def matches(found: list[Any], wanted: Any) -> bool:
    """Is one of the values found the one wanted? None wants nothing at all, a list any of its members.

    Values are compared as text, so that ``"80"`` and ``80`` are the same port.
    """
    if wanted is None:
        return not found
    accepted = wanted if isinstance(wanted, (list, tuple)) else [wanted]
    texts = {_text(value) for value in found}
    return any(_text(value) in texts for value in accepted)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
