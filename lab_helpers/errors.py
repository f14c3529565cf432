"""What errors have in common that people read: what happened, where, and what to try.

``clusters`` and ``course`` each have a root of their own that is one.
"""

from __future__ import annotations

__all__ = ["AdvisedError"]


class AdvisedError(Exception):
    """``what`` happened, ``where``, and what to ``try_``; ``str()`` is all three, a line each."""

    def __init__(self, what: str, *, where: str = "", try_: str = "") -> None:
        self.what = what
        self.where = where
        self.try_ = try_
        parts = [what, f"where: {where}" if where else "", f"try:   {try_}" if try_ else ""]
        super().__init__("\n".join(part for part in parts if part))

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows instead of a traceback: the message is for whoever sits there."""
        return [f"✖ {self}"]
