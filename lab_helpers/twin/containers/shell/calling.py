"""Running what a simple command names: a function, a builtin, a program, a script file."""

from __future__ import annotations

import posixpath
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self

from lab_helpers.twin.containers.processes import SimulatedProcess
from lab_helpers.twin.containers.shell.errors import ExpansionProblem, SyntaxProblem
from lab_helpers.twin.containers.shell.expanding import Expander
from lab_helpers.twin.containers.shell.jumps import ReturnFrom
from lab_helpers.twin.containers.shell.states import Assigned, ShellState
from lab_helpers.twin.containers.shell.trees import Command, Compound, Script

__all__ = ["CALL_DEPTH", "Builtin", "Caller"]

CALL_DEPTH = 56  # far enough from the interpreter's own recursion limit

_SPECIAL = frozenset({"export", "readonly", "eval", ".", ":", "set", "unset"})
"""In POSIX what is assigned before these stays."""

Builtin = Callable[[Any, Sequence[str]], Awaitable[int]]
"""``(shell, words)`` → status."""


class Caller(ShellState, ABC):
    """A shell that finds what a name means, and runs it."""

    def __init__(
        self,
        process: SimulatedProcess,
        *,
        name: str,
        builtins: Mapping[str, Builtin],
        extended: bool,
        positional: Sequence[str] = (),
    ) -> None:
        super().__init__(process, name=name, extended=extended, positional=positional)
        self.builtins = builtins
        self.expander = Expander(self)

    # --- provided by the shell ---

    @abstractmethod
    async def capture(self, script: Script) -> str:
        """The output of a command substitution."""

    @abstractmethod
    async def script(self, script: Script, *, checked: bool = False) -> int:
        """Run a list."""

    @abstractmethod
    async def command(self, command: Command, *, checked: bool) -> int:
        """Run one command of a pipeline."""

    @abstractmethod
    async def contained(self, script: Script | Command) -> int:
        """Run as a subshell does."""

    @abstractmethod
    def clone(self) -> Self:
        """A subshell."""

    @abstractmethod
    async def give_way(self) -> None:
        """Let others run."""

    # --- calls ---

    async def call(self, words: Sequence[str], assigned: Mapping[str, str]) -> int:
        """Run a function, a builtin or a program."""
        name = words[0]
        if name in self.functions:
            return await self._function(self.functions[name], words[1:], assigned)
        builtin = self.builtins.get(name)
        if builtin is not None:
            with_assigned = Assigned(self, assigned)
            try:
                return await builtin(self, list(words))
            except SyntaxProblem as problem:
                await self.complain(f"syntax error: {problem}")
                return 2
            finally:
                if self.extended or name not in _SPECIAL:
                    with_assigned.restore()
        return await self._program(words, assigned)

    async def _function(self, body: Compound, arguments: Sequence[str], assigned: Mapping[str, str]) -> int:
        if self.depth >= CALL_DEPTH:
            raise ExpansionProblem("too many nested function calls")
        await self.give_way()
        before, self.positional = self.positional, list(arguments)
        kept = Assigned(self, assigned)
        self.locals.append({})
        self.depth += 1
        try:
            return await self.command(body, checked=False)
        except ReturnFrom as end:
            return end.code
        finally:
            self.depth -= 1
            for name, value in self.locals.pop().items():
                if value is None:
                    self.variables.pop(name, None)
                else:
                    self.variables[name] = value
            self.positional = before
            kept.restore()

    async def _program(self, words: Sequence[str], assigned: Mapping[str, str]) -> int:
        environment = {**self.environment, **assigned}
        argv = list(words)
        machine = self.process.machine
        if machine.lookup(argv[0], self.cwd) is None:
            script = self._script_file(argv[0])
            if script is None:
                return await self._not_found(argv[0])
            argv = [*script, *argv]
            if machine.lookup(argv[0], self.cwd) is None:
                await self.complain(
                    f"{words[0]}: not found"
                    if not self.extended
                    else f"{words[0]}: cannot execute: required file not found"
                )
                return 127
        child = self.process.spawn(argv, env=environment, cwd=self.cwd, descriptors=self.descriptors)
        return await self.process.run(child)

    def _script_file(self, name: str) -> list[str] | None:
        """The interpreter of a script in the container's files; None when there is no such file."""
        if "/" not in name:
            return None
        path = self.process.path(posixpath.join(self.cwd, name))
        found = self.files.find(path)
        if found is None:
            return None
        first = bytes(found.content).split(b"\n", 1)[0].decode("utf-8", "replace")
        if first.startswith("#!"):
            interpreter = first[2:].split()
            if interpreter and posixpath.basename(interpreter[0]) == "env":
                interpreter = interpreter[1:]
            if interpreter:
                return interpreter
        return ["sh"]

    async def _not_found(self, name: str) -> int:
        if "/" in name and self.files.is_directory(self.process.path(posixpath.join(self.cwd, name))):
            await self.complain(f"{name}: Permission denied" if not self.extended else f"{name}: Is a directory")
            return 126
        if self.extended:
            text = "No such file or directory" if "/" in name else "command not found"
            await self.complain(f"{name}: {text}")
        else:
            await self.complain(f"{name}: not found")
        return 127
