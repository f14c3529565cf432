"""A change of labels, as ``kubectl label`` would make it."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["EditError", "LabelEdit", "read_edit"]

_KEY: Final = re.compile(r"([a-z0-9.-]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_VALUE: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_LONGEST: Final = 63


class EditError(Exception):
    """The change cannot be read, or its target is not there; the message says what to write."""


class LabelEdit(NamedTuple):
    """``target`` is ``namespace/pod``, ``namespace/workload`` or a namespace. A value of None removes the label."""

    target: str
    changes: tuple[tuple[str, str | None], ...]

    def command(self, *pods: str) -> str:
        """What would do it; for a workload, to these pods (``namespace/pod``)."""
        words = " ".join(f"{key}-" if value is None else f"{key}={value}" for key, value in self.changes)
        if "/" not in self.target:
            return f"kubectl label --overwrite namespace {self.target} {words}"
        namespace, _, name = self.target.partition("/")
        names = " ".join(pod.partition("/")[2] for pod in pods) or name
        return f"kubectl -n {namespace} label --overwrite pod {names} {words}"


def read_edit(target: str, text: str) -> LabelEdit:
    """Read ``key=value key2-`` as ``kubectl label`` does. Raises EditError."""
    changes: list[tuple[str, str | None]] = []
    for word in text.replace(",", " ").split():
        key, equals, value = word.partition("=")
        if not equals and key.endswith("-"):
            key = key[:-1]
        elif not equals:
            raise EditError(f'"{word}" is no change of a label: write {word}=value, or {word}- to remove it')
        if not _KEY.fullmatch(key) or len(key.rpartition("/")[2]) > _LONGEST:
            raise EditError(
                f'"{key}" is no key of a label: letters, digits, "-", "_", ".", perhaps with "example.com/"'
            )
        if equals and (not _VALUE.fullmatch(value) or len(value) > _LONGEST):
            raise EditError(f'"{value}" is no value of a label: at most {_LONGEST} letters, digits, "-", "_", "."')
        changes.append((key, value if equals else None))
    if not changes:
        raise EditError("say what to change: for example app=web, or tier- to remove a label")
    return LabelEdit(target.strip(), tuple(changes))
