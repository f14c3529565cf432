"""What a shell remembers: variables, options, functions, descriptors, jobs."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from lab_helpers.twin.containers.processes import Child, Descriptor, SimulatedProcess
from lab_helpers.twin.containers.shell.conditions import Conditions
from lab_helpers.twin.containers.shell.errors import ExpansionProblem
from lab_helpers.twin.containers.shell.trees import Compound
from lab_helpers.twin.containers.streams import Output

if TYPE_CHECKING:
    from lab_helpers.twin.containers.files import FileSystem

__all__ = ["Assigned", "ShellState"]


class ShellState:
    """The state of one shell. ``builtins`` are given by the ``sh`` program; ``extended`` means bash."""

    def __init__(
        self,
        process: SimulatedProcess,
        *,
        name: str,
        extended: bool,
        positional: Sequence[str] = (),
    ) -> None:
        self.process = process
        self.name = name
        self.extended = extended
        self.positional = list(positional)
        self.variables: dict[str, str] = dict(process.env)
        self.exported: set[str] = set(process.env)
        self.readonly: set[str] = set()
        self.functions: dict[str, Compound] = {}
        self.options: set[str] = set()
        self.traps: dict[str, str] = {}
        self.locals: list[dict[str, str | None]] = []
        self.jobs: list[Child] = []
        self.status = 0
        self.background = 0
        self.cwd = process.cwd
        self.files: FileSystem = process.files
        self.descriptors: dict[int, Descriptor] = dict(process.descriptors)
        self.depth = 0
        self.loops = 0
        self.turns = 0
        self.tested = 0
        """Commands around this one whose status is tested: ``set -e`` does not apply."""
        self.subshell = False
        self.option_index = self.option_at = 1
        """Where ``getopts`` is: which argument, and which letter of it."""
        self.substituted: int | None = None
        self.put("PWD", self.cwd)
        if extended:
            for variable, value in {"BASH_VERSION": "5.2.37(1)-release", "EUID": "0", "UID": "0", "SHLVL": "1"}.items():
                self.variables.setdefault(variable, value)

    # --- the expander's scope ---

    def get(self, name: str) -> str | None:
        """A variable or special parameter; None when unset."""
        if name in self.variables:
            return self.variables[name]
        if name.isdigit():
            number = int(name)
            if number == 0:
                return self.name
            return self.positional[number - 1] if number <= len(self.positional) else None
        special: dict[str, Callable[[], str]] = {
            "#": lambda: str(len(self.positional)),
            "?": lambda: str(self.status),
            "$": lambda: str(self.process.pid),
            "!": lambda: str(self.background) if self.background else "",
            "-": lambda: "".join(sorted(self.options)),
            "RANDOM": self._random,
            "SECONDS": lambda: str(int(self.process.clock.monotonic() - self.process.started)),
            "HOSTNAME": lambda: self.process.machine.hostname,
        }
        return special[name]() if name in special else None

    def _random(self) -> str:
        seed = (hash((self.process.pid, self.process.machine.name)) + self.turns * 7919) & 0xFFFFFFFF
        self.turns += 1
        return str((seed * 1103515245 + 12345) >> 16 & 0x7FFF)

    def put(self, name: str, value: str) -> None:
        """Assign. Raises ExpansionProblem when it is read-only."""
        if name in self.readonly:
            raise ExpansionProblem(f"{name}: " + ("readonly variable" if self.extended else "is read only"))
        self.variables[name] = value
        if "a" in self.options:
            self.exported.add(name)

    def option(self, letter: str) -> bool:
        """Is ``set -<letter>`` on?"""
        return letter in self.options

    # --- helpers for builtins ---

    @property
    def environment(self) -> dict[str, str]:
        """What children get."""
        return {name: self.variables[name] for name in sorted(self.exported) if name in self.variables}

    async def out(self, text: str) -> None:
        """To standard output."""
        target = self.descriptors.get(1)
        if isinstance(target, Output):
            await target.write(text.encode("utf-8", "surrogateescape"))

    async def err(self, text: str) -> None:
        """To standard error."""
        target = self.descriptors.get(2)
        if isinstance(target, Output):
            await target.write(text.encode("utf-8", "surrogateescape"))

    async def complain(self, message: str) -> None:
        """``sh: message`` (bash adds the line, of which there is one)."""
        name = posixpath.basename(self.name)
        await self.err(f"{name}: line 1: {message}\n" if self.extended else f"{name}: {message}\n")

    def conditions(self) -> Conditions:
        """For ``test``."""
        return Conditions(
            self.files,
            self.cwd,
            lambda number: bool(getattr(self.descriptors.get(number), "tty", False)),
            lambda name: self.get(name) is not None,
        )


class Assigned:
    """``name=value command``: assignments that last as long as the command."""

    def __init__(self, shell: ShellState, assigned: Mapping[str, str]) -> None:
        self._shell = shell
        self._before = {name: shell.variables.get(name) for name in assigned}
        self._exported = {name for name in assigned if name not in shell.exported}
        for name, value in assigned.items():
            shell.put(name, value)
        shell.exported |= set(assigned)

    def restore(self) -> None:
        """As before the command."""
        for name, value in self._before.items():
            if value is None:
                self._shell.variables.pop(name, None)
            else:
                self._shell.variables[name] = value
        self._shell.exported -= self._exported
