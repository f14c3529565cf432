"""The whole twin in one place: which parts there are, in which order they start, and how they stop.

::

    twin = Twin(home)
    await twin.start()      # the API answers, controllers run, pods come back
    ...
    await twin.stop()

Start order: storage, registry (with admission), datapath, agents, relay, runtime, API, controllers. The API listens before
the controllers begin, so the first request is answered while the cluster still fills up, as on a real one.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

from lab_helpers.twin.agent.agents import Agents
from lab_helpers.twin.agent.images import cilium_images
from lab_helpers.twin.api.admission import install_admissions
from lab_helpers.twin.api.app import build_app
from lab_helpers.twin.api.certificates import ensure_certificates, write_private
from lab_helpers.twin.api.kubeconfigs import write_kubeconfig
from lab_helpers.twin.api.serving import serve
from lab_helpers.twin.bootstrap import NODES, seed, static_pods
from lab_helpers.twin.clock import Clock
from lab_helpers.twin.containers.catalogue import course_images
from lab_helpers.twin.containers.runtime import Runtime
from lab_helpers.twin.controllers import Manager
from lab_helpers.twin.datapath.datapaths import Datapath
from lab_helpers.twin.objects.kinds import Kinds
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Storage
from lab_helpers.twin.outside import Outside
from lab_helpers.twin.relay.relays import Relay

__all__ = ["Twin"]

_LONGEST_SOCKET_PATH = 100
_PORT_FACT = "api/port"


class Twin:
    """One embedded cluster. ``home`` holds its files; the same home brings the same cluster back."""

    def __init__(
        self, home: Path, *, port: int = 0, cilium_version: str = "1.20.2", clock: Clock | None = None
    ) -> None:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.home = home
        self.cilium_version = cilium_version
        self.clock = clock or Clock()
        self.storage = Storage(home / "state.db")
        self.registry = Registry(self.storage, Kinds(), self.clock)
        install_admissions(self.registry)
        self.datapath = Datapath(self.registry, self.clock)
        self.agents = Agents(self.registry, self.clock, self.datapath)
        self.relay = Relay(self.agents, self.clock, _socket_path(home))
        images = course_images(self.registry)
        for image in cilium_images(self.agents, self.relay):
            images.add(image)
        self.outside = Outside(self.clock, self.datapath, registry=self.registry)
        self.runtime = Runtime(self.registry, self.clock, self.datapath, images)
        self._certificates = ensure_certificates(home)
        self.token = self._own_token()
        self.manager = Manager(
            self.registry,
            self.clock,
            self.runtime,
            self.agents,
            static_pods=static_pods(NODES[0]),
            root_ca=self._certificates.ca.read_text(encoding="utf-8"),
        )
        self._port = port
        self._server: Any = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where the API server listens; known after ``start``."""
        return f"https://127.0.0.1:{self._server.port}"

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig; written by ``start``."""
        return self.home / "kubeconfig"

    async def start(self) -> None:
        """Bring everything up. Raises ServeError when the port is taken."""
        app = build_app(self.registry, self.runtime, token=self.token)
        self._server = self._listen(app)
        seed(self.registry)
        await self.agents.start()
        await self.relay.start()
        write_kubeconfig(self.kubeconfig, self.url, self._certificates.ca, self.token)
        self._serving = asyncio.create_task(self._server.run())
        self.outside.start()
        await self.manager.start()

    async def stop(self) -> None:
        """End everything in reverse order. State stays in the home."""
        await self.manager.stop()
        await self.relay.stop()
        await self.agents.stop()
        await self.runtime.close()
        self.outside.stop()
        if self._serving is not None:
            self._server.stop()
            await self._serving
        self.storage.close()

    def _listen(self, app: Any) -> Any:
        """On the wanted port; else on the one used before, so that open kubeconfigs stay right; else on a free one."""
        certificate, key = self._certificates.certificate, self._certificates.key
        before = int(self.storage.fact(_PORT_FACT) or 0)
        try:
            server = serve(app, port=self._port or before, certfile=certificate, keyfile=key)
        except OSError:
            if self._port:
                raise
            server = serve(app, port=0, certfile=certificate, keyfile=key)
        if server.port != before:
            self.storage.set_fact(_PORT_FACT, str(server.port))
        return server

    def _own_token(self) -> str:
        path = self.home / "token"
        if not path.is_file():
            write_private(path, secrets.token_urlsafe(32).encode())
        return path.read_text(encoding="utf-8")


def _socket_path(home: Path) -> Path | None:
    """Where Relay's socket goes: the home, unless its path is too long for a Unix socket. None on Windows."""
    if os.name == "nt":
        return None
    path = home.resolve() / "relay.sock"
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"cilium-labs-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(
            f"{folder} belongs to somebody else; set CILIUM_LABS_HOME to a folder with a shorter path"
        )
    return folder / "relay.sock"
