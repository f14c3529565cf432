"""Running a script: a :class:`Shell` holds variables, functions, descriptors and options, and walks the syntax tree."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence

from lab_helpers.twin.containers.errors import BrokenPipe
from lab_helpers.twin.containers.processes import SIGNALS, Child, SimulatedProcess, program
from lab_helpers.twin.containers.shell.calling import CALL_DEPTH
from lab_helpers.twin.containers.shell.errors import ExpansionProblem, UnsetParameter
from lab_helpers.twin.containers.shell.jumps import BreakLoop, ExitShell, ReturnFrom
from lab_helpers.twin.containers.shell.looping import StructureRunner
from lab_helpers.twin.containers.shell.parsing import parse
from lab_helpers.twin.containers.shell.redirecting import RedirectProblem, redirect
from lab_helpers.twin.containers.shell.trees import (
    AndOr,
    ArithmeticCommand,
    Command,
    Compound,
    Condition,
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
from lab_helpers.twin.containers.streams import MemoryOutput, Pipe

__all__ = ["Shell"]

_SUBSTITUTION_LIMIT = 8 * 1024 * 1024


class Shell(StructureRunner):
    """A shell that runs; ``contained`` and ``script`` are the ways in."""

    async def capture(self, script: Script) -> str:
        """The output of a command substitution."""
        output = MemoryOutput()
        inner = self.clone()
        inner.descriptors[1] = output
        if self.extended and (file := _only_input(script)) is not None:
            script = Script((Item(AndOr((("", Pipeline((file,))),))),))
        self.status = self.substituted = await inner.contained(script)
        if len(output.data) > _SUBSTITUTION_LIMIT:
            raise ExpansionProblem("command substitution is too large")
        return output.data.replace(b"\0", b"").decode("utf-8", "surrogateescape")

    def clone(self) -> Shell:
        """A subshell: the same state, changes stay inside."""
        other = Shell(self.process, name=self.name, builtins=self.builtins, extended=self.extended)
        other.variables = dict(self.variables)
        other.exported = set(self.exported)
        other.readonly = set(self.readonly)
        other.functions = dict(self.functions)
        other.options = set(self.options)
        other.positional = list(self.positional)
        other.locals = [dict(frame) for frame in self.locals]
        other.descriptors = dict(self.descriptors)
        other.status, other.background, other.cwd = self.status, self.background, self.cwd
        other.tested, other.subshell = self.tested, True
        other.depth = self.depth + 1
        if other.depth > CALL_DEPTH:
            raise ExpansionProblem("too many nested subshells")
        return other

    async def contained(self, script: Script | Command) -> int:
        """Run as a subshell does: nothing but the status gets out."""
        try:
            status = await (self.script(script) if isinstance(script, Script) else self.command(script, checked=False))
        except ExitShell as end:
            status = end.code
        except BreakLoop:
            status = 0
        except ReturnFrom as end:
            status = end.code
        except BrokenPipe:
            status = 141
        except ExpansionProblem as problem:
            await self.complain(str(problem))
            status = 1 if self.extended else 2
        self.status = status
        return await self.leave(status)

    async def leave(self, status: int) -> int:
        """Run the EXIT trap, once."""
        action = self.traps.pop("EXIT", "")
        if action:
            self.status = status
            try:
                await self.text(action)
            except ExitShell as end:
                return end.code
        return status

    async def text(self, source: str) -> int:
        """Parse and run. Raises SyntaxProblem."""
        return await self.script(parse(source))

    # --- lists ---

    async def script(self, script: Script, *, checked: bool = False) -> int:
        """A list. ``checked``: its status is tested, so ``set -e`` does not apply."""
        for item in script.items:
            if item.background:
                self.start_background(item)
                self.status = 0
            else:
                self.status = await self._and_or(item.command, checked)
        return self.status

    async def _and_or(self, command: AndOr, checked: bool) -> int:
        status = 0
        last = len(command.parts) - 1
        for index, (joint, pipeline) in enumerate(command.parts):
            if (joint == "&&" and status != 0) or (joint == "||" and status == 0):
                continue
            tested = checked or index < last or pipeline.negated
            self.tested += tested
            try:
                status = self.status = await self._pipeline(pipeline, tested)
            finally:
                self.tested -= tested
            if status and not tested and not self.tested and _counts(pipeline):
                await self._failed(status)
                if "e" in self.options:
                    raise ExitShell(status)
        return status

    def _unset_status(self) -> int:
        if not self.extended:
            return 2
        return 1 if self.subshell or "e" in self.options else 127

    async def _failed(self, status: int) -> None:
        """Run bash's ERR trap."""
        action = self.traps.get("ERR")
        if action and not self.locals:
            del self.traps["ERR"]  # not for what fails inside of it
            try:
                await self.text(action)
            finally:
                self.traps["ERR"] = action
                self.status = status

    def start_background(self, item: Item) -> Child:
        """``command &``: its standard input is empty."""
        shell = self.clone()
        script = Script((Item(item.command),))

        @program
        async def body(process: SimulatedProcess) -> int:
            shell.process = process
            try:
                return await shell.contained(script)
            except asyncio.CancelledError:
                if process.passed_on is None:
                    raise
                return process.passed_on  # a real shell becomes its last program, which gets the signal itself

        child = self.process.spawn(
            [self.name], body=body, env=self.environment, cwd=self.cwd, descriptors=self.descriptors
        )
        self.jobs.append(child)
        self.background = child.pid
        return child

    async def _pipeline(self, pipeline: Pipeline, checked: bool) -> int:
        began = self.process.clock.monotonic()
        if len(pipeline.commands) == 1:
            status = await self.command(pipeline.commands[0], checked=checked or pipeline.negated)
        else:
            status = await self._stages(pipeline.commands)
        if pipeline.timed:
            seconds = self.process.clock.monotonic() - began
            minutes, rest = divmod(seconds, 60)
            await self.err(f"real\t{int(minutes)}m {rest:.2f}s\nuser\t0m 0.00s\nsys\t0m 0.00s\n")
        return int(not status) if pipeline.negated else status

    async def _stages(self, commands: Sequence[Command]) -> int:
        pipes = [Pipe() for _ in commands[1:]]
        children: list[Child] = []
        for index, command in enumerate(commands):
            shell = self.clone()
            before = pipes[index - 1] if index else None
            after = pipes[index] if index < len(pipes) else None
            if before:
                shell.descriptors[0] = before.reader
            if after:
                shell.descriptors[1] = after.writer
            children.append(
                self.process.spawn(
                    [self.name],
                    body=_stage(shell, command, before, after),
                    env=self.environment,
                    cwd=self.cwd,
                    descriptors=shell.descriptors,
                )
            )
        try:
            codes = [await child.wait() for child in children]
        except asyncio.CancelledError:
            for child in children:
                child.kill(self.process.signal or SIGNALS["TERM"])
            for child in children:
                await child.wait()
            raise
        if "pipefail" in self.options:
            return next((code for code in reversed(codes) if code), 0)
        return codes[-1]

    # --- commands ---

    async def command(self, command: Command, *, checked: bool) -> int:
        """One command of a pipeline."""
        if isinstance(command, Function):
            self.functions[command.name] = command.body
            return 0
        before = self.descriptors
        try:
            self.descriptors = await redirect(self, command.redirects)
            if isinstance(command, Simple):
                return await self._simple(command)
            return await self._structure(command.body, checked)
        except RedirectProblem as problem:
            await self.complain(str(problem))
            return 1
        finally:
            if not (isinstance(command, Simple) and self._keeps_redirects(command)):
                self.descriptors = before

    def _keeps_redirects(self, command: Simple) -> bool:
        """``exec >file`` without a program changes the shell's own descriptors."""
        return len(command.words) == 1 and command.words[0].literal() == "exec"

    async def _simple(self, command: Simple) -> int:
        self.substituted = None
        before = dict(self.variables)
        assigned: dict[str, str] = {}
        try:
            words = await self.expander.words(command.words)
            for one in command.assignments:
                if one.append and not self.extended:
                    return await self._not_found(f"{one.name}+={await self.expander.single(one.value)}")
                value = await self.expander.single(one.value)
                assigned[one.name] = (self.get(one.name) or "") + value if one.append else value
                self.put(one.name, assigned[one.name])  # the next one sees it
        except UnsetParameter as problem:
            await self.complain(str(problem))
            raise ExitShell(self._unset_status()) from None
        except ExpansionProblem as problem:
            await self.complain(str(problem))
            raise ExitShell(2 if not self.extended else 1) from None
        if "x" in self.options:
            text = " ".join([f"{name}={value}" for name, value in assigned.items()] + [_traced(word) for word in words])
            await self.err(f"+ {text}\n")
        if not words:
            return self.substituted or 0
        for name in assigned:
            if name in before:
                self.variables[name] = before[name]
            else:
                del self.variables[name]
        return await self.call(words, assigned)


def _only_input(script: Script) -> Simple | None:
    """bash's ``$(<file)`` as ``cat <file``."""
    match script:
        case Script((Item(AndOr(((_, Pipeline((Simple((), (), (Redirect(0, "<"),)) as simple,))),))),)):
            return dataclasses.replace(simple, words=(Word((Text("cat"),)),))
    return None


def _counts(pipeline: Pipeline) -> bool:
    """Does its failing end a script under ``set -e``? That of a loop, of ``if``, of ``{ … }`` is that of a command
    inside, which had its turn.
    """
    last = pipeline.commands[-1]
    if len(pipeline.commands) > 1 or isinstance(last, Simple):
        return True
    return isinstance(last, Compound) and isinstance(last.body, Subshell | Condition | ArithmeticCommand)


def _stage(shell: Shell, command: Command, before: Pipe | None, after: Pipe | None) -> Callable[..., Awaitable[int]]:
    @program
    async def body(process: SimulatedProcess) -> int:
        shell.process = process
        try:
            return await shell.contained(command)
        finally:
            if after:
                after.writer.close()
            if before:
                before.reader.close()

    return body


def _traced(word: str) -> str:
    if word and all(char.isalnum() or char in "_-./:=@%+," for char in word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"
