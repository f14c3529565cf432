"""``kubectl attach`` (kubectl pkg/cmd/attach)."""

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.choosing import default_container, pod_for
from lab_helpers.tools.kubectl.commands.executing import play
from lab_helpers.tools.kubectl.errors import KubectlError, UsageFault
from lab_helpers.tools.kubectl.sessions import Session


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        "attach (POD | TYPE/NAME) -c CONTAINER",
        short="Join the program of a running container",
        example="""# What a container prints from now on
kubectl attach frontend

# The shell that a pod was started with
kubectl attach -it box""",
        run=run,
    )
    flags = command.flags
    flags.string("container", "", "Container of the pod", "c")
    flags.duration("pod-running-timeout", 60_000_000_000, "Accepted")
    flags.bool("quiet", False, "Only the program's own output", "q")
    flags.bool("stdin", False, "Pass standard input on", "i")
    flags.bool("tty", False, "Standard input is a terminal", "t")
    return command


def run(invocation: Invocation) -> int:
    """Do it, until the program ends."""
    session = Session(invocation)
    if not session.args:
        raise UsageFault(session.path, "at least 1 argument is required for attach")
    if len(session.args) > 1:
        raise UsageFault(
            session.path,
            "expected POD, TYPE/NAME, or TYPE NAME, (at most 2 arguments) saw "
            f"{len(session.args)}: [{' '.join(session.args)}]",
        )
    pod = pod_for(session, session.args[0])
    metadata, phase = pod["metadata"], (pod.get("status") or {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise KubectlError(f"cannot attach a container in a completed pod; current phase is {phase}")
    container = session.flags["container"] or default_container(session, pod, quiet=session.flags["quiet"])
    terminal = any(item.get("tty") for item in pod["spec"]["containers"] if item["name"] == container)
    if session.flags["tty"] and not terminal:
        session.complain(f"error: Unable to use a TTY - container {container} did not allocate one")
    return play(session, metadata["namespace"], metadata["name"], container, [], terminal=terminal)
