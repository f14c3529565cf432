"""Values on the command line: ``--set`` and its siblings, files, and how one set of values covers another.

The notation is that of helm's pkg/strvals: ``a.b=1,list={x,y},items[0].name=z``; a backslash keeps a special sign.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_helpers.tools.helm.errors import HelmError

__all__ = ["assign", "covered", "merged", "read_values", "user_values"]

Values = dict[str, Any]
_INDEX = re.compile(r"\[(\d+)\]")
_INTEGER = re.compile(r"[-+]?(0|[1-9]\d*)$")
MOST = 65_536
"""No list is made longer than this by an index, as in helm."""


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> Values:
    """``over`` laid upon ``base``: maps are merged, everything else replaced; null stays, to delete a default later."""
    result = dict(base)
    for key, value in over.items():
        before = result.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            result[key] = merged(before, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def covered(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> Values:
    """The values a chart sees: ``values`` over its defaults; a null removes the default."""
    result: Values = {}
    for key, default in defaults.items():
        if key not in values:
            result[key] = copy.deepcopy(default)
        elif values[key] is None and default is not None:
            continue
        elif isinstance(default, Mapping) and isinstance(values[key], Mapping):
            result[key] = covered(default, values[key])
        else:
            result[key] = copy.deepcopy(values[key])
    for key, value in values.items():
        if key not in defaults:
            result[key] = copy.deepcopy(value)
    return result


def read_values(path: str, text: str | None = None) -> Values:
    """A YAML file of values. Raises HelmError with the parser's place."""
    import yaml

    if text is None:
        if re.match(r"https?://", path):
            raise HelmError(f"{path}: the bundled helm reads no URLs; download the file first")
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise HelmError(f"open {path}: {(error.strerror or str(error)).lower()}") from error
    try:
        found = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f"line {where.line + 1}: " if where else ""
        raise HelmError(
            f"failed to parse {path}: error converting YAML to JSON: yaml: {line}{_problem(error)}"
        ) from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        kind = "array" if isinstance(found, list) else type(found).__name__
        raise HelmError(
            f"failed to parse {path}: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into "
            "Go value of type map[string]interface {}"
        )
    return found


def _problem(error: Exception) -> str:
    return str(getattr(error, "problem", None) or error).strip()


def user_values(
    files: Sequence[str] = (),
    *,
    json_settings: Sequence[str] = (),
    settings: Sequence[str] = (),
    strings: Sequence[str] = (),
    file_settings: Sequence[str] = (),
    standard_input: str = "",
) -> Values:
    """All given values, in helm's order: files, ``--set-json``, ``--set``, ``--set-string``, ``--set-file``."""
    result: Values = {}
    for name in files:
        result = merged(result, read_values(name, standard_input if name == "-" else None))
    for word in json_settings:
        _assign_json(result, word)
    for word in settings:
        _checked(result, word, "--set")
    for word in strings:
        _checked(result, word, "--set-string", as_text=True)
    for word in file_settings:
        key, _, path = word.partition("=")
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise HelmError(f"failed parsing --set-file data: {error}") from error
        _put(result, list(_path(key)), text)
    return result


def _checked(values: Values, word: str, flag: str, *, as_text: bool = False) -> None:
    try:
        assign(values, word, as_text=as_text)
    except HelmError as error:
        raise HelmError(f"failed parsing {flag} data: {error}") from error


def _assign_json(values: Values, word: str) -> None:
    if word.lstrip().startswith("{"):
        try:
            values.update(merged(values, json.loads(word)))
        except ValueError as error:
            raise HelmError(f"failed parsing --set-json data JSON: {word}") from error
        return
    key, sign, text = word.partition("=")
    if not sign:
        raise HelmError(f'failed parsing --set-json data key "{key}" has no value')
    try:
        value = json.loads(text)
    except ValueError as error:
        raise HelmError(f'failed parsing --set-json data invalid JSON for key "{key}": {error}') from error
    _put(values, list(_path(key)), value)


def assign(values: Values, word: str, *, as_text: bool = False) -> None:
    """Put ``a.b=1,c=2`` into ``values``. Raises HelmError for a word that is no assignment."""
    for part in _parts(word, ","):
        if not part:
            continue
        key, sign, text = _halves(part)
        if not sign:
            raise HelmError(f'key "{key}" has no value')
        if text.startswith("{") and text.endswith("}"):
            inner = text[1:-1]
            value: Any = [_typed(item, as_text=as_text) for item in _parts(inner, ",")] if inner else []
        else:
            value = _typed(text, as_text=as_text)
        _put(values, list(_path(key)), value)


def _parts(text: str, sign: str) -> Iterator[str]:
    """Split at a sign that is neither escaped nor within braces; escapes are kept."""
    depth, start, index = 0, 0, 0
    while index < len(text):
        character = text[index]
        if character == "\\":
            index += 2
            continue
        depth += (character == "{") - (character == "}")
        if character == sign and depth == 0:
            yield text[start:index]
            start = index + 1
        index += 1
    yield text[start:]


def _halves(part: str) -> tuple[str, str, str]:
    index = 0
    while index < len(part):
        if part[index] == "\\":
            index += 2
            continue
        if part[index] == "=":
            return part[:index], "=", part[index + 1 :]
        index += 1
    return part, "", ""


def _typed(text: str, *, as_text: bool) -> Any:
    plain = re.sub(r"\\(.)", r"\1", text)
    if as_text:
        return plain
    lowered = plain.lower()
    if lowered in ("true", "false"):
        return lowered == "true"
    if lowered == "null":
        return None
    if plain == "0":
        return 0
    if _INTEGER.match(plain) and not plain.lstrip("+-").startswith("0"):
        return int(plain)
    return plain


def _path(key: str) -> Iterator[str | int]:
    for name in _parts(key, "."):
        indexes = [int(number) for number in _INDEX.findall(name)]
        yield re.sub(r"\\(.)", r"\1", _INDEX.sub("", name))
        yield from indexes


def _put(values: Values, path: list[str | int], value: Any) -> None:
    node: Any = values
    for position, step in enumerate(path):
        last = position == len(path) - 1
        if isinstance(step, int):
            if step > MOST:
                raise HelmError(f"index of {step} is greater than maximum supported index of {MOST}")
            while len(node) <= step:
                node.append(None)
        if last:
            node[step] = value
            return
        wanted: Any = [] if isinstance(path[position + 1], int) else {}
        current = node[step] if isinstance(step, int) else node.get(step)
        if not isinstance(current, type(wanted)):
            node[step] = wanted
        node = node[step]
