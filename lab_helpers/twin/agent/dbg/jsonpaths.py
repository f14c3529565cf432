"""The part of Kubernetes' JSONPath that ``cilium-dbg -o jsonpath=`` is used with.

``{[0].status.identity.id}``, ``{.a.b[*].c}``, ``{.*}``, ``{[1:3]}``, ``{[?(@.a.b=="c")].d}``, ``{..x}``,
``{range .items[*]}{.x}{"\\n"}{end}``, ``$``, quoted names; text outside braces is copied.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from typing import Any

__all__ = ["PathError", "evaluate"]

_STEP = re.compile(
    r"\.(?P<name>[A-Za-z0-9_-]+)|\[(?P<index>-?\d+)\]|(?P<all>\[\*\]|\.\*)|\['(?P<single>[^']+)'\]"
    r"|\[\"(?P<double>[^\"]+)\"\]|\[(?P<first>-?\d*):(?P<last>-?\d*)\]"
    r"|\[\?\(\s*@(?P<left>[^=!<>\s]*)\s*(?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<right>[^)]+?))?\s*\)\]"
    r"|\.\.(?P<below>[A-Za-z0-9_-]+)"
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


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
        name = step["name"] or step["single"] or step["double"]
        if name is not None:
            found = [item[name] for item in found if isinstance(item, dict) and name in item]
        elif step["below"] is not None:
            found = [one for item in found for one in _below(item, step["below"])]
        elif step["index"] is not None:
            index = int(step["index"])
            found = [item[index] for item in found if isinstance(item, list) and -len(item) <= index < len(item)]
        elif step["first"] is not None:
            first, last = (int(step[end]) if step[end] else None for end in ("first", "last"))
            found = [child for item in found if isinstance(item, list) for child in item[first:last]]
        elif step["left"] is not None:
            found = [child for item in found for child in _children(item) if _holds(step, child)]
        else:
            found = [child for item in found for child in _children(item)]
    return found


def _children(item: Any) -> list[Any]:
    return list(item.values()) if isinstance(item, dict) else item if isinstance(item, list) else []


def _below(item: Any, name: str) -> list[Any]:
    """Every value of that name, however deep."""
    own = [item[name]] if isinstance(item, dict) and name in item else []
    return own + [one for child in _children(item) for one in _below(child, name)]


def _holds(step: re.Match[str], item: Any) -> bool:
    values = _find(step["left"], item)
    if step["operator"] is None:
        return bool(values)
    text = step["right"].strip()
    if text[:1] in ("'", '"') and text[-1:] == text[:1]:
        wanted: Any = text[1:-1]
    else:
        try:
            wanted = json.loads(text)
        except ValueError:
            raise PathError(f"unrecognized text in filter: {text!r}") from None
    try:
        return any(_COMPARE[step["operator"]](value, wanted) for value in values)
    except TypeError:
        return False
