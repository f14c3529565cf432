"""What can go wrong with a kind cluster.

::

    ClusterError
    └── KindError
        ├── EngineMissing     no Docker or Podman, or its engine does not answer
        ├── CommandFailed     a program said no; the message quotes it, and says what that usually means
        └── NotOurs           something with our name exists and was not made by us
"""

from __future__ import annotations

from lab_helpers.clusters.errors import ClusterError

__all__ = ["CommandFailed", "EngineMissing", "KindError", "NotOurs"]


class KindError(ClusterError):
    """The kind cluster cannot be made, found or removed."""


class EngineMissing(KindError):
    """No container engine answers."""


class CommandFailed(KindError):
    """A program ended with an error. ``output`` is what it printed."""

    def __init__(self, what: str, *, where: str = "", try_: str = "", output: str = "") -> None:
        super().__init__(what, where=where, try_=try_)
        self.output = output


class NotOurs(KindError):
    """It would have to be somebody else's to be there."""
