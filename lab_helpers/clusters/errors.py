"""What can go wrong with a cluster, said so that a person can act on it.

::

    ClusterError
    ├── NotRunning       nothing to connect to
    ├── AlreadyRunning   a second ``up``
    ├── StartFailed      the cluster did not come up
    ├── Unsupported      this backend cannot do that
    └── NotExecuted      a command in a pod could not be run, or did not end in time
"""

from __future__ import annotations

from lab_helpers.errors import AdvisedError

__all__ = ["AlreadyRunning", "ClusterError", "NotExecuted", "NotRunning", "StartFailed", "Unsupported"]


class ClusterError(AdvisedError):
    """Root of what this package raises: ``what`` happened, ``where``, and what to ``try_``."""


class NotRunning(ClusterError):
    """Nothing to connect to."""


class AlreadyRunning(ClusterError):
    """A cluster runs already; the message says which."""


class StartFailed(ClusterError):
    """It did not come up; the message quotes the end of its log."""


class Unsupported(ClusterError):
    """This backend cannot do that."""


class NotExecuted(ClusterError):
    """A command in a pod that could not be run, or did not end in time. ``status``: HTTP's of a refusal, else 0."""

    def __init__(self, what: str, *, status: int = 0, where: str = "", try_: str = "") -> None:
        super().__init__(what, where=where, try_=try_)
        self.status = status
