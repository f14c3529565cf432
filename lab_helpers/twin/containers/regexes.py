"""Regular expressions of simulated programs. They are RE2's, because the whole cluster lives in one process: a hostile
pattern in a pod's ``grep`` must not stop the API server. Hence no back-references within a pattern.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, cast

from lab_helpers.policy.errors import RegexError
from lab_helpers.policy.regexes import compile_pattern
from lab_helpers.twin.containers.errors import ContainersError

__all__ = ["BadRegex", "Expression", "Found", "compile_regex"]

_BACK_REFERENCE = re.compile(r"(?<!\\)(?:\\\\)*\\[1-9]")


class BadRegex(ContainersError):
    """The expression cannot be understood; the message says why."""


class Found(NamedTuple):
    """One match: the whole and its groups ("" for one that took no part)."""

    whole: str
    groups: Sequence[str]


class Expression:
    """A compiled expression. Bytes that are no UTF-8 count as U+FFFD."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled

    def search(self, text: str) -> Found | None:
        """The first match."""
        found = self._compiled.search(_clean(text))
        return None if found is None else _found(found)

    def finditer(self, text: str) -> Iterator[Found]:
        """All matches that do not overlap."""
        return (_found(one) for one in self._compiled.finditer(_clean(text)))

    def sub(self, replace: Callable[[Found], str], text: str, count: int = 0) -> str:
        """``text`` with the first ``count`` matches replaced, all when it is 0."""
        return cast("str", self._compiled.sub(lambda one: replace(_found(one)), _clean(text), count))


def compile_regex(pattern: str, *, ignore_case: bool = False, posix: bool = True) -> Expression:
    """Compile; of alternatives the longest wins where ``posix``. Raises BadRegex."""
    if _BACK_REFERENCE.search(pattern):
        raise BadRegex("back-references are not part of the embedded cluster's programs")
    try:
        return Expression(compile_pattern(f"(?i:{pattern})" if ignore_case else pattern, longest=posix))
    except RegexError as error:
        raise BadRegex(str(error)) from error


def _found(one: Any) -> Found:
    return Found(one.group(), tuple(group or "" for group in one.groups()))


def _clean(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
