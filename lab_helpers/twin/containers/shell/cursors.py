"""A position in the text of a script, and what stands there: characters, blanks, operators."""

from __future__ import annotations

__all__ = ["OPERATORS", "REDIRECTIONS", "Cursor"]

OPERATORS = (
    "&>>",
    "<<<",
    "<<-",
    "&&",
    "||",
    ";;",
    "&>",
    "<<",
    ">>",
    "<&",
    ">&",
    "<>",
    ">|",
    "&",
    "|",
    ";",
    "<",
    ">",
    "(",
    ")",
    "\n",
)
REDIRECTIONS = frozenset({"&>>", "<<<", "<<-", "&>", "<<", ">>", "<&", ">&", "<>", ">|", "<", ">"})


class Cursor:
    """``position`` moves over ``text``."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def peek(self, offset: int = 0) -> str:
        """The character there, "" at the end."""
        index = self.position + offset
        return self.text[index] if index < len(self.text) else ""

    def starts(self, prefix: str) -> bool:
        """Does the rest begin with it?"""
        return self.text.startswith(prefix, self.position)

    def skip_blanks(self) -> None:
        """Over blanks, line continuations and a comment; not over newlines."""
        while True:
            char = self.peek()
            if char in (" ", "\t") and char:
                self.position += 1
            elif char == "\\" and self.peek(1) == "\n":
                self.position += 2
            elif char == "#":
                while self.peek() not in ("", "\n"):
                    self.position += 1
            else:
                return

    def operator(self) -> str:
        """The operator here, "" if there is none; does not move."""
        for candidate in OPERATORS:
            if self.starts(candidate):
                return candidate
        return ""
