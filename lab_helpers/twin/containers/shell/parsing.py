"""Parsing scripts: the grammar above words (POSIX.1 2.10, with the parts of bash that people type).

``parse(text)`` returns a :class:`Script` or raises :class:`SyntaxProblem` with BusyBox ash's words.
"""

from __future__ import annotations

import re

from lab_helpers.twin.containers.shell.cursors import REDIRECTIONS
from lab_helpers.twin.containers.shell.documents import Announced, place
from lab_helpers.twin.containers.shell.errors import NO_ARRAYS, SyntaxProblem, Unfinished
from lab_helpers.twin.containers.shell.structures import StructureReader
from lab_helpers.twin.containers.shell.trees import (
    AndOr,
    Assignment,
    Command,
    Compound,
    Function,
    Item,
    Pipeline,
    Redirect,
    Script,
    Simple,
    Subshell,
    Text,
    Word,
)

__all__ = ["parse"]

RESERVED = frozenset(
    {"if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "{", "}", "!"}
)
_CLOSERS = frozenset({"then", "elif", "else", "fi", "do", "done", "esac", "}"})
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\[[^\]\s]*\])?(\+?)=")
_FUNCTION = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*\([ \t]*\)")


def parse(text: str) -> Script:
    """The whole text as a script. Raises SyntaxProblem, or Unfinished when more text could mend it."""
    try:
        return _Parser(text).whole()
    except RecursionError:
        raise SyntaxProblem("commands are nested too deeply") from None


class _Parser(StructureReader):
    def whole(self) -> Script:
        script = self.script()
        self.skip_blanks()
        if self.peek():
            raise self._unexpected()
        if self.pending:
            raise Unfinished(f'here-document is not ended by "{self.pending[0].delimiter}"')
        return self._resolve_script(script)

    def nested(self, text: str) -> Script:
        return type(self)(text, depth=self.depth + 1).whole()

    def nested_here(self) -> Script:
        self.depth += 1
        if self.depth > 60:
            raise SyntaxProblem("commands are nested too deeply")
        outer, self.pending = self.pending, []
        script = self.script()
        self.skip_blanks()
        if self.peek() != ")":
            raise self._unexpected(")")
        self.position += 1
        self.depth -= 1
        self.pending = outer
        return self._resolve_script(script)

    # --- here-documents are read after the line that announces them; put their bodies in place ---

    def _resolve_script(self, script: Script) -> Script:
        return place(script, self.documents) if self.documents else script

    # --- lists ---

    def script(self) -> Script:
        """A list of commands, up to a word or operator that cannot continue it."""
        items: list[Item] = []
        while True:
            self._newlines()
            if not self.peek() or self.peek() == ")" or self._branch_ends() or self._word_here() in _CLOSERS:
                return Script(tuple(items))
            if self.peek() in (";", "&", "|"):
                raise self._unexpected()
            command = self.and_or()
            self.skip_blanks()
            background = False
            if self.peek() == "&" and not self.starts("&&"):
                self.position += 1
                background = True
            elif self.peek() == ";" and not self._branch_ends():
                self.position += 1
            elif self.peek() not in ("", "\n", ")") and not self._branch_ends():
                raise self._unexpected()
            items.append(Item(command, background))

    def _branch_ends(self) -> bool:
        return self.starts(";;") or self.starts(";&")

    def and_or(self) -> AndOr:
        parts = [("", self.pipeline())]
        while True:
            self.skip_blanks()
            joint = self.text[self.position : self.position + 2]
            if joint not in ("&&", "||"):
                return AndOr(tuple(parts))
            self.position += 2
            self._newlines()
            parts.append((joint, self.pipeline()))

    def pipeline(self) -> Pipeline:
        negated = timed = False
        while (word := self._word_here()) in ("!", "time"):
            self.position += len(word)
            negated = negated != (word == "!")
            timed = timed or word == "time"
        commands = [self.command()]
        while True:
            self.skip_blanks()
            if self.peek() != "|" or self.starts("||"):
                return Pipeline(tuple(commands), negated, timed)
            self.position += 1
            if self.peek() == "&":
                self.position += 1
                commands[-1] = _with_stderr(commands[-1])
            self._newlines()
            commands.append(self.command())

    # --- commands ---

    def command(self) -> Command:
        self.skip_blanks()
        if self.starts("(("):
            found = self._arithmetic_command()
            if found is not None:
                return Compound(found, self._redirects())
        if self.peek() == "(":
            self.position += 1
            body = self._body(")")
            return Compound(Subshell(body), self._redirects())
        word = self._word_here()
        if word == "function":
            self.position += len(word)
            name = self._word_here()
            self.position += len(name)
            self.skip_blanks()
            if self.starts("()"):
                self.position += 2
            return self._function(name)
        declared = _FUNCTION.match(self.text, self.position)
        if declared and declared.group(1) not in RESERVED:
            self.position = declared.end()
            return self._function(declared.group(1))
        structure = self._structure(word)
        if structure is not None:
            return Compound(structure, self._redirects())
        if word in _CLOSERS:
            raise self._unexpected()
        return self.simple()

    def _function(self, name: str) -> Function:
        self._newlines()
        body = self.command()
        if not isinstance(body, Compound):
            raise SyntaxProblem("bad function definition")
        return Function(name, body)

    def simple(self) -> Simple:
        assignments: list[Assignment] = []
        words: list[Word] = []
        redirects: list[Redirect] = []
        while True:
            self.skip_blanks()
            redirect = self._redirect()
            if redirect is not None:
                redirects.append(redirect)
                continue
            if not words:
                assigned = _ASSIGNMENT.match(self.text, self.position)
                if assigned:
                    self.position = assigned.end()
                    following = self.peek()
                    if following == "(" or assigned.group(2):
                        raise SyntaxProblem(f"{assigned.group()}: {NO_ARRAYS}")
                    blank = not following or following in " \t\n;&|<>()"
                    value = Word(()) if blank else self.word()
                    assignments.append(Assignment(assigned.group(1), value or Word(()), bool(assigned.group(3))))
                    continue
            word = self.word()
            if word is None:
                break
            words.append(word)
        if not words and not assignments and not redirects:
            raise self._unexpected()
        if self.peek() == "(" and words:
            raise SyntaxProblem('unexpected "("')
        return Simple(tuple(assignments), tuple(words), tuple(redirects))

    # --- redirections ---

    def _redirects(self) -> tuple[Redirect, ...]:
        found = []
        while (redirect := self._redirect()) is not None:
            found.append(redirect)
        return tuple(found)

    def _redirect(self) -> Redirect | None:
        self.skip_blanks()
        number = re.compile(r"[0-9]+(?=[<>])").match(self.text, self.position)
        start = self.position
        if number:
            self.position = number.end()
        operator = self.operator()
        if operator not in REDIRECTIONS:
            self.position = start
            return None
        self.position += len(operator)
        if number:
            descriptor = int(number.group())
        else:
            descriptor = 0 if operator.startswith("<") else 1
        if operator in ("<<", "<<-"):
            return self._here(descriptor, operator)
        target = self.word()
        if target is None and operator in ("<", ">") and self.peek() == "(":
            raise SyntaxProblem("process substitution is not played in the embedded cluster; use a pipe or a file")
        if target is None:
            raise self._unexpected()
        return Redirect(descriptor, operator, target)

    def _here(self, descriptor: int, operator: str) -> Redirect:
        delimiter = self.word()
        if delimiter is None:
            raise self._unexpected()
        texts = []
        for part in delimiter.parts:
            if not isinstance(part, Text):
                raise SyntaxProblem("bad here-document delimiter")
            texts.append(part.text)
        quoted = any(isinstance(part, Text) and part.quoted for part in delimiter.parts)
        redirect = Redirect(descriptor, operator, delimiter)
        self.pending.append(Announced(redirect, "".join(texts), quoted))
        return redirect


def _with_stderr(command: Command) -> Command:
    """``|&``: standard error goes into the pipe as well."""
    both = Redirect(2, ">&", Word((Text("1"),)))
    if isinstance(command, Simple):
        return Simple(command.assignments, command.words, (*command.redirects, both))
    if isinstance(command, Compound):
        return Compound(command.body, (*command.redirects, both))
    return command
