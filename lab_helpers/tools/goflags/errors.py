"""What can go wrong on a command line."""


class FlagError(Exception):
    """Root of this package's errors; its text is what the user sees."""


class HelpRequested(FlagError):
    """``--help`` or ``-h`` was given: not a failure, the caller prints the help page."""


class UsageError(FlagError):
    """The command line does not fit the command."""


class ExitError(FlagError):
    """A command failed: `status` is the exit status, an empty text prints nothing."""

    def __init__(self, message: str = "", status: int = 1) -> None:
        super().__init__(message)
        self.status = status
