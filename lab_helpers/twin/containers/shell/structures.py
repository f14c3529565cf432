"""Parsing compound commands: ``if``, loops, ``case``, groups, ``[[ … ]]``, ``(( … ))`` (POSIX.1 2.10)."""

from __future__ import annotations

import re
from abc import abstractmethod

from lab_helpers.twin.containers.shell.documents import Announced, bodies
from lab_helpers.twin.containers.shell.errors import SyntaxProblem, Unfinished
from lab_helpers.twin.containers.shell.reading import WordReader
from lab_helpers.twin.containers.shell.trees import (
    ArithmeticCommand,
    ArithmeticFor,
    Branch,
    Case,
    Condition,
    For,
    Group,
    If,
    Loop,
    Redirect,
    Script,
    Structure,
    Text,
    Word,
)

__all__ = ["StructureReader"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_WORD = re.compile(r"[^ \t\n;&|<>()'\"\\$`]+")


class StructureReader(WordReader):
    """Compound commands, and the words that begin and end them."""

    def __init__(self, text: str, *, depth: int = 0) -> None:
        super().__init__(text, depth=depth)
        self.pending: list[Announced] = []
        """Here-documents announced on the line."""
        self.documents: dict[int, Word] = {}
        """The id of a redirection → the body of its here-document."""
        self._announced: list[Redirect] = []  # kept alive, because documents are found by object id

    @abstractmethod
    def script(self) -> Script:
        """A list of commands, up to a word or operator that cannot continue it."""

    # --- words of the grammar ---

    def _word_here(self) -> str:
        """The unquoted word at the position, without moving; "" if there is none."""
        self.skip_blanks()
        found = _WORD.match(self.text, self.position)
        if not found:
            return ""
        following = self.text[found.end() : found.end() + 1]
        return found.group() if following not in ("'", '"', "\\", "$", "`") or not following else ""

    def _newlines(self) -> None:
        while True:
            self.skip_blanks()
            if self.peek() != "\n":
                return
            self.position += 1
            self._read_documents()

    def _read_documents(self) -> None:
        """After a newline: the bodies of the here-documents announced on the line."""
        for announced, body in bodies(self, self.pending):
            if announced.quoted:
                word = Word((Text(body, quoted=True),))
            else:
                word = Word(tuple(type(self)(body, depth=self.depth + 1).quoted_parts("")))
            self.documents[id(announced.redirect)] = word
            self._announced.append(announced.redirect)
        self.pending.clear()

    def _unexpected(self, expecting: str = "") -> SyntaxProblem:
        self.skip_blanks()
        hint = f' (expecting "{expecting}")' if expecting else ""
        if not self.peek():
            return Unfinished(f"unexpected end of file{hint}")
        operator = self.operator()
        if operator == "\n":
            return SyntaxProblem(f"unexpected newline{hint}")
        if operator:
            return SyntaxProblem(f'unexpected "{operator}"{hint}')
        found = self._word_here()
        return SyntaxProblem(f'unexpected "{found}"{hint}' if found else f"unexpected word{hint}")

    # --- compound commands ---

    def _structure(self, word: str) -> Structure | None:
        if word == "{":
            self.position += 1
            return Group(self._body("}"))
        if word == "if":
            self.position += 2
            return self._if()
        if word in ("while", "until"):
            self.position += 5
            condition = self._body("do")
            return Loop(condition, self._body("done"), word == "until")
        if word == "for":
            self.position += 3
            return self._for()
        if word == "case":
            self.position += 4
            return self._case()
        if word == "select":
            raise SyntaxProblem("select is not played in the embedded cluster; use a loop with read")
        if word == "[[":
            self.position += 2
            return self._condition()
        return None

    def _body(self, closing: str) -> Script:
        """Commands and the closing word after them; at least one command."""
        script = self.script()
        self._expect(closing)
        if not script.items and closing != ")":
            raise SyntaxProblem(f'unexpected "{closing}"')
        if not script.items:
            raise SyntaxProblem('unexpected ")"')
        return script

    def _expect(self, closing: str) -> None:
        self._newlines()
        if closing == ")":
            if self.peek() != ")":
                raise self._unexpected(closing)
            self.position += 1
            return
        if self._word_here() != closing:
            raise self._unexpected(closing)
        self.position += len(closing)

    def _if(self) -> If:
        branches: list[tuple[Script, Script]] = []
        while True:
            condition = self._body("then")
            body = self.script()
            self._newlines()
            word = self._word_here()
            if word not in ("elif", "else", "fi"):
                raise self._unexpected("fi")
            if not body.items:
                raise SyntaxProblem(f'unexpected "{word}"')
            branches.append((condition, body))
            self.position += len(word)
            if word == "fi":
                return If(tuple(branches), None)
            if word == "else":
                return If(tuple(branches), self._body("fi"))

    def _for(self) -> For | ArithmeticFor:
        self.skip_blanks()
        if self.starts("(("):
            return self._arithmetic_for()
        name = self._word_here()
        if not _NAME.match(name):
            raise SyntaxProblem("bad for loop variable") if name or self.peek() else self._unexpected()
        self.position += len(name)
        self._newlines()
        words: tuple[Word, ...] | None = None
        if self._word_here() == "in":
            self.position += 2
            found = []
            while (word := self.word()) is not None:
                found.append(word)
            words = tuple(found)
            if self.peek() not in (";", "\n"):
                raise self._unexpected("do")
        self.skip_blanks()
        if self.peek() == ";" and not self.starts(";;"):
            self.position += 1
        self._expect("do")
        return For(name, words, self._body("done"))

    def _arithmetic_for(self) -> ArithmeticFor:
        end = self.text.find("))", self.position)
        if end < 0:
            raise Unfinished("missing '))'")
        pieces = self.text[self.position + 2 : end].split(";")
        if len(pieces) != 3:
            raise SyntaxProblem("arithmetic for needs three expressions")
        words = [Word(tuple(type(self)(piece, depth=self.depth + 1).quoted_parts(""))) for piece in pieces]
        self.position = end + 2
        self.skip_blanks()
        if self.peek() == ";":
            self.position += 1
        self._expect("do")
        return ArithmeticFor(words[0], words[1], words[2], self._body("done"))

    def _case(self) -> Case:
        word = self.word()
        if word is None:
            raise self._unexpected()
        self._expect("in")
        branches: list[Branch] = []
        while True:
            self._newlines()
            if self._word_here() == "esac":
                self.position += 4
                return Case(word, tuple(branches))
            if self.peek() == "(":
                self.position += 1
            patterns = []
            while True:
                pattern = self.word()
                if pattern is None:
                    raise self._unexpected("esac")
                patterns.append(pattern)
                self.skip_blanks()
                if self.peek() == "|":
                    self.position += 1
                    continue
                break
            if self.peek() != ")":
                raise self._unexpected(")")
            self.position += 1
            script = self.script()
            self._newlines()
            end = next((end for end in (";;&", ";;", ";&") if self.starts(end)), "")
            branches.append(Branch(tuple(patterns), script, end or ";;"))
            if end:
                self.position += len(end)
            elif self._word_here() != "esac":
                raise self._unexpected("esac")

    def _condition(self) -> Condition:
        words: list[Word] = []
        while True:
            self._newlines()
            if not self.peek():
                raise Unfinished('unexpected end of file (expecting "]]")')
            operator = self.operator()
            if operator in ("&&", "||", "<", ">", "(", ")"):
                self.position += len(operator)
                words.append(Word((Text(operator),)))
                continue
            if operator:
                raise self._unexpected("]]")
            if words and words[-1].literal() == "=~":
                word: Word | None = Word(self._parts(lambda char: char in " \t\n"))
            else:
                word = self.word()
            assert word is not None
            if word.literal() == "]]":
                return Condition(tuple(words))
            words.append(word)

    def _arithmetic_command(self) -> ArithmeticCommand | None:
        depth = 0
        for index in range(self.position + 2, len(self.text)):
            char = self.text[index]
            if char == "(":
                depth += 1
            elif char == ")":
                if depth == 0:
                    if not self.text.startswith("))", index):
                        return None
                    inner = type(self)(self.text[self.position + 2 : index], depth=self.depth + 1)
                    self.position = index + 2
                    return ArithmeticCommand(Word(tuple(inner.quoted_parts(""))))
                depth -= 1
        raise Unfinished("missing '))'")
