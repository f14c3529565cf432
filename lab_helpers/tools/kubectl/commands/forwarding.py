"""``kubectl port-forward`` (kubectl pkg/cmd/portforward)."""

import threading
from typing import Any

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.choosing import best_pod, named, pods_of
from lab_helpers.tools.kubectl.errors import KubectlError, UsageFault
from lab_helpers.tools.kubectl.sessions import Session
from lab_helpers.tools.rest.forwarding import Forwarder


def build(_name: str) -> Command:
    """The command."""
    command = Command(
        "port-forward TYPE/NAME [options] [LOCAL_PORT:]REMOTE_PORT [...[LOCAL_PORT_N:]REMOTE_PORT_N]",
        short="Forward local ports into a pod",
        example="""# A Service's port, on any free local port
kubectl port-forward -n kube-system svc/hubble-relay 4245:80

# A pod's port
kubectl port-forward backend 8080 -n shop""",
        run=run,
    )
    command.flags.strings("address", ["localhost"], "Local addresses to listen on")
    command.flags.duration("pod-running-timeout", 60_000_000_000, "Accepted")
    return command


def _number(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise KubectlError(f"error parsing local port '{text}': strconv.ParseUint: parsing \"{text}\": invalid syntax")
    return int(text)


def _split(word: str) -> tuple[str, str]:
    """Local ("" for any free one) and remote port."""
    parts = word.split(":")
    if len(parts) == 1:
        return parts[0], parts[0]
    if len(parts) > 2:
        raise KubectlError(f"invalid port format '{word}'")
    return parts[0] or "0", parts[1]


def container_port(pod: dict[str, Any], name: str) -> int:
    """The number of a named container port (0: there is none)."""
    for container in pod["spec"].get("containers") or []:
        for port in container.get("ports") or []:
            if port.get("name") == name:
                return int(port["containerPort"])
    return 0


def service_port(service: dict[str, Any], pod: dict[str, Any], word: str) -> int:
    """The pod's port behind a Service's port, which is given by number or name."""
    spec, name = service["spec"], service["metadata"]["name"]
    for port in spec.get("ports") or []:
        if str(port["port"]) == word or port.get("name") == word:
            if spec.get("clusterIP") == "None" and str(port["port"]) == word:
                return int(port["port"])
            target = port.get("targetPort") or port["port"]
            if isinstance(target, int):
                return target
            found = container_port(pod, str(target))
            if not found:
                raise KubectlError(f"Pod '{pod['metadata']['name']}' does not have a named port '{target}'")
            return found
    if word.isdigit():
        raise KubectlError(f"Service {name} does not have a service port {word}")
    raise KubectlError(f"Service '{name}' does not have a named port '{word}'")


def run(invocation: Invocation) -> int:
    """Do it, until Ctrl-C or until the pod is lost."""
    session = Session(invocation)
    if len(session.args) < 2:
        raise UsageFault(session.path, "TYPE/NAME and list of ports are required for port-forward")
    word, *ports = session.args
    resource, body = named(session, word)
    pods = pods_of(session, resource, body)
    if not pods:
        raise KubectlError("timed out waiting for the condition")
    pod = best_pod(pods)
    phase = (pod.get("status") or {}).get("phase")
    if phase != "Running":
        raise KubectlError(f"unable to forward port because pod is not running. Current status={phase}")
    wanted = []
    for text in ports:
        local, remote = _split(text)
        if resource.kind == "Service":
            number = service_port(body, pod, remote)
        else:
            number = int(remote) if remote.isdigit() else container_port(pod, remote)
            if not number:
                raise KubectlError(f"Pod '{pod['metadata']['name']}' does not have a named port '{remote}'")
        default = remote if remote.isdigit() else str(number)
        wanted.append((_number(default if local == remote else local), number))
    forwarders = _listen(session, pod["metadata"], wanted)
    session.out.flush()
    try:
        threading.Event().wait()
    finally:
        for forwarder in forwarders:
            forwarder.close()
    return 0


def _addresses(session: Session) -> list[str]:
    out = []
    for address in session.flags["address"]:
        out += ["127.0.0.1", "::1"] if address == "localhost" else [address]
    return list(dict.fromkeys(out))


def _listen(session: Session, pod: dict[str, Any], wanted: list[tuple[int, int]]) -> list[Forwarder]:
    lock = threading.Lock()

    def opened(port: int) -> None:
        with lock:
            session.say(f"Handling connection for {port}")
            session.out.flush()

    def failed(text: str) -> None:
        with lock:
            session.complain(f"error: an error occurred forwarding: {text}")

    forwarders: list[Forwarder] = []
    for local, remote in wanted:
        port, before, problems = local, len(forwarders), []
        for host in _addresses(session):
            try:
                forwarder = Forwarder(
                    session.client,
                    pod["namespace"],
                    pod["name"],
                    remote,
                    port=port,
                    host=host,
                    opened=opened,
                    failed=failed,
                )
            except OSError as error:
                shown = f"[{host}]" if ":" in host else host
                problems.append(
                    f"unable to create listener: Error listen tcp{6 if ':' in host else 4} {shown}:{port}: bind: "
                    f"{(error.strerror or str(error)).lower()}"
                )
                continue
            port = forwarder.port
            forwarders.append(forwarder)
            shown = f"[{host}]" if ":" in host else host
            session.say(f"Forwarding from {shown}:{port} -> {remote}")
        if len(forwarders) == before:
            for problem in problems:
                session.complain(
                    f"Unable to listen on port {local}: Listeners failed to create with the following errors: "
                    f"[{problem}]"
                )
            raise KubectlError(f"unable to listen on any of the requested ports: [{{{local} {remote}}}]")
    return forwarders
