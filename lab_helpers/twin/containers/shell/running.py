"""Running a script: a :class:`Shell` holds variables, functions, descriptors and options, and walks the syntax tree.

Loops give way to the event loop on every turn, so an endless one can be killed and stops nothing else.
"""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Awaitable, Callable, Mapping, Sequence

from lab_helpers.twin.containers.errors import BrokenPipe
from lab_helpers.twin.containers.processes import SIGNALS, Child, SimulatedProcess, program
from lab_helpers.twin.containers.shell.conditions import Extended
from lab_helpers.twin.containers.shell.errors import ExpansionProblem, SyntaxProblem
from lab_helpers.twin.containers.shell.expanding import Expander
from lab_helpers.twin.containers.shell.jumps import BreakLoop, ContinueLoop, ExitShell, ReturnFrom
from lab_helpers.twin.containers.shell.parsing import parse
from lab_helpers.twin.containers.shell.patterns import matches
from lab_helpers.twin.containers.shell.redirecting import RedirectProblem, redirect
from lab_helpers.twin.containers.shell.states import Assigned, ShellState
from lab_helpers.twin.containers.shell.trees import (
    AndOr,
    ArithmeticCommand,
    ArithmeticFor,
    Case,
    Command,
    Compound,
    Condition,
    For,
    Function,
    Group,
    If,
    Item,
    Loop,
    Pipeline,
    Script,
    Simple,
    Structure,
    Subshell,
)
from lab_helpers.twin.containers.streams import MemoryOutput, Pipe

__all__ = ["Builtin", "Shell"]

_CALL_DEPTH = 56  # far enough from the interpreter's own recursion limit
_SUBSTITUTION_LIMIT = 8 * 1024 * 1024

Builtin = Callable[["Shell", Sequence[str]], Awaitable[int]]


class Shell(ShellState):
    """A shell that runs; ``contained`` and ``script`` are the ways in."""

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

    async def capture(self, script: Script) -> str:
        """The output of a command substitution."""
        output = MemoryOutput()
        inner = self.clone()
        inner.descriptors[1] = output
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
        other.depth = self.depth + 1
        if other.depth > _CALL_DEPTH:
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
            status = 2
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
            status = self.status = await self._pipeline(pipeline, checked or index < last)
            if status and index == last and not checked and not pipeline.negated and "e" in self.options:
                raise ExitShell(status)
        return status

    def start_background(self, item: Item) -> Child:
        """``command &``: its standard input is empty."""
        shell = self.clone()
        script = Script((Item(item.command),))

        @program
        async def body(process: SimulatedProcess) -> int:
            shell.process = process
            return await shell.contained(script)

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

    async def _structure(self, body: Structure, checked: bool) -> int:
        if isinstance(body, Group):
            return await self.script(body.body, checked=checked)
        if isinstance(body, Subshell):
            inner = self.clone()
            status = await inner.contained(body.body)
            if status and "e" in self.options and not checked:
                raise ExitShell(status)
            return status
        if isinstance(body, If):
            for condition, script in body.branches:
                if await self.script(condition, checked=True) == 0:
                    return await self.script(script, checked=checked)
            return await self.script(body.otherwise, checked=checked) if body.otherwise else 0
        if isinstance(body, Case):
            return await self._case(body, checked)
        if isinstance(body, Condition):
            return await self._condition(body)
        if isinstance(body, ArithmeticCommand):
            return int(await self.expander.arithmetic(body.expression) == 0)
        self.loops += 1
        try:
            return await self._loop(body, checked)
        finally:
            self.loops -= 1

    async def _case(self, body: Case, checked: bool) -> int:
        text = await self.expander.single(body.word)
        for patterns, script in body.branches:
            for pattern in patterns:
                if matches(await self.expander.pattern(pattern), text):
                    return await self.script(script, checked=checked) if script.items else 0
        return 0

    async def _condition(self, body: Condition) -> int:
        extended = Extended(body.words, self.expander, self.conditions())
        return int(not await extended.holds())

    async def _loop(self, body: For | ArithmeticFor | Loop, checked: bool) -> int:
        status = 0
        if isinstance(body, For):
            words = list(self.positional) if body.words is None else await self.expander.words(body.words)
            for word in words:
                self.put(body.name, word)
                status, ended = await self._turn(body.body, checked)
                if ended:
                    break
            return status
        if isinstance(body, ArithmeticFor):
            await self.expander.arithmetic(body.start)
            while not body.condition.parts or await self.expander.arithmetic(body.condition):
                status, ended = await self._turn(body.body, checked)
                if ended:
                    break
                await self.expander.arithmetic(body.step)
            return status
        while True:
            try:
                condition = await self.script(body.condition, checked=True)
            except BreakLoop as jump:
                _outer(jump)
                if isinstance(jump, ContinueLoop):
                    await self.give_way()
                    continue
                return 0
            if (condition == 0) == body.until:
                return status
            status, ended = await self._turn(body.body, checked)
            if ended:
                return status

    async def _turn(self, body: Script, checked: bool) -> tuple[int, bool]:
        """One turn of a loop; (status, whether the loop ends)."""
        await self.give_way()
        try:
            return await self.script(body, checked=checked), False
        except BreakLoop as jump:
            _outer(jump)
            return 0, not isinstance(jump, ContinueLoop)

    async def give_way(self) -> None:
        """Let others run; every few turns sleep a little, so that a busy loop does not take the whole machine."""
        self.turns += 1
        await asyncio.sleep(0.001 if self.turns % 64 == 0 else 0)

    async def _simple(self, command: Simple) -> int:
        self.substituted = None
        try:
            words = await self.expander.words(command.words)
            assigned = [(name, await self.expander.single(value)) for name, value in command.assignments]
        except ExpansionProblem as problem:
            await self.complain(str(problem))
            raise ExitShell(2 if not self.extended else 1) from None
        if "x" in self.options:
            text = " ".join([f"{name}={value}" for name, value in assigned] + [_traced(word) for word in words])
            await self.err(f"+ {text}\n")
        if not words:
            for name, value in assigned:
                self.put(name, value)
            return self.substituted or 0
        return await self.call(words, dict(assigned))

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
                if name not in ("export", "readonly", "eval", ".", ":", "set", "unset"):
                    with_assigned.restore()
        return await self._program(words, assigned)

    async def _function(self, body: Compound, arguments: Sequence[str], assigned: Mapping[str, str]) -> int:
        if self.depth >= _CALL_DEPTH:
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


def _outer(jump: BreakLoop) -> None:
    """Pass ``break 2`` on to the next loop."""
    if jump.levels > 1:
        raise type(jump)(jump.levels - 1)


def _traced(word: str) -> str:
    if word and all(char.isalnum() or char in "_-./:=@%+," for char in word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"
