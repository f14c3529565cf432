"""Hubble Relay of a real cluster at a local address, for as long as the cluster is in use.

Relay has no address outside a cluster. A small process listens on loopback, and carries each connection to a ready
Relay pod through the API server's ``portforward`` (WebSocket, by the official client), looking for the pod anew each
time: so it may be started before Cilium is, and it survives Relay's restarts. ``HUBBLE_SERVER`` in notebooks and
terminals points at it.

    ensure(home, kubeconfig, context)   the address; starts the process unless it lives
    stop(home)                          ends it
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lab_helpers.clusters.errors import StartFailed
from lab_helpers.clusters.homes import Home, read_json, write_json
from lab_helpers.twin.locking import HomeInUseError, held, hold

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

__all__ = ["address_of", "ensure", "main", "stop"]

RELAY_LABEL: Final = "k8s-app=hubble-relay"
RELAY_NAMESPACE: Final = "kube-system"
RELAY_PORT: Final = 4245
_CHUNK: Final = 64 * 1024


def folder_of(home: Home) -> Path:
    """Where the process keeps its lock, its facts and its log."""
    return home.path / "relay"


def address_of(home: Home) -> str:
    """The address of the living process; "" when there is none."""
    folder = folder_of(home)
    facts = read_json(folder / "relay.json")
    return str(facts["address"]) if facts and held(folder) else ""


def ensure(home: Home, kubeconfig: Path, context: str, *, timeout: float = 20.0) -> str:
    """The local address of Relay, from now on. Raises StartFailed."""
    folder = folder_of(home)
    facts = read_json(folder / "relay.json")
    wanted = {"kubeconfig": str(kubeconfig), "context": context}
    if facts and held(folder):
        if {key: facts.get(key) for key in wanted} == wanted:
            return str(facts["address"])
        stop(home)
    log = folder / "relay.log"
    command = [sys.executable, "-m", "lab_helpers.clusters.forwarding", str(folder), str(kubeconfig), context]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "relay.json").unlink(missing_ok=True)
        with log.open("wb") as stream:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, cwd=folder, **_detached()
            )
    except OSError as error:
        raise StartFailed(
            f"the way to Hubble Relay could not be opened: {error.strerror}", where=str(log), try_="free some space"
        ) from error
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        facts = read_json(folder / "relay.json")
        if facts and facts.get("pid") == process.pid:
            process.returncode = 0  # detached: nobody waits for it
            return str(facts["address"])
        if process.poll() is not None:
            break
        time.sleep(0.02)
    process.kill()
    process.wait()
    tail = log.read_text(encoding="utf-8", errors="replace")[-500:] if log.is_file() else ""
    raise StartFailed(
        f"the way to Hubble Relay did not open:\n{tail}", where=str(log), try_="cilium-labs down, then up"
    )


def stop(home: Home, *, timeout: float = 5.0) -> bool:
    """End the process; False when there was none."""
    folder = folder_of(home)
    facts = read_json(folder / "relay.json")
    if not facts or not held(folder):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(facts["pid"]), signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while held(folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    if held(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(facts["pid"]), getattr(signal, "SIGKILL", signal.SIGTERM))
    (folder / "relay.json").unlink(missing_ok=True)
    return True


def main(arguments: list[str]) -> int:
    """The process: ``<folder> <kubeconfig> <context>``."""
    parser = argparse.ArgumentParser(prog="forwarding")
    parser.add_argument("folder", type=Path)
    parser.add_argument("kubeconfig", type=Path)
    parser.add_argument("context", nargs="?", default="")
    chosen = parser.parse_args(arguments)
    try:
        lock = hold(chosen.folder)
    except HomeInUseError as error:
        print(error, file=sys.stderr)
        return 1
    with lock, socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        facts = {"kubeconfig": str(chosen.kubeconfig), "context": chosen.context}
        write_json(chosen.folder / "relay.json", {"pid": os.getpid(), "address": f"127.0.0.1:{port}", **facts})
        signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
        while True:
            near, _ = listener.accept()
            threading.Thread(target=_serve, args=(near, chosen.kubeconfig, chosen.context), daemon=True).start()


def _serve(near: socket.socket, kubeconfig: Path, context: str) -> None:
    """One connection; when there is no Relay it is closed, which clients report as unavailable."""
    from kubernetes import config

    with near:
        try:
            api = config.new_client_from_config(config_file=str(kubeconfig), context=context or None)
            with api:
                forward = _open(api)
                if forward is None:
                    return
                far = forward.socket(RELAY_PORT)
                far.setblocking(True)
                _carry(near, far)
                forward.close()
        except Exception as error:  # noqa: BLE001 - one connection's failure is that connection's end; the log says why
            print(json.dumps({"connection": str(error)[:500]}), file=sys.stderr, flush=True)


def _open(api: ApiClient) -> Any:
    from kubernetes import client
    from kubernetes.stream import portforward

    core = client.CoreV1Api(api)
    pods = core.list_namespaced_pod(RELAY_NAMESPACE, label_selector=RELAY_LABEL, _request_timeout=10).items
    ready = [
        pod
        for pod in pods
        if any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions or ())
        and pod.metadata.deletion_timestamp is None
    ]
    if not ready:
        return None
    return portforward(
        core.connect_get_namespaced_pod_portforward, ready[0].metadata.name, RELAY_NAMESPACE, ports=str(RELAY_PORT)
    )


def _carry(near: socket.socket, far: Any) -> None:
    """Both directions until one side ends."""

    def pump(source: Any, target: Any) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    back = threading.Thread(target=pump, args=(far, near), daemon=True)
    back.start()
    pump(near, far)
    back.join(5)


def _detached() -> dict[str, Any]:
    if os.name == "nt":
        return {"creationflags": 0x00000008 | 0x00000200}  # DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP
    return {"start_new_session": True}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
