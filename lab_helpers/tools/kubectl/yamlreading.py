"""Reading YAML as kubectl does: YAML 1.1, except that what looks like a time stays text."""

import re
from typing import Any

import yaml

_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BASE):  # type: ignore[misc]
    """A safe loader without times, with Go's floats (``1e3`` is a number) and its one-letter booleans.

    Keys that are numbers or booleans become text, as JSON wants them (``80: web``, ``y: 1``).
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        """A mapping with keys of text. Raises ConstructorError for a key that has none (null, a list)."""
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        if all(type(key) is str for key in found):
            return found
        return {_text(key, node): value for key, value in found.items()}


def _text(key: object, node: yaml.MappingNode) -> str:
    """A key as JSON has it."""
    match key:
        case str():
            return key
        case bool():
            return str(key).lower()
        case int():
            return str(key)
        case float():
            return f"{key:.8g}"
    kind = "null" if key is None else type(key).__name__
    raise yaml.constructor.ConstructorError(None, None, f"unsupported map key of type: {kind}", node.start_mark)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _BASE.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+0123456789."),
)

_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"[yYnN]$"), list("yYnN"))
_Loader.bool_values = {**_BASE.bool_values, "y": True, "n": False}

LOADER = _Loader
