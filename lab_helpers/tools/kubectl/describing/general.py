"""Any object, field by field: the layout custom resources get."""

import re
from collections.abc import Mapping
from typing import Any

from lab_helpers.tools.kubectl.describing.pages import Page

_SKIPPED = frozenset(
    {".metadata.managedFields", ".metadata.name", ".metadata.namespace", ".metadata.labels", ".metadata.annotations"}
)
_ACRONYMS = frozenset({"API", "URL", "UID", "OSB", "GUID"})
_WORDS = re.compile(r"[a-z]+|[A-Z]+|[0-9]+|[^a-zA-Z0-9]+")


def camel_words(field: str) -> list[str]:
    """``toFQDNs`` → to, FQD, Ns: runs of one class; a capital before small letters belongs to them."""
    parts = _WORDS.findall(field)
    for index in range(len(parts) - 1):
        if parts[index].isupper() and parts[index + 1].islower():
            parts[index + 1] = parts[index][-1] + parts[index + 1]
            parts[index] = parts[index][:-1]
    return [part for part in parts if part]


def title_of(field: str) -> str:
    """A field name as a title: ``fromEndpoints`` → ``From Endpoints``; names with digits or signs stay."""
    if any(not (char.isalpha() or char == "-") for char in field):
        return field
    words = camel_words(field)
    return " ".join(word.upper() if word.upper() in _ACRONYMS else word[:1].upper() + word[1:] for word in words)


def describe(page: Page, body: Mapping[str, Any]) -> None:
    """The object."""
    page.head(body)
    page.tags(body)
    _content(page, 0, body, "")


def _value(value: Any) -> str:
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + " ".join(_value(item) for item in value) + "]"
    return str(value)


def _content(page: Page, level: int, content: Mapping[str, Any], path: str) -> None:
    for field in sorted(content):
        here, value = f"{path}.{field}", content[field]
        if here in _SKIPPED:
            continue
        title = title_of(field)
        if isinstance(value, dict):
            page.line(level, f"{title}:")
            _content(page, level + 1, value, here)
        elif isinstance(value, list):
            page.line(level, f"{title}:")
            for item in value:
                if isinstance(item, dict):
                    _content(page, level + 1, item, here)
                else:
                    page.line(level + 1, _value(item))
        else:
            page.line(level, f"{title}:\t{_value(value)}")
