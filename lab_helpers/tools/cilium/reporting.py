"""``cilium status``."""

import time
from collections.abc import Callable

from lab_helpers.tools.cilium.errors import CiliumError
from lab_helpers.tools.cilium.pages import as_json, page
from lab_helpers.tools.cilium.sessions import Session, pause
from lab_helpers.tools.cilium.statuses import Status, collect
from lab_helpers.tools.goflags import Command, Invocation


def build() -> list[Command]:
    """The command."""
    command = Command(
        "status",
        short="Display status",
        long="Display the status of Cilium: agents, operator, Envoy, Hubble Relay, and what they manage.",
        example="""# What it looks like now, for people and for programs
cilium status
cilium status -o json

# Wait up to two minutes until everything is well
cilium status --wait --wait-duration 2m""",
        run=_status,
    )
    flags = command.flags
    flags.bool("wait", False, "Wait for status to report success (no errors and warnings)")
    flags.duration("wait-duration", 300_000_000_000, "Maximum time to wait for status")
    flags.bool("ignore-warnings", False, "Ignore warnings when waiting for status to report success")
    flags.bool("interactive", True, "Refresh the status summary output after each retry when --wait flag is specified")
    flags.bool("verbose", False, "Print more verbose error / log messages")
    flags.number("worker-count", 5, "The number of workers to use")
    flags.bool("no-color", False, "Accepted; colours are for terminals", hidden=True)
    flags.string("output", "summary", "Output format. One of: json, summary", "o")
    return [command]


def wait_for_status(
    session: Session, seconds: float, *, ignore_warnings: bool = False, show: Callable[[Status], object] | None = None
) -> tuple[Status, bool]:
    """The last status seen, and whether it is good; looks again every half second for so long. `show` gets each."""
    deadline = time.monotonic() + seconds
    while True:
        status = collect(session)
        if show:
            show(status)
        good = not status.errors if ignore_warnings else status.complete
        if good or time.monotonic() >= deadline:
            return status, good
        pause(0.5)


class Screen:
    """The page, drawn again over the one before."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lines = 0

    def __call__(self, status: Status) -> None:
        """Draw it."""
        self.clear()
        text = page(status, colour=True)
        self._session.out.write(text)
        self._session.out.flush()
        self._lines = text.count("\n")

    def clear(self) -> None:
        """Remove what was drawn."""
        if self._lines:
            self._session.out.write(f"\033[{self._lines}A\033[J")
        self._lines = 0


def _status(call: Invocation) -> int:
    session = Session(call)
    flags = session.flags
    good = True
    if flags["wait"]:
        live = flags["interactive"] and session.coloured and flags["output"] == "summary"
        screen = Screen(session) if live else None
        status, good = wait_for_status(
            session, flags["wait-duration"] / 1e9, ignore_warnings=flags["ignore-warnings"], show=screen
        )
        if screen:
            screen.clear()
    else:
        status = collect(session)
    if flags["output"] == "json":
        import json

        text = json.dumps(as_json(status), indent=1, ensure_ascii=False) + "\n"
    else:
        text = page(status, colour=session.coloured)
    if not good:
        call.stderr.write(text + "\n")
        raise CiliumError(
            "Unable to determine status:  timeout while waiting for status to become successful: context deadline "
            "exceeded"
        )
    session.out.write(text)
    if status.missing:
        raise CiliumError(f"status check failed: [{', '.join(one.text for one in status.missing)}]")
    return 0
