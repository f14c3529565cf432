"""Running compound commands: groups, ``if``, ``case``, loops, ``[[ … ]]``, ``(( … ))``.

Loops give way to the event loop on every turn, so an endless one can be killed and stops nothing else.
"""

from __future__ import annotations

import asyncio

from lab_helpers.twin.containers.shell.calling import Caller
from lab_helpers.twin.containers.shell.conditions import Extended
from lab_helpers.twin.containers.shell.jumps import BreakLoop, ContinueLoop, ExitShell
from lab_helpers.twin.containers.shell.patterns import matches
from lab_helpers.twin.containers.shell.trees import (
    ArithmeticCommand,
    ArithmeticFor,
    Case,
    Condition,
    For,
    Group,
    If,
    Loop,
    Script,
    Structure,
    Subshell,
)

__all__ = ["StructureRunner"]


class StructureRunner(Caller):
    """Compound commands. ``checked``: their status is tested, so ``set -e`` does not apply."""

    async def _structure(self, body: Structure, checked: bool) -> int:
        if isinstance(body, Group):
            return await self.script(body.body, checked=checked)
        if isinstance(body, Subshell):
            inner = self.clone()
            status = await inner.contained(body.body)
            if status and "e" in self.options and not checked and not self.tested:
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
        status, falls = 0, False
        for branch in body.branches:
            if not falls:
                for pattern in branch.patterns:
                    if matches(await self.expander.pattern(pattern), text):
                        break
                else:
                    continue
            status = await self.script(branch.script, checked=checked) if branch.script.items else 0
            if branch.end == ";;":
                break
            falls = branch.end == ";&"
        return status

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


def _outer(jump: BreakLoop) -> None:
    """Pass ``break 2`` on to the next loop."""
    if jump.levels > 1:
        raise type(jump)(jump.levels - 1)
