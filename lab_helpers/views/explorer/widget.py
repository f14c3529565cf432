"""The flow explorer as a widget, and as the value of a cell.

::

    explorer = lab.explorer("--namespace shop --verdict DROPPED")
    explorer.command = "hubble observe --to-pod shop/backend"   # the page follows
    explorer.flows(20)           # what it shows, as a table
    explorer.export("flows.json")
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from lab_helpers.hubble.records import Record
from lab_helpers.tools.hubble.filtertable import FILTERS
from lab_helpers.views.display import Tones
from lab_helpers.views.explorer import commands, exporting
from lab_helpers.views.explorer.commands import Command, read_command
from lab_helpers.views.explorer.details import FlowDetail, detail
from lab_helpers.views.explorer.explorations import SHOWN, Exploration
from lab_helpers.views.explorer.packing import Strings, marks, pack
from lab_helpers.views.explorer.reasons import reason
from lab_helpers.views.flows import FlowTable, row
from lab_helpers.views.live.following import Batch, Follower
from lab_helpers.views.live.widgets import LiveWidget, module, stylesheet
from lab_helpers.views.panels import Panel

__all__ = ["CAPACITY", "FlowExplorer"]

CAPACITY: Final = 10_000
"""Flows a page holds; older ones leave as new ones come."""
_VERDICTS: Final = ("FORWARDED", "DROPPED", "REDIRECTED", "AUDIT", "ERROR", "TRACED", "TRANSLATED")
_SETTLING: Final = 5.0

Numbered = tuple[int, Record]


class FlowExplorer(LiveWidget):
    """See the module. ``command`` is the equivalent ``hubble observe`` command; setting it sets the filters."""

    _esm = module("explorer", "explorer/grid.js")
    _css = stylesheet("explorer")

    def __init__(self, follower: Follower, command: str = "", *, settling: float = _SETTLING) -> None:
        self._work = threading.RLock()
        self._typed = self._valid = self._own = commands.everything()
        self._passes: Callable[[Record], bool] = self._valid.predicate()
        self._strings = Strings()
        self._next = 0
        self._paused_at: int | None = None
        self._held = 0
        super().__init__(follower)
        follower.settle(settling)
        if command:
            self.command = command
            self._own = self._valid

    # --- for cells --------------------------------------------------------------------------------------------------

    @property
    def command(self) -> str:
        """The equivalent command for a terminal."""
        return self._valid.shell

    @command.setter
    def command(self, line: str) -> None:
        self._use(read_command(line))

    def flows(self, last: int = 50) -> FlowTable:
        """The newest flows that pass the filters, as a table."""
        return FlowTable(tuple(row(record.flow) for _, record in self._passing(last)))

    def detail(self, back: int = 1) -> FlowDetail | Panel:
        """Everything about one of the newest flows: 1 is the newest."""
        found = self._passing(back)
        if len(found) < back:
            return Panel("Flow", Tones.NOTE.value, "none", (f"there are only {len(found)} flows",))
        return detail(found[0][1].flow)

    def why(self, back: int = 1) -> Panel:
        """Why one of the newest flows was allowed or denied, from the policy engine."""
        found = self._passing(back)
        if len(found) < back:
            return Panel("Why", Tones.NOTE.value, "none", (f"there are only {len(found)} flows",))
        return reason(self.follower.find(), found[0][1].flow)

    def export(self, file: str = "flows.json") -> Panel:
        """Write the flows to a file that ``hubble observe --input-file`` reads."""
        target = Path(file).absolute()
        found = self._passing(CAPACITY)
        target.write_text(
            "".join(line + "\n" for line in exporting.lines(record for _, record in found)), encoding="utf-8"
        )
        return Panel(f"{len(found)} flows written to {target}", Tones.GOOD.value, "exported")

    def static(self) -> Exploration:
        """The model of now."""
        with self._work:
            typed, valid, passes = self._typed, self._valid, self._passes
        end = self.follower.ring.end
        first, records = self.follower.ring.window(0, end)
        passed = [record for record in records if passes(record)]
        if valid.last:
            passed = passed[-valid.last :]
        rows = tuple(row(record.flow) for record in passed[-SHOWN:])
        return Exploration(typed, self.follower.status, rows, len(passed), end - first, self.follower.lost)

    # --- the page ---------------------------------------------------------------------------------------------------

    def snapshot(self) -> None:
        """Command, then all rows."""
        with self._work:
            self._tell_command()
            self.tell("paused", paused=self._paused_at is not None)
            self.tell(
                "vocabulary",
                flags=[[name, usage.splitlines()[0], bool(implied)] for name, _, implied, usage in FILTERS[1:]],
            )
            self.tell("marks", verdicts=marks(_VERDICTS))
            self._push(reset=True)

    def on_flows(self, batch: Batch) -> None:
        """Send what passes, or count it while the table is paused."""
        with self._work:
            if self._paused_at is None:
                self._push()
                return
            self._held += sum(map(self._passes, batch.records))
            self.tell("held", count=self._held)

    def on_command(self, content: Mapping[str, Any]) -> None:
        """A command was typed, or written by the controls."""
        self._use(read_command(str(content["line"])))

    def on_pause(self, content: Mapping[str, Any]) -> None:
        """Hold new flows back, or let them in."""
        with self._work:
            pause = bool(content["paused"])
            if pause and self._paused_at is None:
                self._paused_at, self._held = self._next, 0
            elif not pause and self._paused_at is not None:
                self._paused_at = None
                self._push()
            self.tell("paused", paused=pause)

    def on_detail(self, content: Mapping[str, Any]) -> None:
        """A row was opened."""
        number = int(content["number"])
        record = self.follower.ring.at(number)
        if record is None:
            self.tell("detail", number=number, gone=True)
        else:
            self.tell("detail", number=number, gone=False, **detail(record.flow).message())

    def on_why(self, content: Mapping[str, Any]) -> None:
        """Ask the engine, beside the kernel's work: it reads the cluster's objects first."""
        number = int(content["number"])
        record = self.follower.ring.at(number)
        if record is not None:
            threading.Thread(target=self._explain, args=(number, record), daemon=True).start()

    def on_export(self, _content: Mapping[str, Any]) -> None:
        """The flows as text, for the page to save."""
        with self._work:
            found = self._passing(CAPACITY, self._paused_at)
        threading.Thread(target=self._send_file, args=(found,), daemon=True).start()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _use(self, command: Command) -> None:
        with self._work:
            self._typed = command
            if command.fault is None:
                self._valid, self._passes = command, command.predicate()
            if self.watched:
                if command.fault is None:
                    self._push(reset=True, anew=True)
                self._tell_command()  # after the rows: what a page says is in force is in force

    def _tell_command(self) -> None:
        typed = self._typed
        conditions = [[str(item), item.start, item.end] for item in self._valid.conditions]
        fault = list(typed.fault) if typed.fault else None
        self.tell(
            "command",
            line=typed.line,
            valid=self._valid.line,
            shell=self._valid.shell,
            own=self._own.line,
            conditions=conditions,
            fault=fault,
            notes=list(typed.notes),
        )

    def _passing(self, most: int, stop: int | None = None) -> list[Numbered]:
        """The newest that pass, oldest first."""
        with self._work:
            valid, passes = self._valid, self._passes
        if valid.last:
            most = min(most, valid.last)
        first, records = self.follower.ring.window(0, stop)
        found: list[Numbered] = []
        for offset in range(len(records) - 1, -1, -1):
            if len(found) == most:
                break
            if passes(records[offset]):
                found.append((first + offset, records[offset]))
        found.reverse()
        return found

    def _push(self, *, reset: bool = False, anew: bool = False) -> None:
        """Send new rows, or all of them (``reset``), which are others than before (``anew``)."""
        reset = reset or self._strings.full
        if reset:
            self._strings = Strings()
            stop = self._paused_at if self._paused_at is not None else self.follower.ring.end
            found = self._passing(CAPACITY, stop)
            self._next = stop
        else:
            first, records = self.follower.ring.window(self._next)
            self._next = first + len(records)
            found = [(first + offset, record) for offset, record in enumerate(records) if self._passes(record)]
            if not found:
                return
        packed = pack(found[-CAPACITY:], self._strings)
        self.tell(
            "rows",
            packed.buffers,
            reset=reset,
            anew=anew,
            count=packed.amount,
            base=packed.base,
            strings=packed.strings,
            most=self._valid.last or CAPACITY,
            lost=self.follower.lost,
            sent=time.time() * 1000,
        )

    def _explain(self, number: int, record: Record) -> None:
        try:
            panel = reason(self.follower.find(), record.flow)
        except Exception as error:  # noqa: BLE001 - shown to the learner, where else it would be lost
            panel = Panel("Why", Tones.NOTE.value, "no answer", (str(error),))
        mark = {"icon": panel.tone.icon, "mark": panel.tone.css.replace("cl-", "cl-mark-"), "word": panel.mark}
        text = "\n".join(part.text for part in panel.details)
        self.tell("why", number=number, mark=mark, lines=list(panel.lines), text=text)

    def _send_file(self, found: list[Numbered]) -> None:
        try:
            text = "".join(line + "\n" for line in exporting.lines(record for _, record in found))
        except Exception as error:  # noqa: BLE001 - likewise
            self.tell("problem", what=f"the flows cannot be written: {error}")
            return
        self.tell("file", [text.encode()], count=len(found), name="flows.json")
