"""YAML as sigs.k8s.io/yaml writes it: keys sorted its way, block style, go-yaml's rules for quoting.

PyYAML's emitter descends from the same library as go-yaml's, so lines break and quotes fall alike; which scalars need
quotes is decided here, by go-yaml's resolver (sigs.k8s.io/yaml/goyaml.v2 resolve.go, sorter.go).
"""

import functools
import re
from collections.abc import Iterator
from typing import Any

import yaml

_WORDS = frozenset(
    [
        "true",
        "True",
        "TRUE",
        "false",
        "False",
        "FALSE",
        "y",
        "Y",
        "n",
        "N",
        "yes",
        "Yes",
        "YES",
        "no",
        "No",
        "NO",
        "on",
        "On",
        "ON",
        "off",
        "Off",
        "OFF",
        "~",
        "null",
        "Null",
        "NULL",
        "<<",
        ".nan",
        ".NaN",
        ".NAN",
        ".inf",
        ".Inf",
        ".INF",
        "+.inf",
        "+.Inf",
        "+.INF",
        "-.inf",
        "-.Inf",
        "-.INF",
    ]
)
_NUMBER = re.compile(
    r"[-+]?(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|[1-9][0-9]*|0)$|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"
)
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]*)?(?: "
    r"?(?:Z|[-+][0-9]{2}:[0-9]{2}))?)?$"
)


def looks_other(text: str) -> bool:
    """Whether `text`, unquoted, would be read as something else than a string."""
    if text == "" or text in _WORDS:
        return True
    first = text[0]
    if first.isdigit() or first in "+-.":
        return bool(_NUMBER.match(text.replace("_", "")) or _SEXAGESIMAL.match(text) or _TIME.match(text))
    return False


def _less(left: str, right: str) -> int:
    """go-yaml's order of keys: numbers inside words by value, other signs before letters."""
    for index, (a, b) in enumerate(zip(left, right, strict=False)):
        if a == b:
            continue
        if a.isalpha() and b.isalpha():
            return -1 if a < b else 1
        if a.isalpha() or b.isalpha():
            return -1 if b.isalpha() else 1
        first, second = _number(left, index), _number(right, index)
        if first != second and (a.isdigit() or b.isdigit()):
            return -1 if first < second else 1
        return -1 if a < b else 1
    return len(left) - len(right)


def _number(text: str, start: int) -> int:
    end = start
    while end < len(text) and text[end].isdigit():
        end += 1
    return int(text[start:end] or "0")


_order = functools.cmp_to_key(_less)


def _scalar(value: Any) -> yaml.ScalarEvent:
    style: str | None = None
    if value is None:
        text = "null"
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int):
        text = str(value)
    elif isinstance(value, float):
        text = _float(value)
    else:
        text = str(value)
        if "\n" in text:
            style = "|"
        elif looks_other(text):
            style = '"'
    return yaml.ScalarEvent(None, None, (True, True), text, style=style)


def _float(value: float) -> str:
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    return repr(value)


def _events(value: Any) -> Iterator[yaml.Event]:
    if isinstance(value, dict):
        yield yaml.MappingStartEvent(None, None, True, flow_style=not value)
        for key in sorted(value, key=_order):
            yield _scalar(key)
            yield from _events(value[key])
        yield yaml.MappingEndEvent()
    elif isinstance(value, (list, tuple)):
        yield yaml.SequenceStartEvent(None, None, True, flow_style=not value)
        for item in value:
            yield from _events(item)
        yield yaml.SequenceEndEvent()
    else:
        yield _scalar(value)


def _document(value: Any) -> Iterator[yaml.Event]:
    yield yaml.StreamStartEvent()
    yield yaml.DocumentStartEvent(explicit=False)
    yield from _events(value)
    yield yaml.DocumentEndEvent(explicit=False)
    yield yaml.StreamEndEvent()


def yaml_text(value: Any) -> str:
    """`value` (JSON types) as one YAML document."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.emit(_document(value), Dumper=dumper, allow_unicode=True, width=80)
    return text.removesuffix("...\n")
