"""How an attempt to connect ended, in words a learner can predict.

A probe sees only its own end of the connection, so these are the things that can happen to it; which rule decided,
the flows tell.
"""

from __future__ import annotations

from enum import Enum

from lab_helpers.views.display import Tone, Tones

__all__ = ["Outcome", "flow_tone"]


class Outcome(Enum):
    """What the caller experienced. The value is what predictions and task files write."""

    ANSWERED = "answered"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    FORBIDDEN = "forbidden"
    NOT_AUTHORIZED = "not-authorized"
    NO_NAME = "no-name"
    FAILED = "failed"
    NOT_RUN = "not-run"

    @property
    def words(self) -> str:
        """A few words for people."""
        return _WORDS[self]

    @property
    def tone(self) -> Tone:
        """Its mark."""
        return _TONES[self]


_WORDS = {
    Outcome.ANSWERED: "answered",
    Outcome.TIMEOUT: "no answer: silence until the timeout",
    Outcome.REFUSED: "connection refused at once",
    Outcome.FORBIDDEN: "403 from the proxy",
    Outcome.NOT_AUTHORIZED: "an error as answer: not authorized",
    Outcome.NO_NAME: "the name did not resolve",
    Outcome.FAILED: "the command failed",
    Outcome.NOT_RUN: "could not be tried",
}
_TONES = {
    Outcome.ANSWERED: Tones.GOOD.value,
    Outcome.TIMEOUT: Tones.BAD.value,
    Outcome.REFUSED: Tone("⊘", "cl-bad"),
    Outcome.FORBIDDEN: Tone("⊗", "cl-bad"),
    Outcome.NOT_AUTHORIZED: Tone("⊗", "cl-bad"),
    Outcome.NO_NAME: Tone("?", "cl-note"),
    Outcome.FAILED: Tones.NOTE.value,
    Outcome.NOT_RUN: Tones.PLAIN.value,
}
_FLOW_TONES = {
    "FORWARDED": Tones.GOOD.value,
    "REDIRECTED": Tone("↪", "cl-good"),
    "DROPPED": Tones.BAD.value,
    "ERROR": Tones.BAD.value,
    "AUDIT": Tones.NOTE.value,
}


def flow_tone(verdict: str) -> Tone:
    """The mark of a Hubble verdict (``FORWARDED``, ``DROPPED`` …)."""
    return _FLOW_TONES.get(verdict, Tones.PLAIN.value)
