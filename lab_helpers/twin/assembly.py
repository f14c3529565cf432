"""The whole twin in one place: which parts there are, in which order they start, and how they stop.

::

    twin = Twin(home)
    await twin.start()      # the API answers
    await twin.alive()      # controllers run, pods come back
    ...
    await twin.stop()

Start order: storage, registry (with admission), the fresh cluster's objects, API; then the machinery behind them. As
on a real cluster the API answers first, and the cluster fills up while one looks: most of the code is only imported
then, in a thread, so that requests are answered meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import os
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_helpers.releases import CILIUM_VERSION
from lab_helpers.twin.api.admission.installing import install_admissions
from lab_helpers.twin.api.app import build_app
from lab_helpers.twin.api.certificates import ensure_certificates, write_private
from lab_helpers.twin.api.kubeconfigs import write_kubeconfig
from lab_helpers.twin.api.serving import Server, serve
from lab_helpers.twin.arriving import ArrivingConsole
from lab_helpers.twin.bootstrap.seeding import seed
from lab_helpers.twin.clock import Clock
from lab_helpers.twin.control import Control, kept_offset
from lab_helpers.twin.objects.kinds import Kinds
from lab_helpers.twin.objects.registry import Registry
from lab_helpers.twin.objects.storage import Storage

if TYPE_CHECKING:
    from lab_helpers.twin.machinery import Machinery

__all__ = ["Twin"]

_LONGEST_SOCKET_PATH = 100
_PORT_FACT = "api/port"
_VERSION_FACT = "cilium/version"


class Twin:
    """One embedded cluster. ``home`` holds its files; the same home brings the same cluster back.

    ``eager`` makes what somebody only waits for come at once (see ``hurrying``).
    """

    def __init__(
        self, home: Path, *, port: int = 0, cilium_version: str = "", clock: Clock | None = None, eager: bool = False
    ) -> None:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.home = home
        self.storage = Storage(home / "state.db")
        self.cilium_version = self._kept_version(cilium_version)
        self.clock = clock or Clock(offset=kept_offset(self.storage))
        self.registry = Registry(self.storage, Kinds(), self.clock)
        install_admissions(self.registry)
        self.token = self._own_token()
        self._certificates = ensure_certificates(home)
        self._port = port
        self._eager = eager
        self._server: Server
        self._serving: asyncio.Task[None]
        self._coming: asyncio.Task[Machinery]

    @property
    def url(self) -> str:
        """Where the API server listens; known after ``start``."""
        return f"https://127.0.0.1:{self._server.port}"

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig; written by ``start``."""
        return self.home / "kubeconfig"

    async def start(self) -> None:
        """Bring up the API; the rest follows by itself. Raises ServeError when the port is taken."""
        console = ArrivingConsole()
        server = build_app(self.registry, console, token=self.token).server
        self._server = self._listen(Control(server, self.clock, self.storage, eager=self._eager))
        seed(self.registry)
        write_kubeconfig(self.kubeconfig, self.url, self._certificates.ca, self.token)
        self._serving = asyncio.create_task(self._server.run())
        self._coming = asyncio.create_task(self._bring(console))

    async def alive(self) -> Machinery:
        """Wait until the controllers run. Raises what kept them from it."""
        return await asyncio.shield(self._coming)

    async def relay_target(self) -> str:
        """What clients of Hubble Relay dial. Where that is no socket in a known place, it is known when ``alive``."""
        path = _socket_path(self.home)
        return f"unix://{path}" if path is not None else (await self.alive()).relay.target

    async def stop(self) -> None:
        """End everything in reverse order. State stays in the home."""
        (machinery,) = await asyncio.gather(self._coming, return_exceptions=True)
        if not isinstance(machinery, BaseException):
            await machinery.stop()
        self._server.stop()
        await self._serving
        self.storage.close()

    async def _bring(self, console: ArrivingConsole) -> Machinery:
        module = await asyncio.to_thread(importlib.import_module, "lab_helpers.twin.machinery")
        root_ca = self._certificates.ca.read_text(encoding="utf-8")
        machinery: Machinery = module.Machinery(
            self.registry, self.clock, socket=_socket_path(self.home), root_ca=root_ca
        )
        await machinery.start()
        console.arrive(machinery.runtime)
        return machinery

    def _listen(self, app: Any) -> Server:
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

    def _kept_version(self, wanted: str) -> str:
        """The Cilium that tools install here when none is named: as wanted, else as before."""
        before = self.storage.fact(_VERSION_FACT)
        version = wanted or before or CILIUM_VERSION
        if version != before:
            self.storage.set_fact(_VERSION_FACT, version)
        return version

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
