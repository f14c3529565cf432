"""The part of Kubernetes' JSONPath that ``cilium-dbg -o jsonpath=`` is used with.

``{[0].status.identity.id}``, ``{.a.b[*].c}``, ``{range .items[*]}{.x}{"\\n"}{end}``, ``$``, quoted names; text
outside braces is copied.
"""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["PathError", "evaluate"]

_STEP = re.compile(r"\.([A-Za-z0-9_-]+)|\[(-?\d+)\]|\[\*\]|\['([^']+)'\]|\[\"([^\"]+)\"\]")


class PathError(ValueError):
    """An expression that cannot be read, or that names something absent."""


def evaluate(template: str, value: Any) -> str:
    """The text a template makes of a value. Raises PathError."""
    parts = re.findall(r"\{[^}]*\}|[^{]+", template)
    text, rest = _block(parts, value, top=True)
    if rest:
        raise PathError("unexpected {end}")
    return text


def _block(parts: list[str], value: Any, *, top: bool) -> tuple[str, list[str]]:
    text = ""
    while parts:
        part, parts = parts[0], parts[1:]
        if not part.startswith("{"):
            text += part.replace("\\n", "\n").replace("\\t", "\t")
            continue
        inner = part[1:-1].strip()
        if inner == "end":
            if top:
                raise PathError("not in range, nothing to end")
            return text, parts
        if inner.startswith("range "):
            body, after = parts, parts
            for item in _find(inner[6:].strip(), value):
                made, after = _block(body, item, top=False)
                text += made
            else:
                if after is parts:
                    _, after = _block(body, None, top=False) if not _find(inner[6:].strip(), value) else ("", after)
            parts = after
            continue
        if len(inner) >= 2 and inner[0] == inner[-1] == '"':
            text += inner[1:-1].replace("\\n", "\n").replace("\\t", "\t")
            continue
        text += " ".join(_show(item) for item in _find(inner, value))
    if not top:
        raise PathError("unterminated range: {end} is missing")
    return text, []


def _show(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, separators=(",", ":"))


def _find(path: str, value: Any) -> list[Any]:
    rest = path.removeprefix("$").removeprefix("@")
    found = [value]
    position = 0
    while position < len(rest):
        step = _STEP.match(rest, position)
        if step is None:
            if rest[position:] == ".":
                break
            raise PathError(f"unrecognized text in action: {rest[position:]!r}")
        position = step.end()
        name = step[1] or step[3] or step[4]
        if name is not None:
            found = [item[name] for item in found if isinstance(item, dict) and name in item]
        elif step[2] is not None:
            index = int(step[2])
            found = [item[index] for item in found if isinstance(item, list) and -len(item) <= index < len(item)]
        else:
            found = [
                child
                for item in found
                for child in (item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
            ]
    return found
