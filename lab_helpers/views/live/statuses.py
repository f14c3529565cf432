"""What a live view says about where its flows come from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from lab_helpers.views.display import Tone, Tones, View, badge, cell_text

__all__ = ["CONNECTING", "LIVE", "State", "Status"]


class State(Enum):
    """The value is the word people see."""

    CONNECTING = "connecting"
    LIVE = "live"
    NO_CILIUM = "no Cilium"
    NO_HUBBLE = "no Hubble"
    GONE = "cluster gone"

    @property
    def tone(self) -> Tone:
        """Its mark."""
        if self is State.LIVE:
            return Tones.GOOD.value
        return Tones.PLAIN.value if self is State.CONNECTING else Tones.NOTE.value


@dataclass(frozen=True, slots=True)
class Status(View):
    """``what`` is the case, and what to ``try_`` (commands in backquotes); both empty when all is well."""

    state: State
    what: str = ""
    try_: str = ""

    @property
    def live(self) -> bool:
        """Do flows arrive as they happen?"""
        return self.state is State.LIVE

    def text(self) -> str:
        """One line."""
        line = f"{self.state.tone.icon} {self.state.value}"
        line += f": {self.what}" if self.what else ""
        return line + (f" (try: {self.try_})" if self.try_ else "")

    def body(self) -> str:
        """The same as a paragraph."""
        rest = f" {cell_text(self.what)}" if self.what else ""
        rest += f" Try: {cell_text(self.try_)}" if self.try_ else ""
        return f"<p>{badge(self.state.tone, self.state.value)}{rest}</p>"

    def message(self) -> dict[str, str]:
        """For the page."""
        tone = self.state.tone
        return {
            "state": self.state.name.lower(),
            "icon": tone.icon,
            "mark": tone.css.replace("cl-", "cl-mark-"),
            "word": self.state.value,
            "what": self.what,
            "try": self.try_,
        }


CONNECTING = Status(State.CONNECTING, "asking Hubble Relay")
LIVE = Status(State.LIVE)
