"""What can go wrong inside the simulated containers.

::

    ContainersError
    ├── BrokenPipe          nobody reads what a program writes (SIGPIPE)
    ├── Deadline            a wait on the clock ran out
    ├── ProgramExit         a program ends from deep inside, with its exit code
    ├── StartFailure        a container or a command could not be started; carries Kubernetes' reason
    ├── ShellError          the shell's own, in ``shell.errors``
    ├── KafkaError          a Kafka client gives up; it, and what brokers refuse, is in ``kafka``
    ├── HttpProblem         no HTTP comes back, in ``http``; likewise TlsProblem
    └── …                   what only one program meets, in its own module
"""

from __future__ import annotations

__all__ = ["BrokenPipe", "ContainersError", "Deadline", "ProgramExit", "StartFailure"]


class ContainersError(Exception):
    """Root of this package's exceptions."""


class BrokenPipe(ContainersError):
    """The reading end is gone; the writer ends with 141, as by SIGPIPE."""


class Deadline(ContainersError):
    """The clock reached the end of the time allowed."""


class ProgramExit(ContainersError):
    """End the program now with ``code``; ``message`` (if any) goes to standard error first."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class StartFailure(ContainersError):
    """Not started. ``reason`` is what a ``ContainerState`` shows (``ErrImagePull``, ``StartError`` …), ``code`` the
    exit code if one is shown."""

    def __init__(self, reason: str, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.code = code
