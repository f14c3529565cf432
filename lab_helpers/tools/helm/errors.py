"""What the bundled helm refuses or fails at."""

from __future__ import annotations

__all__ = ["HelmError", "NotFoundError"]


class HelmError(Exception):
    """Root of this package's errors; the text stands after ``Error: ``."""


class NotFoundError(HelmError):
    """There is no such release (or revision)."""

    def __init__(self, text: str = "release: not found") -> None:
        super().__init__(text)
