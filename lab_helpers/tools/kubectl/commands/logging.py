"""``kubectl logs`` (kubectl pkg/cmd/logs)."""

import sys
import threading
from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.choosing import best_pod, default_container, named, pods_of
from lab_helpers.tools.kubectl.errors import KubectlError, UsageFault
from lab_helpers.tools.kubectl.selecting import items_of
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest import ApiError, RestError, kubectl_text
from lab_helpers.tools.rest.clients import quote

_EXPECTED = (
    "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\n"
    "POD or TYPE/NAME is a required argument for the logs command"
)
_LOCK = threading.Lock()


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        "logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]",
        short="Print what containers wrote",
        aliases=("log",),
        example="""# What a pod wrote
kubectl logs backend -n shop

# The last lines of a DaemonSet's pod, and what comes
kubectl logs -n kube-system ds/cilium -c cilium-agent --tail=20 -f

# Of every pod with a label, each line with its origin
kubectl logs -l app=backend -n shop --prefix --all-containers""",
        run=run,
    )
    flags = command.flags
    flags.bool("all-containers", False, "Of every container")
    flags.bool("all-pods", False, "Of every pod the object selects")
    flags.string("container", "", "Container of the pod", "c")
    flags.bool("follow", False, "Go on printing", "f")
    flags.bool("ignore-errors", False, "Go on when one of several streams fails")
    flags.number("limit-bytes", 0, "At most so many bytes", kind="int64")
    flags.number("max-log-requests", 5, "How many streams --follow may open")
    flags.duration("pod-running-timeout", 20_000_000_000, "Accepted")
    flags.bool("prefix", False, "Put pod and container before each line")
    flags.bool("previous", False, "Of the container's previous run", "p")
    flags.string("selector", "", "Of the pods whose labels match", "l")
    flags.duration("since", 0, "Only what is newer than 5s, 2m, 3h")
    flags.string("since-time", "", "Only what is newer than an RFC 3339 time")
    flags.number("tail", -1, "Only so many last lines; -1: all (10 with a selector)", kind="int64")
    flags.bool("timestamps", False, "Put the time before each line")
    return command


def _query(session: Session, container: str) -> dict[str, Any]:
    flags = session.flags
    tail = flags["tail"]
    if flags["selector"] and not flags.changed("tail"):
        tail = 10
    if tail < -1:
        raise KubectlError("--tail must be greater than or equal to -1")
    if flags["since"] and flags["since-time"]:
        raise KubectlError("at most one of `sinceTime` or `sinceSeconds` may be specified")
    if flags["since"] < 0:
        raise KubectlError("--since must be greater than 0")
    return {
        "container": container,
        "follow": flags["follow"] or None,
        "previous": flags["previous"] or None,
        "timestamps": flags["timestamps"] or None,
        "sinceSeconds": max(1, -(-flags["since"] // 1_000_000_000)) if flags["since"] else None,
        "sinceTime": flags["since-time"],
        "tailLines": tail if tail >= 0 else None,
        "limitBytes": flags["limit-bytes"] or None,
    }


def _pods(session: Session) -> list[dict[str, Any]]:
    flags, words = session.flags, session.args
    if flags["selector"]:
        if words:
            raise UsageFault(session.path, "only a selector (-l) or a POD name is allowed")
        pods = session.catalogue.find("pods")
        listing = session.client.list_all(pods.path(session.namespace), {"labelSelector": flags["selector"]})
        return items_of(listing, pods)
    if not words:
        raise UsageFault(session.path, _EXPECTED)
    word, *rest = words
    if "/" not in word and len(words) == 2 and _is_type(session, word):
        word, rest = f"{words[0]}/{words[1]}", []
    if len(rest) > 1:
        raise UsageFault(session.path, _EXPECTED)
    if rest:
        if flags["container"]:
            raise UsageFault(session.path, "only one of -c or an inline [CONTAINER] arg is allowed")
        flags.get("container").value.value = rest[0]  # type: ignore[union-attr]
    try:
        resource, body = named(session, word)
    except ApiError as error:
        if error.reason != "NotFound":
            raise
        raise KubectlError(f'error from server (NotFound): {error} in namespace "{session.namespace}"') from error
    pods_found = pods_of(session, resource, body)
    if not pods_found:
        raise KubectlError("timed out waiting for the condition")
    if flags["all-pods"] or len(pods_found) == 1:
        return pods_found
    chosen = best_pod(pods_found, logs=True)
    session.complain(f"Found {len(pods_found)} pods, using pod/{chosen['metadata']['name']}")
    return [chosen]


def _is_type(session: Session, word: str) -> bool:
    try:
        session.catalogue.find(word)
    except RestError:
        return False
    return True


def _containers(session: Session, pod: dict[str, Any]) -> list[str]:
    spec = pod["spec"]
    every = [
        item["name"] for key in ("initContainers", "containers", "ephemeralContainers") for item in spec.get(key) or []
    ]
    if session.flags["all-containers"]:
        return every
    wanted = session.flags["container"]
    if not wanted:
        return [default_container(session, pod)]
    if wanted not in every:
        raise KubectlError(f"container {wanted} is not valid for pod {pod['metadata']['name']}")
    return [wanted]


def run(invocation: Invocation) -> int:
    """Do it."""
    session = Session(invocation)
    flags = session.flags
    if flags["all-containers"] and flags["container"]:
        raise KubectlError("--all-containers=true should not be specified with container name " + flags["container"])
    pods = _pods(session)
    if not pods:
        session.complain(f"No resources found in {session.namespace} namespace.")
        return 0
    streams = [(pod, container) for pod in pods for container in _containers(session, pod)]
    if flags["follow"] and len(streams) > 1:
        if len(streams) > flags["max-log-requests"]:
            raise KubectlError(
                f"you are attempting to follow {len(streams)} log streams, but maximum allowed concurrency is "
                f"{flags['max-log-requests']}, use --max-log-requests to increase the limit"
            )
        return _together(session, streams)
    for pod, container in streams:
        try:
            _print(session, pod, container, _query(session, container))
        except ApiError as error:
            if not flags["ignore-errors"]:
                raise
            session.complain(kubectl_text(error))
    return 0


def _print(session: Session, pod: dict[str, Any], container: str, query: dict[str, Any]) -> None:
    meta = pod["metadata"]
    path = f"/api/v1/namespaces/{quote(meta['namespace'])}/pods/{quote(meta['name'])}/log"
    out = sys.stdout.buffer
    session.out.flush()
    response = session.client.stream(path, query)
    try:
        if not (session.flags["prefix"] or session.flags["all-pods"]):
            for chunk in response.chunks():
                out.write(chunk)
                out.flush()
            return
        prefix = f"[pod/{meta['name']}/{container}] ".encode()
        for line in response.lines():
            with _LOCK:
                out.write(prefix + line + b"\n")
                out.flush()
    except EOFError:
        return
    finally:
        response.close()


def _together(session: Session, streams: list[tuple[dict[str, Any], str]]) -> int:
    """Follow several streams; the first error ends all unless --ignore-errors."""
    errors: list[RestError] = []

    def follow(pod: dict[str, Any], container: str) -> None:
        try:
            _print(session, pod, container, _query(session, container))
        except RestError as error:
            errors.append(error)

    threads = [threading.Thread(target=follow, args=stream, daemon=True) for stream in streams]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for thread in threads:
            thread.join(0.2)
        if errors and not session.flags["ignore-errors"]:
            raise errors[0]
    for error in errors:
        session.complain(kubectl_text(error))
    return 0
