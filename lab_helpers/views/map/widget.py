"""The service map as a widget, and as the value of a cell.

::

    shop = lab.map("shop", "dev")
    shop.now                      # the map as a value: nodes, edges
    shop.edge("shop/frontend", "shop/backend")  # what an edge is made of, and why

Counting, placing and reading policies happen in a thread of the widget's own, so neither the kernel nor the follower
waits for them. The page gets a drawing at most four times a second, and only when it differs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from lab_helpers.clusters import Cluster
from lab_helpers.clusters.policy_inputs import read_cluster
from lab_helpers.hubble.records import Record
from lab_helpers.policy.inventories import Inventory
from lab_helpers.views.display import Tones, View
from lab_helpers.views.live.following import Batch, Follower
from lab_helpers.views.live.widgets import LiveWidget, module, stylesheet
from lab_helpers.views.map.details import EdgeDetails, details_of
from lab_helpers.views.map.drawings import draw, drawing_json
from lab_helpers.views.map.layouts import Layout, arrange
from lab_helpers.views.map.maps import ServiceMap, verdict_word
from lab_helpers.views.map.pages import MapPage
from lab_helpers.views.map.tallies import Tally
from lab_helpers.views.panels import Panel
from lab_helpers.views.style import asset
from lab_helpers.views.verdicts import flow_tone

if TYPE_CHECKING:
    from lab_helpers.views.explorer.widget import FlowExplorer

__all__ = ["MapWidget"]

_SETTLING: Final = 5.0
_PAUSE: Final = 0.1
"""Seconds between two drawings."""
_FADE: Final = 2.0
"""Seconds after which rates are computed again although nothing came."""
_HISTORY: Final = 30_000
"""Flows of the past that a new map is made from."""
_TRACE, _SOCK = 4, 7
_SECOND: Final = 1_000_000_000


class MapWidget(LiveWidget):
    """See the module. ``namespaces``: only edges with an end in one of them (none: all). ``window`` in seconds."""

    _esm = module("map")
    _css = stylesheet("map") + asset("map/map.css")

    def __init__(
        self,
        follower: Follower,
        namespaces: tuple[str, ...] = (),
        *,
        window: float = 60.0,
        settling: float = _SETTLING,
        read: Callable[[Cluster], Inventory] = read_cluster,
    ) -> None:
        self._work = threading.RLock()
        self._tally = Tally(window)
        self._next = max(0, follower.ring.end - _HISTORY)
        self._arrived = time.monotonic()
        self._namespaces = self._own = namespaces
        self._layout: Layout | None = None
        self._sent: dict[str, Any] = {}
        self._opened = ""
        self._details: EdgeDetails | None = None
        self._read = read
        self._explorer: FlowExplorer | None = None
        super().__init__(follower)
        self._drawing = self.worker(self._draw, pace=_PAUSE, idle=_FADE)
        follower.settle(settling)

    # --- for cells --------------------------------------------------------------------------------------------------

    @property
    def now(self) -> ServiceMap:
        """The map as of now."""
        with self._work:
            self._catch_up()
            return self._map()

    def edge(self, source: str, target: str = "") -> View:
        """The edges between two places ("shop/frontend", "api.stripe.com"): their flows, policies, and why."""
        wanted = [
            edge for edge in self.now.edges if str(edge.line.source) == source and target in ("", str(edge.line.target))
        ]
        if not wanted:
            known = ", ".join(str(node.place) for node in self.now.nodes) or "nobody yet"
            words = f"{source} → {target}" if target else source
            return Panel(f"There is no edge {words}", Tones.NOTE.value, "none", (f"On the map are: {known}",))
        inventory = self._read(self.follower.find())
        with self._work:
            found = [details_of(edge, self._tally.recent(edge.line), inventory) for edge in wanted]
        if len(found) == 1:
            return found[0]
        return Several(tuple(found))

    def static(self) -> MapPage:
        """Text, drawing and table of now."""
        with self._work:
            return MapPage(self.now, self._layout)

    # --- the page ---------------------------------------------------------------------------------------------------

    def snapshot(self) -> None:
        """All of it, drawn by the widget's thread."""
        with self._work:
            self._sent = {}
        self._drawing.wake()

    def on_flows(self, batch: Batch) -> None:  # noqa: ARG002 - the thread reads the ring
        """There is something to count."""
        self._drawing.wake()

    def on_show(self, content: Mapping[str, Any]) -> None:
        """Only these namespaces; the places are placed anew."""
        with self._work:
            self._namespaces = tuple(map(str, content["namespaces"]))
            self._layout, self._sent = None, {}
        self._drawing.wake()

    def on_clear(self, _content: Mapping[str, Any]) -> None:
        """Forget what was; the map begins with the next flow."""
        with self._work:
            self._tally = Tally(self._tally.window)
            self._next = self.follower.ring.end
            self._layout, self._sent = None, {}
        self._drawing.wake()

    def on_open(self, content: Mapping[str, Any]) -> None:
        """An edge was opened."""
        with self._work:
            self._opened, self._details = str(content["key"]), None
        self._drawing.wake()

    def on_shut(self, _content: Mapping[str, Any]) -> None:
        """The details were closed."""
        with self._work:
            self._opened, self._details = "", None

    def on_explore(self, content: Mapping[str, Any]) -> None:
        """The flows of an edge in the flow explorer, inside this widget."""
        from lab_helpers.views.explorer.widget import FlowExplorer

        command = str(content["command"])
        with self._work:
            if self._explorer is None:
                self._explorer = FlowExplorer(self.follower, command, settling=0.0)
            else:
                self._explorer.command = command
        self.tell("explorer", model=self._explorer.model_id)

    def close(self) -> None:
        """Close the explorer inside, too."""
        if self._explorer is not None:
            self._explorer.close()
        super().close()

    # --- the thread -------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        with self._work:
            self._catch_up()
            self._publish()
        self._tell_details()

    def _catch_up(self) -> None:
        """Count what came since the last time."""
        first, records = self.follower.ring.window(self._next)
        if records:
            for record in records:
                if _tells(record) and not self._tally.repeats(record):
                    self._tally.add((record.flow,))
            self._next = first + len(records)
            self._arrived = time.monotonic()

    def _map(self) -> ServiceMap:
        passed = int((time.monotonic() - self._arrived) * _SECOND)
        until = self._tally.until + passed if self._tally.until else 0
        status = self.follower.status
        found = self._tally.map(until, "" if status.live else status.text()).within(*self._namespaces)
        self._layout = arrange(found.drawable(), self._layout)
        return found

    def _publish(self) -> None:
        found = self._map()
        assert self._layout is not None
        table = found.table()
        drawn = {
            "drawing": drawing_json(draw(found.drawable(), self._layout)),
            "note": found.drawable().note,
            "places": {str(n.place): {"pods": n.pods, "identities": n.identities} for n in found.nodes},
            "header": table.header,
            "rows": [[edge.key, *map(str, row)] for edge, row in zip(found.edges, table.rows, strict=True)],
            "verdicts": _legend(found),
            "namespaces": sorted({*self._tally.namespaces(), *self._namespaces}),
            "shown": list(self._namespaces),
            "own": list(self._own),
        }
        if drawn != self._sent:
            self._sent = drawn
            self.tell("map", (), **drawn)

    def _tell_details(self) -> None:
        """Keep the opened edge up to date; the cluster is asked for policies once, when it is opened."""
        with self._work:
            key, before = self._opened, self._details
            edge = self._map().edge(key) if key else None
            if not key:
                return
            if edge is None:
                self.tell("details", key=key, gone=True)
                return
            flows = self._tally.recent(edge.line)
        if before is None:
            self._send_details(details_of(edge, flows), waiting=True)
            found = details_of(edge, flows, self._inventory())
        elif before.edge == edge:
            return
        else:
            found = details_of(edge, flows)
            found = EdgeDetails(edge, found.flows, before.why, before.policies)
        with self._work:
            if self._opened == key:
                self._details = found
                self._send_details(found)

    def _inventory(self) -> Inventory | None:
        try:
            return self._read(self.follower.find())
        except Exception as error:  # noqa: BLE001 - the flows stand without their explanation
            self.tell("problem", what=f"The policies cannot be read: {str(error).splitlines()[0]}")
            return None

    def _send_details(self, found: EdgeDetails, *, waiting: bool = False) -> None:
        table = found.flows.table()
        self.tell(
            "details",
            key=found.edge.key,
            title=found.title,
            sentence=found.edge.sentence(),
            command=found.command,
            uses=list(map(str, found.edge.uses)),
            header=table.header,
            flows=[list(map(str, row)) for row in table.rows],
            why=list(found.why),
            policies=[list(policy) for policy in found.policies],
            waiting=waiting,
        )


class Several(View):
    """Several edges, one below the other."""

    def __init__(self, found: tuple[EdgeDetails, ...]) -> None:
        self.found = found

    def text(self) -> str:
        """One after the other."""
        return "\n\n".join(details.text() for details in self.found)

    def body(self) -> str:
        """One after the other."""
        return "".join(details.body() for details in self.found)


def _tells(record: Record) -> bool:
    """Could this flow matter to a map? (Parsing the others would be most of the work.)"""
    if record.event_type == _SOCK:
        return False
    return record.event_type != _TRACE or record.is_reply is False


def _legend(found: ServiceMap) -> list[dict[str, str]]:
    legend = []
    for verdict in sorted({edge.line.verdict for edge in found.edges}):
        tone = flow_tone(verdict)
        word = verdict_word(verdict)
        mark = tone.css.replace("cl-", "cl-mark-")
        legend.append({"verdict": verdict.lower(), "icon": tone.icon, "mark": mark, "word": word})
    return legend
