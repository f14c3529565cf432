"""Kubernetes networking with Cilium, learned in notebooks.

A lab needs one name from here: ``from lab_helpers import Lab``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab_helpers.course.sessions import Lab

__all__ = ["Lab"]


def __getattr__(name: str) -> Any:
    """Import the course only when a notebook asks for it: servers and tools start without it."""
    if name == "Lab":
        from lab_helpers.course.sessions import Lab

        return Lab
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
