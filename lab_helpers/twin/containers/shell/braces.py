"""bash's brace expansion: ``{a,b}``, ``{1..5}``, ``{01..10..2}``, ``{a..e}``, of one unquoted text at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lab_helpers.twin.containers.shell.trees import Text, Word

__all__ = ["expand_braces"]

_NUMBERS = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(-?\d+))?")
_LETTERS = re.compile(r"([A-Za-z])\.\.([A-Za-z])(?:\.\.(-?\d+))?")
_MOST = 100_000


def expand_braces(word: Word) -> list[Word]:
    """The words that one word with braces stands for, in order."""
    for index, part in enumerate(word.parts):
        if not isinstance(part, Text) or part.quoted or "{" not in part.text:
            continue
        texts = list(_expand(part.text))
        if texts == [part.text]:
            continue
        before, after = word.parts[:index], word.parts[index + 1 :]
        return [one for text in texts for one in expand_braces(Word((*before, Text(text, quoted=False), *after)))]
    return [word]


def _expand(text: str) -> Iterator[str]:
    for start, char in enumerate(text):
        if char != "{" or text[start - 1 : start] == "$":
            continue
        pieces, end = _pieces(text, start)
        choices = _sequence(pieces[0]) if len(pieces) == 1 else [one for piece in pieces for one in _expand(piece)]
        if not choices or end < 0:
            continue
        rest = list(_expand(text[end + 1 :]))
        yield from (text[:start] + choice + tail for choice in choices for tail in rest)
        return
    yield text


def _pieces(text: str, start: int) -> tuple[list[str], int]:
    """What the commas of this brace separate, and where it ends (-1: nowhere)."""
    pieces: list[str] = []
    depth, begun = 0, start + 1
    for index in range(start + 1, len(text)):
        char = text[index]
        if char == "{":
            depth += 1
        elif char == "}" and depth:
            depth -= 1
        elif char == "}":
            return [*pieces, text[begun:index]], index
        elif char == "," and not depth:
            pieces.append(text[begun:index])
            begun = index + 1
    return [text], -1


def _sequence(inside: str) -> list[str]:
    numbers = _NUMBERS.fullmatch(inside)
    letters = _LETTERS.fullmatch(inside)
    if numbers:
        first, last, step = int(numbers[1]), int(numbers[2]), abs(int(numbers[3] or 1)) or 1
        padded = any(re.match(r"-?0\d", numbers[n]) for n in (1, 2))
        width = max(len(numbers[1]), len(numbers[2])) if padded else 0
        values = _range(first, last, step)
        return [f"{value:0{width}d}" for value in values] if len(values) <= _MOST else []
    if letters:
        return [chr(n) for n in _range(ord(letters[1]), ord(letters[2]), abs(int(letters[3] or 1)) or 1)]
    return []


def _range(first: int, last: int, step: int) -> range:
    return range(first, last + 1, step) if first <= last else range(first, last - 1, -step)
