"""YAML and JSON texts with Kubernetes objects, every field with its place.

Several documents, ``List`` objects and JSON (which is YAML) are fine. Scalars are read as ``kubectl`` reads them (YAML
1.1, without numbers in base 60). A key that stands twice in a mapping is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from lab_helpers.policy.configs import PolicyConfig
from lab_helpers.policy.errors import ManifestError, PolicyError, Position
from lab_helpers.policy.parsing import KINDS, parse
from lab_helpers.policy.paths import Path
from lab_helpers.policy.rules import ParsedPolicy

__all__ = ["Manifest", "parse_yaml", "read_manifests"]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object of a text. ``locate`` finds the place of a field, or of the nearest field around it."""

    obj: Mapping[str, Any]
    file: str
    node: Node

    @property
    def kind(self) -> str:
        """The object's kind, "" when there is none."""
        return str(self.obj.get("kind") or "")

    def locate(self, path: Path) -> Position | None:
        """Where a field stands: at its key in a mapping, at its dash or first character in a list."""
        node, mark = self.node, self.node.start_mark
        for part in path:
            step = _step(node, part)
            if step is None:
                break
            key, node = step
            mark = key.start_mark
        return Position(self.file, mark.line + 1, mark.column + 1)


def _step(node: Node, part: str | int) -> tuple[Node, Node] | None:
    if isinstance(node, MappingNode) and isinstance(part, str):
        for key, value in node.value:
            if key.value == part:
                return key, value
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _plain(node: Node, file: str) -> Any:
    if isinstance(node, MappingNode):
        found: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                merged = _plain(value, file)
                for part in merged if isinstance(merged, list) else [merged]:
                    found = {**part, **found}
                continue
            name = str(_plain(key, file)) if isinstance(key, ScalarNode) else ""
            if name in found:
                mark = key.start_mark
                raise ManifestError(f'key "{name}" stands twice here', Position(file, mark.line + 1, mark.column + 1))
            found[name] = _plain(value, file)
        return found
    if isinstance(node, SequenceNode):
        return [_plain(item, file) for item in node.value]
    return _scalar(node.tag.removeprefix("tag:yaml.org,2002:"), node.value)


def _scalar(tag: str, text: str) -> Any:
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() in ("true", "yes", "on", "y")
    if tag == "int" and ":" not in text:
        digits = text.replace("_", "")
        sign, digits = (-1, digits[1:]) if digits.startswith("-") else (1, digits.removeprefix("+"))
        if digits.startswith(("0x", "0b", "0o")):
            return sign * int(digits, 0)
        return sign * int(digits, 8 if len(digits) > 1 and digits[0] == "0" else 10)
    if tag == "float" and ":" not in text:
        try:
            return float(text.replace("_", ""))
        except ValueError:
            return text
    return text


def read_manifests(text: str, file: str) -> Iterator[Manifest]:
    """The objects of a text, in order; empty documents are skipped, the items of ``List`` objects come one by one.

    Raises ManifestError with the place.
    """
    try:
        nodes = list(yaml.compose_all(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Position(file, mark.line + 1, mark.column + 1) if mark else None
        raise ManifestError(f"not YAML: {error.problem or error.context}", place) from None
    except yaml.YAMLError as error:
        raise ManifestError(f"not YAML: {error}", Position(file, 1, 1)) from None
    for node in nodes:
        yield from _objects(node, file)


def _objects(node: Node, file: str) -> Iterator[Manifest]:
    obj: Any = _plain(node, file)
    if obj is None:
        return
    if not isinstance(obj, Mapping):
        mark = node.start_mark
        raise ManifestError(
            f"a Kubernetes object is a mapping, this is a {'list' if isinstance(obj, list) else 'scalar'}",
            Position(file, mark.line + 1, mark.column + 1),
        )
    manifest = Manifest(obj, file, node)
    items = _step(node, "items")
    if manifest.kind.endswith("List") and items is not None and isinstance(items[1], SequenceNode):
        for item in items[1].value:
            yield from _objects(item, file)
    else:
        yield manifest


def parse_yaml(text: str, file: str, config: PolicyConfig | None = None) -> list[ParsedPolicy | PolicyError]:
    """Parse every policy in a text; what is refused comes as the error, with its place. Objects of other kinds are
    skipped.

    Raises ManifestError when the text itself cannot be read.
    """
    found: list[ParsedPolicy | PolicyError] = []
    for manifest in read_manifests(text, file):
        if manifest.kind not in KINDS:
            continue
        try:
            found.append(parse(manifest.obj, config, locate=manifest.locate))
        except PolicyError as error:
            found.append(error)
    return found
