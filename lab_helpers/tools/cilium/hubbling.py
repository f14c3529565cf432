"""``cilium hubble``: enable, disable, port-forward, ui."""

import threading

from lab_helpers.tools.cilium.errors import CiliumError
from lab_helpers.tools.cilium.sessions import Session
from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.rest import ApiError
from lab_helpers.tools.rest.forwarding import Forwarder


def build() -> list[Command]:
    """The command and its parts."""
    command = Command(
        "hubble", short="Hubble observability", example="cilium hubble enable --ui\ncilium hubble port-forward"
    )
    enable = Command(
        "enable", short="Enable Hubble observability using Helm", example="cilium hubble enable --ui", run=_enable
    )
    enable.flags.bool("relay", True, "Deploy Hubble Relay")
    enable.flags.bool("ui", False, "Enable Hubble UI")
    disable = Command(
        "disable", short="Disable Hubble observability using Helm", example="cilium hubble disable", run=_disable
    )
    forward = Command(
        "port-forward", short="Forward the relay port to the local machine",
        example="cilium hubble port-forward",
                      run=_port_forward)  # fmt: skip
    forward.flags.number("port-forward", 4245, "Local port to forward to. 0 will select a random port.")
    view = Command("ui", short="Open the Hubble UI", example="cilium hubble ui --open-browser=false", run=_ui)
    view.flags.number("port-forward", 12000, "Local port to use for the port forward. 0 will select a random port.")
    view.flags.bool(
        "open-browser", True, "When --open-browser=false is supplied, cilium Hubble UI will not open the browser"
    )
    command.add(enable, disable, forward, view)
    return [command]


def _enable(call: Invocation) -> int:
    from lab_helpers.tools.cilium.installing import upgrade

    session = Session(call)
    relay, view = session.flags["relay"], session.flags["ui"]
    upgrade(session, {"hubble": {"enabled": True, "relay": {"enabled": relay}, "ui": {"enabled": view}}})
    return 0


def _disable(call: Invocation) -> int:
    from lab_helpers.tools.cilium.installing import upgrade

    off = {"enabled": False, "relay": {"enabled": False}, "ui": {"enabled": False}}
    upgrade(Session(call), {"hubble": off})
    return 0


def open_forward(session: Session, service: str, local: int) -> Forwarder:
    """Forward a local port to the first port of a Service in Cilium's namespace. Raises CiliumError."""
    from lab_helpers.tools.kubectl.choosing import best_pod
    from lab_helpers.tools.kubectl.commands.forwarding import service_port

    try:
        found = session.client.get(f"/api/v1/namespaces/{session.namespace}/services/{service}")
    except ApiError as error:
        raise CiliumError(
            f'Unable to port forward: failed to port forward: failed to get service "{service}": {error}'
        ) from error
    selector = ",".join(f"{key}={value}" for key, value in sorted((found["spec"].get("selector") or {}).items()))
    pods = session.pods(selector)
    if not pods:
        raise CiliumError(f'Unable to port forward: failed to port forward: no pods found for service "{service}"')
    pod = best_pod(pods)
    phase = (pod.get("status") or {}).get("phase")
    if phase != "Running":
        raise CiliumError(f"Unable to port forward: pod {pod['metadata']['name']} is not running: {phase}")
    number = service_port(found, pod, str(found["spec"]["ports"][0]["port"]))
    try:
        return Forwarder(
            session.client,
            session.namespace,
            pod["metadata"]["name"],
            number,
            port=local,
            failed=lambda text: session.err.write(f"error: an error occurred forwarding: {text}\n"),
        )
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CiliumError(
            f"Unable to port forward: listen tcp4 127.0.0.1:{local}: bind: {reason}; choose another with --port-forward"
        ) from error


def _port_forward(call: Invocation) -> int:
    session = Session(call)
    forwarder = open_forward(session, "hubble-relay", session.flags["port-forward"])
    session.say(f"ℹ️  Hubble Relay is available at 127.0.0.1:{forwarder.port}")
    threading.Event().wait()
    return 0


def _ui(call: Invocation) -> int:
    session = Session(call)
    forwarder = open_forward(session, "hubble-ui", session.flags["port-forward"])
    url = f"http://localhost:{forwarder.port}"
    if session.flags["open-browser"]:
        session.say(f'ℹ️  Opening "{url}" in your browser...')
        import webbrowser

        webbrowser.open(url)
    else:
        session.say(f'ℹ️  Hubble UI is available at "{url}"')
    threading.Event().wait()
    return 0
