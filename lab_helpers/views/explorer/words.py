"""A command line as words that know where they stood, by the quoting rules of a POSIX shell."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["Fault", "Word", "split"]

_OPERATORS: Final = "|&;<>()"


class Fault(NamedTuple):
    """What is wrong with the text from ``start`` to ``end`` (characters, end not included)."""

    what: str
    start: int
    end: int


class Word(NamedTuple):
    """``text`` without quotes; ``start`` and ``end`` are where it stood, quotes included."""

    text: str
    start: int
    end: int


def split(line: str) -> tuple[tuple[Word, ...], Fault | None]:
    """The words up to the first fault: an open quote, or an operator of the shell, which has no meaning here."""
    words: list[Word] = []
    text, start, quote = "", -1, ""
    index = 0
    while index < len(line):
        char = line[index]
        if quote:
            if char == quote:
                quote = ""
            elif char == "\\" and quote == '"' and line[index + 1 : index + 2] in ('"', "\\", "$", "`"):
                index += 1
                text += line[index]
            else:
                text += char
        elif char.isspace() or (char == "\\" and line[index + 1 : index + 2] == "\n"):
            if start >= 0:
                words.append(Word(text, start, index))
            text, start = "", -1
            index += char == "\\"
        elif char in _OPERATORS:
            if start >= 0:
                words.append(Word(text, start, index))
            return tuple(words), Fault(f"“{char}” is for a shell: leave out what follows", index, len(line))
        else:
            start = index if start < 0 else start
            if char in "'\"":
                quote, opened = char, index
            elif char == "\\" and index + 1 < len(line):
                index += 1
                text += line[index]
            else:
                text += char
        index += 1
    if quote:
        return tuple(words), Fault(f"a {quote} is not closed", opened, len(line))
    if start >= 0:
        words.append(Word(text, start, len(line)))
    return tuple(words), None
