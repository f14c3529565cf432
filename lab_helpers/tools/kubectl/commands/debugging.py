"""``kubectl debug`` of pods: one more container in a running pod (kubectl pkg/cmd/debug)."""

import random
import string
from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.choosing import pod_for
from lab_helpers.tools.kubectl.commands.executing import play
from lab_helpers.tools.kubectl.errors import Finished, KubectlError, UsageFault, not_bundled
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest.clients import STRATEGIC_PATCH, quote

_LEGACY = (
    "--profile=legacy is deprecated and will be removed in the future. It is recommended to explicitly specify a "
    'profile, for example "--profile=general".'
)
_TARGETING = (
    'Targeting container "{}". If you don\'t see processes from this container it may be because the container runtime '
    "doesn't support this feature."
)
_CAPABILITIES = {"general": ["SYS_PTRACE"], "netadmin": ["NET_ADMIN", "NET_RAW"], "sysadmin": []}


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        "debug (POD | TYPE[[.VERSION].GROUP]/NAME) [ -- COMMAND [args...] ]",
        short="Add a debugging container to a pod",
        example="""# A shell beside the program of a pod
kubectl debug -it frontend --image=nicolaka/netshoot:v0.14 --profile=general -- bash""",
        run=run,
    )
    flags = command.flags
    flags.bool("arguments-only", False, "The words after -- are arguments, not the command")
    flags.bool("attach", False, "Show the container's output until it ends")
    flags.string("container", "", "Name of the new container", "c")
    flags.string("copy-to", "", "Refused: copies of pods are not made here")
    flags.array("env", [], "NAME=VALUE for the container")
    flags.string("image", "", "Image of the container")
    flags.string("image-pull-policy", "", "Always, IfNotPresent or Never")
    flags.string("profile", "legacy", "legacy, general, baseline, restricted, netadmin or sysadmin")
    flags.bool("quiet", False, "Only the program's own output", "q")
    flags.bool("stdin", False, "Keep standard input open", "i")
    flags.string("target", "", "Container whose processes are meant")
    flags.bool("tty", False, "Standard input is a terminal", "t")
    return command


def run(invocation: Invocation) -> int:
    """Do it; with -i or --attach until the program ends."""
    session = Session(invocation)
    flags, words = session.flags, session.args
    if not words or flags.dash == 0:
        raise UsageFault(session.path, "NAME or -f is required for debug")
    if flags["copy-to"] or words[0].startswith(("node/", "nodes/", "no/")):
        raise not_bundled("kubectl debug of nodes and of copies of pods", "start a pod of your own with kubectl run")
    if not flags["image"]:
        raise UsageFault(session.path, "you must specify --image when not using --target.")
    pod = pod_for(session, words[0])
    if not flags["quiet"] and flags["profile"] == "legacy":
        session.complain(_LEGACY)
    container = _container(session, pod, words[1:])
    path = f"/api/v1/namespaces/{quote(pod['metadata']['namespace'])}/pods/{quote(pod['metadata']['name'])}"
    body = {"spec": {"ephemeralContainers": [container]}}
    session.client.patch(f"{path}/ephemeralcontainers", body, STRATEGIC_PATCH)
    if flags["stdin"] or flags["attach"]:
        _started(session, path, container["name"])
        return play(session, pod["metadata"]["namespace"], pod["metadata"]["name"], container["name"], [])
    return 0


def _container(session: Session, pod: dict[str, Any], words: list[str]) -> dict[str, Any]:
    flags = session.flags
    name = flags["container"]
    if not name:
        letters = string.ascii_lowercase + string.digits
        name = "debugger-" + "".join(random.choice(letters) for _ in range(5))
        if not flags["quiet"]:
            session.complain(f"Defaulting debug container name to {name}.")
    taken = [item["name"] for group in ("containers", "initContainers", "ephemeralContainers")
             for item in pod["spec"].get(group) or ()]  # fmt: skip
    if name in taken:
        raise KubectlError(f"container {name} already exists in the pod")
    made: dict[str, Any] = {"name": name, "image": flags["image"]}
    if flags["image-pull-policy"]:
        made["imagePullPolicy"] = flags["image-pull-policy"]
    if words:
        made["args" if flags["arguments-only"] else "command"] = words
    if flags["env"]:
        made["env"] = [dict(zip(("name", "value"), part.split("=", 1), strict=False)) for part in flags["env"]]
    if flags["stdin"]:
        made["stdin"] = True
    if flags["tty"]:
        made["tty"] = True
    if flags["target"]:
        made["targetContainerName"] = flags["target"]
        if not flags["quiet"]:
            session.complain(_TARGETING.format(flags["target"]))
    if added := _CAPABILITIES.get(flags["profile"]):
        made["securityContext"] = {"capabilities": {"add": added}}
    if flags["profile"] == "sysadmin":
        made["securityContext"] = {"privileged": True}
    return made


def _started(session: Session, path: str, name: str) -> None:
    """Wait until the container runs or has ended."""
    from lab_helpers.tools.kubectl.following import follow_object

    collection, _, pod_name = path.rpartition("/")
    for pod in follow_object(session.client, collection, pod_name, 60):
        if pod is None:
            raise Finished(1)
        for status in (pod.get("status") or {}).get("ephemeralContainerStatuses") or ():
            if status["name"] == name and status["state"].keys() & {"running", "terminated"}:
                return
    raise KubectlError("timed out waiting for the condition")
