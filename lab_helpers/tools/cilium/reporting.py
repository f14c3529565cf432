"""``cilium status``."""

import time

from lab_helpers.tools.cilium.errors import CiliumError
from lab_helpers.tools.cilium.pages import as_json, page, summary_text
from lab_helpers.tools.cilium.sessions import Session, pause
from lab_helpers.tools.cilium.statuses import Status, collect
from lab_helpers.tools.goflags import Command, Invocation


def build() -> list[Command]:
    """The command."""
    command = Command(
        "status",
        short="Display status",
        long="Display the status of Cilium: agents, operator, Envoy, Hubble Relay, and what they manage.",
        example="cilium status --wait",
        run=_status,
    )
    flags = command.flags
    flags.bool("wait", False, "Wait for status to report success (no errors and warnings)")
    flags.duration("wait-duration", 300_000_000_000, "Maximum time to wait for status")
    flags.bool("ignore-warnings", False, "Ignore warnings when waiting for status to report success")
    flags.bool("interactive", True, "Refresh the status summary output after each retry when --wait flag is specified")
    flags.bool("verbose", False, "Print more verbose error / log messages")
    flags.number("worker-count", 5, "Accepted", hidden=True)
    flags.string("output", "", "Output format. One of: json, summary", "o")
    return [command]


def wait_for_status(session: Session, seconds: float, *, ignore_warnings: bool = False) -> tuple[Status, bool]:
    """The last status seen, and whether it is good; looks again every half second for so long."""
    deadline = time.monotonic() + seconds
    while True:
        status = collect(session)
        good = not status.errors if ignore_warnings else status.complete
        if good or time.monotonic() >= deadline:
            return status, good
        pause(0.5)


def _status(call: Invocation) -> int:
    session = Session(call)
    flags = session.flags
    if flags["output"] not in ("", "json", "summary"):
        raise CiliumError(f'Invalid output format "{flags["output"]}": use json or summary')
    good = True
    if flags["wait"]:
        status, good = wait_for_status(session, flags["wait-duration"] / 1e9, ignore_warnings=flags["ignore-warnings"])
    else:
        status = collect(session)
    if flags["output"] == "json":
        from lab_helpers.tools.kubectl.output.jsontexts import json_text

        text = json_text(as_json(status), 2) + "\n"
    elif flags["output"] == "summary":
        names = (("Cilium", "cilium"), ("Operator", "cilium-operator"), ("Envoy DaemonSet", "cilium-envoy"),
                 ("Hubble Relay", "hubble-relay"), ("ClusterMesh", "clustermesh-apiserver"))  # fmt: skip
        text = "".join(f"{title + ':':<20}{summary_text(status, name, session.coloured)}\n" for title, name in names)
    else:
        text = page(status, colour=session.coloured)
    if not good:
        call.stderr.write(text + "\n")
        raise CiliumError(
            "Unable to determine status:  timeout while waiting for status to become successful: context deadline "
            "exceeded"
        )
    session.out.write(text + ("\n" if not flags["output"] else ""))
    return 0
