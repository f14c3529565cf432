"""Label and field selectors of the Kubernetes API (k8s.io/apimachinery pkg/labels, pkg/fields).

A parsed selector is a predicate over labels; ``matches_selector`` evaluates the structured ``LabelSelector`` of
objects.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from lab_helpers.twin.objects.errors import bad_request

__all__ = ["LabelPredicate", "matches_selector", "parse_label_selector"]

LabelPredicate = Callable[[Mapping[str, str]], bool]

_SET = re.compile(r"^(?P<key>[^\s!=,()~<>]+)\s+(?P<op>in|notin)\s*\((?P<values>[^)]*)\)$")
_EQUALS = re.compile(r"^(?P<key>[^\s!=,()~<>]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s!=,()]*)$")
_EXISTS = re.compile(r"^(?P<not>!)?\s*(?P<key>[^\s!=,()~<>]+)$")


def parse_label_selector(text: str) -> LabelPredicate:
    """The predicate of ``app=web,tier in (a,b),!old``; empty text matches everything. Raises 400 BadRequest."""
    terms = [_term(part) for part in _split(text) if part]
    return lambda labels: all(term(labels) for term in terms)


def matches_selector(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """A structured LabelSelector (``matchLabels``, ``matchExpressions``) against ``labels``.

    None matches nothing, ``{}`` everything.
    """
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(
        _requirement(item["key"], item["operator"], item.get("values") or [], labels)
        for item in selector.get("matchExpressions") or ()
    )


def _requirement(key: str, operator: str, values: list[str], labels: Mapping[str, str]) -> bool:
    match operator:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            raise bad_request(f'"{operator}" is not a valid label selector operator')


def _split(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
    parts.append(text[start:].strip())
    return parts


def _term(part: str) -> LabelPredicate:
    if found := _SET.match(part):
        key, values = found["key"], [value.strip() for value in found["values"].split(",")]
        if found["op"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := _EQUALS.match(part):
        key, value = found["key"], found["value"]
        if found["op"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _EXISTS.match(part):
        key = found["key"]
        if found["not"]:
            return lambda labels: key not in labels
        return lambda labels: key in labels
    raise bad_request(
        f"unable to parse requirement: found '{part}', expected: a label selector such as app=web or 'tier in (a,b)'"
    )
