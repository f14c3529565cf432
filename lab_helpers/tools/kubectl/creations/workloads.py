"""Deployments and Jobs; a command for the container may follow ``--``."""

from collections.abc import Callable
from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.creations.objects import add_create_flags, create_object
from lab_helpers.tools.kubectl.errors import KubectlError, UsageFault
from lab_helpers.tools.kubectl.sessions import Session

__all__ = ["deployment", "job"]

Body = dict[str, Any]


def deployment() -> Command:
    """``create deployment``."""

    def make(session: Session, name: str) -> Body:
        flags = session.flags
        images = flags["image"]
        words = session.flags.dash >= 0 and session.args[session.flags.dash :]
        labels = {"app": name}
        containers: list[Body] = []
        for image in images:
            base = image.rpartition("/")[2].partition("@")[0].partition(":")[0]
            container: Body = {"name": base, "image": image, "resources": {}}
            if words:
                container["command"] = list(words)
            if flags["port"] != -1:
                container["ports"] = [{"containerPort": flags["port"]}]
            containers.append(container)
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "replicas": flags["replicas"],
                "selector": {"matchLabels": labels},
                "strategy": {},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
            },
            "status": {},
        }

    command = Command(
        "deployment NAME --image=image -- [COMMAND] [args...]",
        short="Create a Deployment",
        aliases=("deploy",),
        example="# Two replicas\nkubectl create deployment web --image=nginx --replicas=2",
        run=lambda invocation: _run_with_command(invocation, make),
    )
    command.flags.strings("image", [], "Image of the container, repeatable")
    command.flags.number("port", -1, "Port the container listens on", kind="int32")
    command.flags.number("replicas", 1, "How many pods", "r", kind="int32")
    add_create_flags(command.flags)
    return command


def _run_with_command(invocation: Invocation, make: Callable[[Session, str], Body]) -> int:
    """Creations whose command line ends in ``-- COMMAND``."""
    session = Session(invocation)
    if invocation.command.name == "deployment" and not session.flags["image"]:
        raise KubectlError('required flag(s) "image" not set')
    names = session.args if session.flags.dash < 0 else session.args[: session.flags.dash]
    if len(names) != 1:
        raise UsageFault(session.path, f"exactly one NAME is required, got {len(names)}")
    create_object(session, make(session, names[0]))
    return 0


def job() -> Command:
    """``create job``."""

    def make(session: Session, name: str) -> Body:
        if not session.flags["image"]:
            raise KubectlError("either --image or --from must be specified")
        container: Body = {"name": name, "image": session.flags["image"], "resources": {}}
        if session.flags.dash >= 0:
            container["command"] = session.args[session.flags.dash :]
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name},
            "spec": {
                "template": {"metadata": {}, "spec": {"containers": [container], "restartPolicy": "Never"}},
            },
            "status": {},
        }

    command = Command(
        "job NAME --image=image -- [COMMAND] [args...]",
        short="Create a Job",
        example="# One command\nkubectl create job once --image=busybox -- date",
        run=lambda invocation: _run_with_command(invocation, make),
    )
    command.flags.string("image", "", "Image of the container")
    command.flags.string("from", "", "Refused: CronJobs are not bundled", hidden=True)
    add_create_flags(command.flags)
    return command
