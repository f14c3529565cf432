"""What can go wrong around a lab, said so that a learner can act on it.

::

    CourseError
    ├── UnknownLab      no such lab
    ├── UnknownTask     the lab has no such task, prediction or hint
    ├── TaskFileError   a task file cannot be read: file, line, field
    ├── StageError      the cluster could not be brought to the lab's start
    ├── ApiError        the Kubernetes API refused or did not answer
    └── ProbeError      a probe could not be run at all (not: it was denied, which is an outcome)
"""

from __future__ import annotations

from lab_helpers.errors import AdvisedError

__all__ = ["ApiError", "CourseError", "ProbeError", "StageError", "TaskFileError", "UnknownLab", "UnknownTask"]


class CourseError(AdvisedError):
    """Root of what this package raises: ``what`` happened, ``where``, and what to ``try_``."""


class UnknownLab(CourseError):
    """No lab has this name."""


class UnknownTask(CourseError):
    """The lab has no task, prediction or hint of this name."""


class TaskFileError(CourseError):
    """A task file that cannot be read; ``where`` is file:line and the field's path."""


class StageError(CourseError):
    """The cluster did not reach the lab's start; the message says what was waited for."""


class ApiError(CourseError):
    """The Kubernetes API said no. ``status`` is the HTTP status, 0 when there was no answer."""

    def __init__(self, what: str, *, status: int = 0, where: str = "", try_: str = "") -> None:
        super().__init__(what, where=where, try_=try_)
        self.status = status


class ProbeError(CourseError):
    """A probe that could not be run: no such pod, no way into it."""
