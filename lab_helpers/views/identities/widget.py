"""The identity browser as a widget, and as the value of a cell.

::

    ids = lab.identity_browser()
    ids.find("shop/frontend")                 # everything about one identity
    ids.what_if("shop/frontend", "app=web")   # before it is done
    ids.history()                             # who held which address

It needs no Hubble. Endpoints are watched and drawn at once, by a thread of the widget's own; objects and policies are
read again when an endpoint changed, and every ten seconds while somebody looks, by another.
"""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from lab_helpers.clusters import Cluster
from lab_helpers.views.display import Tones, View
from lab_helpers.views.identities.browsing import IdentityPage, entry_lines, marks_of
from lab_helpers.views.identities.catalogues import Catalogue, Entry, catalogue
from lab_helpers.views.identities.consequences import Consequence, consequence
from lab_helpers.views.identities.edits import EditError, read_edit
from lab_helpers.views.identities.following import EndpointFollower
from lab_helpers.views.identities.histories import Line
from lab_helpers.views.identities.reading import read_snapshot
from lab_helpers.views.identities.snapshots import Snapshot
from lab_helpers.views.live.following import Batch
from lab_helpers.views.live.widgets import LiveWidget, module, stylesheet
from lab_helpers.views.panels import Panel
from lab_helpers.views.style import asset

__all__ = ["IdentityWidget"]

_SETTLING: Final = 5.0
_ROUND: Final = 10.0
"""Seconds after which objects are read again although no endpoint changed."""
_AGENTS: Final = 30.0
"""Seconds after which the agents are asked again."""
_PAUSE: Final = 0.1
"""Seconds between two drawings."""
_STEP: Final = 2.0
"""Seconds after which it is looked whether something is due."""


class IdentityWidget(LiveWidget):
    """See the module. ``namespaces``: only identities of pods there (none: all)."""

    _esm = module("identities")
    _css = stylesheet("identities") + asset("identities/timeline.css")

    def __init__(
        self,
        follower: EndpointFollower,
        namespaces: tuple[str, ...] = (),
        *,
        settling: float = _SETTLING,
        read: Callable[[Cluster, bool], Snapshot] = read_snapshot,
    ) -> None:
        self._endpoints = follower
        self._namespaces = self._own = namespaces
        self._read = read
        self._work = threading.RLock()
        self._asking = threading.Lock()
        self._found: Snapshot | None = None  # as it was read
        self._snapshot: Snapshot | None = None  # with what the watch told since
        self._catalogue = Catalogue()
        self._problem = ""
        self._sent: dict[str, Any] = {}
        self._jobs: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._changed = False
        self._due = 0.0
        self._agents_due = 0.0
        super().__init__(follower)
        self._drawing = self.worker(self._draw, pace=_PAUSE)
        self._reading = self.worker(self._read_on, pace=_PAUSE, idle=_STEP)
        follower.settle(settling)

    # --- for cells --------------------------------------------------------------------------------------------------

    def find(self, name: str | int) -> View:
        """Everything about an identity: by number, pod ("shop/frontend-…"), workload or address."""
        self._refresh()
        text = str(name)
        entry = self._catalogue.find(text) or self._carried_by(text)
        if entry is None:
            known = ", ".join(str(entry.numeric) for entry in self._page().entries)
            return Panel(f'No identity belongs to "{text}"', Tones.NOTE.value, "none", (f"There are: {known}",))
        title, *lines = entry_lines(entry)
        return Panel(title, Tones.PLAIN.value, "", (), tuple(line.strip() for line in lines))

    def what_if(self, target: str, change: str) -> View:
        """What a change of labels would do: ``what_if("shop/frontend", "app=web tier-")``. Nothing is done."""
        self._refresh()
        try:
            return self._consequence(target, change)
        except EditError as error:
            return Panel(str(error), Tones.NOTE.value, "not a change")

    def history(self) -> IdentityPage:
        """The page of now; its timeline shows who held which address."""
        return self.static()

    def static(self) -> IdentityPage:
        """Text and HTML of now."""
        self._refresh()
        return self._page()

    # --- the page ---------------------------------------------------------------------------------------------------

    def snapshot(self) -> None:
        """All of it, by the widget's threads."""
        with self._work:
            self._sent = {}
        self._drawing.wake()
        self._reading.wake()

    def on_flows(self, batch: Batch) -> None:  # noqa: ARG002 - the history has it
        """An endpoint changed: it is drawn, then all is read."""
        self._due = 0.0
        self._changed = True
        self._drawing.wake()

    def on_refresh(self, _content: Mapping[str, Any]) -> None:
        """Read again now, the agents too."""
        self._agents_due = self._due = 0.0
        self._reading.wake()

    def on_show(self, content: Mapping[str, Any]) -> None:
        """Only these namespaces."""
        with self._work:
            self._namespaces = tuple(map(str, content["namespaces"]))
            self._sent = {}
        self._drawing.wake()

    def on_preview(self, content: Mapping[str, Any]) -> None:
        """What would this change do, by the policies of now?"""
        self._due = 0.0
        self._jobs.put((str(content["target"]), str(content["change"])))
        self._reading.wake()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        if self._changed:
            self._changed = False
            with self._work:
                if self._found is not None:
                    self._understand(self._found, watched=True)
        self._publish()
        if not self._due:
            self._reading.wake()

    def _read_on(self) -> None:
        jobs = [self._jobs.get() for _ in range(self._jobs.qsize())]  # asked before the reading begins
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _ROUND
            self._refresh()
            self._drawing.wake()
        for target, change in jobs:
            self._preview(target, change)

    def _refresh(self) -> None:
        """Read the cluster; what it says instead is kept for the page."""
        with self._asking:  # one reading at a time: the older is not to replace the newer
            before = self._endpoints.endpoints
            try:
                found = self._read_now()
                with self._work:  # what happened amid the reading is not taken back
                    self._understand(found, watched=self._endpoints.endpoints is not before)
            except Exception as error:  # noqa: BLE001 - whatever keeps the cluster from answering; what is known stays
                self._problem = (str(error).splitlines() or [type(error).__name__])[0]
                return
            self._problem = ""

    def _understand(self, found: Snapshot, *, watched: bool) -> None:
        """Make the catalogue of what was read; ``watched``: with the endpoints as the watch tells them."""
        shown = found.with_endpoints(self._endpoints.endpoints) if watched else found
        self._catalogue = catalogue(shown)
        self._found, self._snapshot = found, shown

    def _read_now(self) -> Snapshot:
        """The agents themselves are asked now and then only; in between, what they said last stands."""
        before = self._found
        ask = before is None or time.monotonic() >= self._agents_due
        found = self._read(self.follower.find(), ask)
        if ask or before is None:
            self._agents_due = time.monotonic() + _AGENTS
            return found
        return dataclasses.replace(found, agents=before.agents, notes=before.notes)

    def _page(self) -> IdentityPage:
        status = self.follower.status
        note = "" if status.live and not self._problem else status.text() if not status.live else self._problem
        with self._work:
            return IdentityPage(self._catalogue, self._endpoints.history, time.time(), note, self._namespaces)

    def _carried_by(self, workload: str) -> Entry | None:
        if self._snapshot is None:
            return None
        for member in self._snapshot.inventory().members:
            if f"{member.namespace}/{member.workload}" == workload:
                return self._catalogue.find(str(member.endpoint.identity.numeric))
        return None

    def _consequence(self, target: str, change: str) -> Consequence:
        with self._work:
            found = self._snapshot
        if found is None:
            raise EditError(f"the cluster could not be read: {self._problem or self.follower.status.text()}")
        return consequence(found, read_edit(target, change))

    def _preview(self, target: str, change: str) -> None:
        try:
            found = self._consequence(target, change)
        except EditError as error:
            self.tell("consequence", error=str(error))
            return
        table = found.table()
        self.tell(
            "consequence",
            command=found.command,
            lines=list(found.lines()),
            rules=list(found.rules()),
            warnings=list(found.warnings),
            header=table.header,
            rows=[list(map(str, row)) for row in table.rows],
        )

    def _publish(self) -> None:
        with self._work:
            page = self._page()
            told = {
                "entries": [_entry(entry) for entry in page.entries],
                "notes": [*page.catalogue.notes, *([self._problem] if self._problem else [])],
                "namespaces": self._known_namespaces(),
                "shown": list(self._namespaces),
                "own": list(self._own),
            }
            known = self._found is not None or self._problem  # else there is nothing to tell yet
            if known and told != self._sent.get("catalogue"):
                self._sent["catalogue"] = told
                self.tell("catalogue", (), **told)
            now = time.time()
            moment = (page.history.tenures, now // _ROUND)
            if moment != self._sent.get("history"):
                self._sent["history"] = moment
                self.tell("history", lines=[_line(line) for line in page.history.lines(now, *self._namespaces)])

    def _known_namespaces(self) -> list[str]:
        pods = (seat.pod for entry in self._catalogue.entries for seat in entry.seats)
        return sorted({pod.partition("/")[0] for pod in pods} | set(self._namespaces))


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "key": entry.key,
        "numeric": entry.numeric,
        "kind": entry.kind.value,
        "name": entry.name,
        "labels": list(entry.labels),
        "nodes": list(entry.nodes),
        "seats": [[seat.pod, ", ".join(seat.addresses), seat.node] for seat in entry.seats],
        "uses": [
            [use.policy, use.path, _role(use.subject, str(use.direction), str(use.action)), use.selector, use.says]
            for use in entry.uses
        ],
    }


def _role(subject: bool, direction: str, action: str) -> str:
    if subject:
        return f"holds for it ({direction})"
    return f"{action}s it as {'source' if direction == 'ingress' else 'destination'}"


def _line(line: Line) -> dict[str, Any]:
    return {
        "address": line.address,
        "mark": marks_of(line),
        "spans": [
            {
                "text": f"{span.tenure.numeric} {span.tenure.pod}",
                "said": span.tenure.sentence(),
                "left": span.left,
                "width": span.width,
                "ended": span.tenure.end is not None,
            }
            for span in line.spans
        ],
    }
