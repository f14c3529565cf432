"""``cilium version``."""

from lab_helpers.tools.cilium.sessions import Session
from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.rest.errors import RestError

CLI_VERSION = "v0.19.7"


def default_version() -> str:
    """The Cilium that is installed when none is asked for."""
    from lab_helpers.tools.charts.cilium import offered_version

    return offered_version().text


def build() -> list[Command]:
    """The command."""
    command = Command("version", short="Display detailed version information", example="cilium version", run=_version)
    command.flags.bool(
        "client",
        False,
        "Just shows the cilium-cli version and default and latest cilium images, do not attempt to connect to cluster",
    )
    command.flags.string("chart-directory", "", "Refused: charts are not read from folders", hidden=True)
    return [command]


def image_version(image: str) -> str:
    """``1.20.2`` of ``quay.io/cilium/cilium:v1.20.2@sha256:…``; "" without a tag."""
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    return tag.removeprefix("v")


def running_version(session: Session) -> str:
    """The agent image's version, "" when Cilium is not installed."""
    found = session.workload("daemonsets", "cilium")
    if found is None:
        return ""
    for container in found["spec"]["template"]["spec"]["containers"]:
        if container["name"] == "cilium-agent":
            return image_version(container["image"]) or str(container["image"])
    return ""


def _version(call: Invocation) -> int:
    from lab_helpers.tools.charts.cilium import DEFAULT

    session = Session(call)
    version = default_version()
    session.say(f"cilium-cli: {CLI_VERSION} (bundled with cilium-labs)")
    session.say(f"cilium image (default): v{version}")
    session.say(f"cilium image (stable): v{DEFAULT.text}")
    if session.flags["client"]:
        return 0
    try:
        running = (
            running_version(session)
            or 'unknown. Unable to obtain cilium version. Reason: daemonsets.apps "cilium" not found'
        )
    except RestError as error:
        running = f"unknown. Unable to obtain cilium version. Reason: {error}"
    session.say(f"cilium image (running): {running}")
    return 0
