from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lab_helpers.twin.api import build_app, serve
from lab_helpers.twin.api.authenticating import ADMINISTRATOR
from lab_helpers.twin.api.calls import Call
from lab_helpers.twin.api.certificates import ensure_certificates
from lab_helpers.twin.api.crds import cilium_crds
from lab_helpers.twin.api.kubeconfigs import write_kubeconfig
from lab_helpers.twin.api.requests import Query
from lab_helpers.twin.api.server import ApiServer
from lab_helpers.twin.clock import Clock, ManualClock
from lab_helpers.twin.objects.kinds import Kinds
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Storage

sys.path.insert(0, str(Path(__file__).parent))
from fakes import FakeWorkloads

TOKEN = "t0ken"
CRDS = "customresourcedefinitions.apiextensions.k8s.io"


class Answer(NamedTuple):
    """A whole answer; ``body`` is decoded when it is JSON."""

    status: int
    body: Any
    warnings: list[str]


class Client:
    """Asks an ApiServer directly, without a network."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.registry = server.registry

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Call:
        path, _, query = path.partition("?")
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        given = {"user-agent": "tests/1", "accept": "application/json", "content-type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return Call(method, path, Query(query), given, data, ADMINISTRATOR)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        response = asyncio.run(self.server.respond(self.call(method, path, body, **headers)))
        text = response.body.decode()
        shown = json.loads(text) if "json" in response.content_type and text else text
        return Answer(response.status, shown, response.warnings)

    def patch(self, path: str, body: Any, kind: str = "merge-patch+json") -> Answer:
        return self("PATCH", path, body, content_type=f"application/{kind}")

    def apply(self, path: str, body: Any, manager: str, *, force: bool = False) -> Answer:
        query = f"?fieldManager={manager}&force={str(force).lower()}"
        return self("PATCH", path + query, body, content_type="application/apply-patch+yaml")


def new_registry(clock: Clock, path: Path | None = None) -> Registry:
    return Registry(Storage(path), Kinds(), clock)


def fill(registry: Registry) -> None:
    for name in ("default", "kube-system"):
        registry.create("namespaces", {"metadata": {"name": name}})
    registry.create("serviceaccounts", {"metadata": {"name": "default"}}, "default")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ask(clock: ManualClock) -> Iterator[Client]:
    registry = new_registry(clock)
    app = build_app(registry, FakeWorkloads(), token=TOKEN)
    fill(registry)
    yield Client(app.server)
    registry.storage.close()


@pytest.fixture
def cilium(ask: Client) -> Client:
    for crd in cilium_crds("1.20.2"):
        ask.registry.create(CRDS, crd)
    return ask


class Live:
    """A server in its own thread, with TLS and a kubeconfig."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.kubeconfig = home / "kubeconfig"
        self.workloads = FakeWorkloads()
        self.port = 0
        self.registry: Registry
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._stop: Callable[[], None] = lambda: None

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        found = ensure_certificates(self.home)
        self.registry = new_registry(Clock(), self.home / "state.db")
        app = build_app(self.registry, self.workloads, token=TOKEN)
        fill(self.registry)
        for crd in cilium_crds("1.20.2"):
            self.registry.create(CRDS, crd)
        server = serve(app, certfile=found.certificate, keyfile=found.key)
        self.port = server.port
        write_kubeconfig(self.kubeconfig, f"https://127.0.0.1:{self.port}", found.ca, TOKEN)
        loop = asyncio.get_running_loop()
        self._stop = lambda: loop.call_soon_threadsafe(server.stop)
        self.loop = loop
        self._ready.set()
        await server.run()

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(120)

    def stop(self) -> None:
        self._stop()
        self._thread.join(120)

    def run_pod(self, name: str, image: str = "nginx:1") -> None:
        """A pod that runs on a node, as a kubelet would report it."""

        def make() -> None:
            spec = {
                "nodeName": "node-1",
                "containers": [{"name": "main", "image": image, "ports": [{"containerPort": 80}]}],
            }
            self.registry.create("pods", {"metadata": {"name": name, "labels": {"app": name}}, "spec": spec}, "default")
            draft = self.registry.draft("pods", name, "default")
            state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
            container = {
                "name": "main",
                "ready": True,
                "restartCount": 0,
                "image": image,
                "imageID": "",
                "state": state,
            }
            draft["status"] |= {
                "phase": "Running",
                "podIP": "10.0.1.5",
                "podIPs": [{"ip": "10.0.1.5"}],
                "containerStatuses": [container],
                "conditions": [{"type": "Ready", "status": "True"}],
            }
            self.registry.update("pods", draft, subresource="status")

        done = threading.Event()
        self.loop.call_soon_threadsafe(lambda: (make(), done.set()))
        assert done.wait(120)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    found = Live(tmp_path_factory.mktemp("home"))
    found.start()
    yield found
    found.stop()


class Ran(NamedTuple):
    """A finished kubectl."""

    code: int
    out: str
    err: str


Kubectl = Callable[..., Ran]


@pytest.fixture(scope="module")
def kubectl(live: Live) -> Kubectl:
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not on PATH")

    def run(*arguments: str, stdin: str | None = None) -> Ran:
        environment = {**os.environ, "KUBECONFIG": str(live.kubeconfig), "HOME": str(live.home)}
        done = subprocess.run(
            [program, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=240,
            env=environment,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run
