"""``LiveWidget``: what all widgets over live flows share on the kernel's side. Its page's half is ``frame.js``.

The page and the kernel talk in messages ``{"kind": …}``, some with binary buffers; the widget's state holds only its
module and style, so nothing grows. A page says ``hello`` when it is drawn and ``beat`` from time to time; when nobody
has been heard for a while, nothing is sent until somebody is (a server keeps what is sent to a closed page), and then
everything is told anew. What a handler raises is shown in the widget: elsewhere it would vanish into the log.

Views live while cells run. Messages to the page go out from threads: the follower's, the widget's own (``worker``).
Messages from it are handled in a subshell, a thread of the kernel's (see ``beside_the_cells``), so every handler may
run at any moment, beside a cell and beside itself, and guards what it shares. Where front end or kernel has no
subshells (before ipykernel 7), a page's messages wait until the queued cells have run. What it sees does not: what is
shown is told unasked until a page has spoken.

A widget is a folder: ``widget.py`` (a subclass), ``widget.js`` (an ES module whose ``export default`` uses
``clFrame``), ``widget.css``. Messages of the kind ``what`` are handled by the method ``on_what(content)``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import anywidget

from lab_helpers.views.display import View
from lab_helpers.views.live.following import Batch, Follower
from lab_helpers.views.live.statuses import Status
from lab_helpers.views.live.working import Worker
from lab_helpers.views.showing import alone, bundle
from lab_helpers.views.style import asset, controls

__all__ = ["LiveWidget", "beside_the_cells", "module", "stylesheet"]

_ABSENT: Final = 180.0
"""Seconds without a beat after which nobody looks. Browsers let pages in the background run once a minute."""
_UNASKED: Final = (0.3, 0.7, 2.0, 5.0)
"""Pauses, in seconds, after which a page that was shown and has not spoken is told everything: it may miss the first,
while it still loads.
"""


def module(name: str, *parts: str) -> str:
    """The ES module of the widget in the folder ``name``: the shared frame, other ``parts``, then its own."""
    return "".join(map(asset, ("live/frame.js", *parts, f"{name}/widget.js")))


def stylesheet(name: str) -> str:
    """Its stylesheet: tokens, controls, then its own."""
    return controls() + asset(f"{name}/widget.css")


class LiveWidget(anywidget.AnyWidget):  # type: ignore[misc]  # anywidget has no types here
    """Subclasses set ``_esm`` and ``_css``, and implement ``static``, ``snapshot`` and, if need be, ``on_flows``."""

    _workers: tuple[Worker, ...] = ()

    def __init__(self, follower: Follower, **traits: Any) -> None:
        super().__init__(**traits)
        beside_the_cells(self.comm)
        self.follower = follower
        self._heard = float("-inf")
        self._pages: set[str] = set()
        self._sending = threading.Lock()
        self.on_msg(self._received)
        self._subscription = follower.subscribe(self._flows, self._status)
        if self.comm is not None:
            self.comm.on_close(lambda _message: self._end())

    # --- for subclasses ---------------------------------------------------------------------------------------------

    def static(self) -> View:
        """The text and HTML forms, of what is known now."""
        raise NotImplementedError

    def snapshot(self) -> None:
        """Tell a page everything it needs (it may have nothing yet)."""
        raise NotImplementedError

    def on_flows(self, batch: Batch) -> None:
        """New flows; called from the follower's thread, only while somebody looks."""

    def tell(self, kind: str, buffers: Sequence[bytes] = (), **content: object) -> None:
        """Send a message to the pages that show this widget."""
        with self._sending:
            if self.comm is not None:
                self.send({"kind": kind, **content}, list(buffers) or None)

    def worker(self, work: Callable[[], None], *, pace: float, idle: float = 0.0) -> Worker:
        """A thread of the widget's own (see there) that works unasked only while somebody looks; what ``work`` raises
        is shown in the widget. The widget ends it when it is closed.
        """
        made = Worker(
            type(self).__name__, lambda: self._attempt(work), pace=pace, idle=idle, wanted=lambda: self.watched
        )
        self._workers = (*self._workers, made)
        return made

    @property
    def watched(self) -> bool:
        """Has a page been heard of lately, or shown just now?"""
        return time.monotonic() - self._heard < _ABSENT

    # --- the widget's life ------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop listening and working, and take the widget off its pages."""
        self._end()
        super().close()

    def _end(self) -> None:
        if hasattr(self, "_subscription"):
            self._subscription.end()
        for worker in self._workers:
            worker.end()

    def _repr_mimebundle_(self, **_kwargs: object) -> dict[str, Any]:
        found = bundle(self.static(), self.model_id)
        if alone():
            return found
        self._heard = time.monotonic()
        threading.Thread(target=self._introduce, name="cilium-labs-shown", daemon=True).start()
        return found

    def _introduce(self) -> None:
        for pause in _UNASKED:
            time.sleep(pause)
            if self._pages or self._subscription.ended:
                return
            self._attempt(self._greet)

    def _greet(self) -> None:
        self._heard = time.monotonic()
        self._status(self.follower.status)
        self.snapshot()

    def on_hello(self, content: Mapping[str, Any]) -> None:
        """A page was drawn; it says so again until it is answered, and is answered once."""
        page = str(content.get("page", ""))
        with self._sending:
            known = page in self._pages
            self._pages.add(page)
        self._heard = time.monotonic()
        self.tell("welcome", page=page)
        if not known:
            self._greet()

    def on_beat(self, _content: Mapping[str, Any]) -> None:
        """A page is still there."""
        absent, self._heard = not self.watched, time.monotonic()
        self.tell("beat")
        if absent:
            self._greet()

    def _received(self, _widget: object, content: Mapping[str, Any], _buffers: object) -> None:
        kind = str(content.get("kind", ""))
        name = f"on_{kind}"
        own = any(name in vars(base) for base in type(self).__mro__ if issubclass(base, LiveWidget))
        handler = getattr(self, name) if own and kind != "flows" else None
        if handler is None:
            self.tell("problem", what=f'this widget does not understand "{kind}"')
            return
        self._attempt(lambda: handler(content))

    def _attempt(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - shown to the learner, where else it would be lost
            self.tell("problem", what=f"{type(error).__name__}: {error}")

    def _flows(self, batch: Batch) -> None:
        if self.watched:
            self.on_flows(batch)

    def _status(self, status: Status) -> None:
        if self.watched:
            self.tell("status", (), **status.message())


def beside_the_cells(comm: Any) -> None:
    """Have a page's messages handled where the page sent them: JupyterLab sends those of widgets to a subshell.

    From 7.4 on ipykernel asks the comm instead, and the comm names the loop that last sent something (Comm of
    ``ipykernel.comm.comm``): that of the cells, which may be busy. Nothing public says otherwise, so its answer is
    replaced here. Nobody asks before 7.4; should the question get another name, messages wait for the cells again,
    and the test of Run All in a browser says so.
    """
    if hasattr(comm, _ROUTE):
        setattr(comm, _ROUTE, lambda _message, sent_to: sent_to)


_ROUTE: Final = "_reply_subshell_for"
