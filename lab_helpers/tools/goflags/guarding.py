"""Errors of a tool end it with one line and status 1, whichever of its commands raised them."""

from collections.abc import Callable

from lab_helpers.tools.goflags.commands import Command, Invocation
from lab_helpers.tools.goflags.errors import ExitError

__all__ = ["guard"]


def guard(command: Command, ours: Callable[[Exception], bool], shown: Callable[[Exception], str] = str) -> None:
    """Let `command` and all below it end with ExitError for the errors that are `ours`, as `shown`; others pass."""
    for child in command.commands:
        guard(child, ours, shown)
    if command.run is not None:
        command.run = _guarded(command.run, ours, shown)


def _guarded(
    run: Callable[[Invocation], int | None], ours: Callable[[Exception], bool], shown: Callable[[Exception], str]
) -> Callable[[Invocation], int | None]:
    def guarded(call: Invocation) -> int | None:
        try:
            return run(call)
        except Exception as error:
            if not ours(error):
                raise
            call.stdout.flush()
            raise ExitError(shown(error)) from error

    return guarded
