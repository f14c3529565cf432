"""What the bundled kubectl refuses by itself.

::

    KubectlError             printed as ``error: …``, status 1
    ├── UsageFault           also points to ``kubectl <command> -h``
    ├── PlainError           printed as it is, without ``error: ``
    └── Finished             ends the command with a status, nothing printed
"""


class KubectlError(Exception):
    """Root of this package's errors."""

    status = 1

    @property
    def line(self) -> str:
        """What is written to standard error."""
        text = str(self)
        return text if text.startswith("error: ") else f"error: {text}"


class UsageFault(KubectlError):
    """The words do not fit the command; `path` is the command, as typed."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{message}\nSee '{path} -h' for help and examples")


class PlainError(KubectlError):
    """Printed as it is."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status

    @property
    def line(self) -> str:
        """The message."""
        return str(self)


class Finished(KubectlError):
    """The command is over with this status; what there was to say has been said."""

    def __init__(self, status: int) -> None:
        super().__init__("")
        self.status = status

    @property
    def line(self) -> str:
        """Nothing."""
        return ""


def not_bundled(what: str, instead: str) -> KubectlError:
    """The refusal of something only the real kubectl has."""
    return KubectlError(
        f"{what} is not part of the bundled kubectl; {instead}, or use the real one (CILIUM_LABS_TOOLS=system)"
    )
