"""``LiveWidget``: what all widgets over live flows share on the kernel's side. Its page's half is ``frame.js``.

The page and the kernel talk in messages ``{"kind": …}``, some with binary buffers; the widget's state holds only its
module and style, so nothing grows. A page says ``hello`` when it is drawn and ``beat`` from time to time; when nobody
has been heard for a while, nothing is sent until somebody is (a server keeps what is sent to a closed page), and then
``resume`` brings the page up to date. Messages go out from the follower's thread, so flows arrive while a cell runs.
What a handler raises is shown in the widget: elsewhere it would vanish into the log.

A widget is a folder: ``widget.py`` (a subclass), ``widget.js`` (an ES module whose ``export default`` uses
``clFrame``), ``widget.css``. Messages of the kind ``what`` are handled by the method ``on_what(content)``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import anywidget

from lab_helpers.views.display import View
from lab_helpers.views.live.following import Batch, Follower
from lab_helpers.views.live.statuses import Status
from lab_helpers.views.showing import bundle
from lab_helpers.views.style import asset, controls

__all__ = ["LiveWidget", "module", "stylesheet"]

_ABSENT: Final = 180.0
"""Seconds without a beat after which nobody looks. Browsers let pages in the background run once a minute."""


def module(name: str, *parts: str) -> str:
    """The ES module of the widget in the folder ``name``: the shared frame, other ``parts``, then its own."""
    return "".join(map(asset, ("live/frame.js", *parts, f"{name}/widget.js")))


def stylesheet(name: str) -> str:
    """Its stylesheet: tokens, controls, then its own."""
    return controls() + asset(f"{name}/widget.css")


class LiveWidget(anywidget.AnyWidget):  # type: ignore[misc]  # anywidget has no types here
    """Subclasses set ``_esm`` and ``_css``, and implement ``static``, ``snapshot`` and, if need be, ``on_flows``."""

    anytime = False
    """Handlers may run while a cell does, in a thread of the kernel's (where the kernel has subshells)."""

    def __init__(self, follower: Follower, **traits: Any) -> None:
        super().__init__(**traits)
        self._unbind()
        self.follower = follower
        self._heard = float("-inf")
        self._sending = threading.Lock()
        self.on_msg(self._received)
        self._subscription = follower.subscribe(self._flows, self._status)
        if self.comm is not None:
            self.comm.on_close(lambda _message: self._subscription.end())

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
                self._unbind()

    @property
    def watched(self) -> bool:
        """Has a page been heard of lately?"""
        return time.monotonic() - self._heard < _ABSENT

    # --- the widget's life ------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop listening and take the widget off its pages."""
        if hasattr(self, "_subscription"):
            self._subscription.end()
        super().close()

    def _repr_mimebundle_(self, **_kwargs: object) -> dict[str, Any]:
        return bundle(self.static(), self.model_id)

    def on_hello(self, _content: Mapping[str, Any]) -> None:
        """A page was drawn."""
        self._heard = time.monotonic()
        self._status(self.follower.status)
        self.snapshot()

    def on_beat(self, content: Mapping[str, Any]) -> None:
        """A page is still there."""
        absent, self._heard = not self.watched, time.monotonic()
        self.tell("beat")
        if absent:
            self.on_hello(content)

    def _unbind(self) -> None:
        """ipykernel hands a page's messages to the loop that last sent something: that of the cells, which may be busy.
        Without its note they go where the page sent them.
        """
        if self.anytime:
            getattr(self.comm, "__dict__", {}).pop("_reply_subshell_id", None)

    def _received(self, _widget: object, content: Mapping[str, Any], _buffers: object) -> None:
        kind = str(content.get("kind", ""))
        name = f"on_{kind}"
        own = any(name in vars(base) for base in type(self).__mro__ if issubclass(base, LiveWidget))
        handler = getattr(self, name) if own and kind != "flows" else None
        if handler is None:
            self.tell("problem", what=f'this widget does not understand "{kind}"')
            return
        try:
            handler(content)
        except Exception as error:  # noqa: BLE001 - shown to the learner, where else it would be lost
            self.tell("problem", what=f"{type(error).__name__}: {error}")

    def _flows(self, batch: Batch) -> None:
        if self.watched:
            self.on_flows(batch)

    def _status(self, status: Status) -> None:
        if self.watched:
            self.tell("status", (), **status.message())
