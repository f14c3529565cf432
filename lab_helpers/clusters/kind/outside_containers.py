"""The outside as a container on the nodes' network, and the nodes' routes to it.

Its program and certificates are copied into it instead of mounted, so that an engine elsewhere (a virtual machine, a
remote host, a codespace) serves as well as one here. It gets the addresses of the names itself (NET_ADMIN) and no other
right but to listen on low ports. Nodes lose their routes when they are restarted; ``up`` puts them back.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from lab_helpers.clusters.environments import environment_file
from lab_helpers.clusters.kind.engines import Engine
from lab_helpers.clusters.kind.errors import KindError, NotOurs
from lab_helpers.clusters.kind.outsides import prepare, routes, zones_with
from lab_helpers.twin.outside.names import Internet, load_internet

__all__ = ["NAME", "PART", "OutsideContainer", "outside_image"]

NAME: Final = "cilium-labs-outside"
PART: Final = "cilium-labs.part=outside"
_SUM: Final = "cilium-labs.sum"
_PROGRAM: Final = "/outside/outside.py"
_IMAGE: Final = "docker.io/library/python:3.13-alpine"


def outside_image(environ: Mapping[str, str] = os.environ) -> str:
    """Any image with Python 3.8 or newer and an ``ip`` command (alpine's has one): CILIUM_LABS_OUTSIDE_IMAGE."""
    return environ.get("CILIUM_LABS_OUTSIDE_IMAGE") or _IMAGE


class OutsideContainer:
    """``folder`` is where its files are kept on this machine. ``added`` are a learner's names beside the course's."""

    def __init__(
        self,
        engine: Engine,
        network: str,
        folder: Path,
        *,
        image: str,
        added: Internet | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._engine = engine
        self._network = network
        self._folder = folder
        self._image = image
        self._internet = load_internet().merged(added or Internet())
        self.zones = zones_with(added or Internet())
        self._sleep = sleep

    def prepare(self) -> str:
        """Write its files; returns the certificate of its authority. Raises KindError."""
        authority = prepare(self._folder, self._internet, self.zones)
        shutil.copyfile(environment_file("kind", "outside", "outside.py"), self._folder / "outside.py")
        return authority

    def sum(self) -> str:
        """Changes when the container must be made anew."""
        digest = hashlib.sha256(self._image.encode())
        for path in sorted(self._folder.iterdir()):
            digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()[:16]

    def make(self) -> str:
        """Make and start it, in place of an older one of ours; returns its id. Raises KindError."""
        there = [one for one in self._engine.containers(PART) if one.name == NAME]
        if not there and self._engine.ask("inspect", "--format", "{{.Id}}", NAME):
            raise NotOurs(
                f"a container named {NAME} exists and was not made by cilium-labs",
                where=NAME,
                try_="rename or remove it",
            )
        self._engine.remove([one.id for one in there])
        words = ["create", "--name", NAME, "--hostname", "outside", "--network", self._network]
        words += ["--label", PART, "--label", f"{_SUM}={self.sum()}", "--restart", "unless-stopped"]
        words += ["--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--cap-add", "NET_BIND_SERVICE"]
        words += ["--env", "PYTHONDONTWRITEBYTECODE=1", self._image]
        made = self._engine.do(*words, "python3", _PROGRAM, "/outside", "--add-addresses", timeout=300.0).split()[-1]
        self._engine.do("cp", str(self._folder), f"{NAME}:/outside")
        self._engine.do("start", NAME)
        return made

    def answers(self) -> bool:
        """Does it answer a question?"""
        return bool(self._engine.ask("exec", NAME, "python3", _PROGRAM, "/outside", "--check", timeout=20.0))

    def wait(self, attempts: int = 20) -> None:
        """Until it answers. Raises KindError with what it said."""
        for _ in range(attempts):
            if self.answers():
                return
            self._sleep(0.5)
        logs = self._engine.ask("logs", "--tail", "5", NAME)
        raise KindError(
            f"the outside does not answer: {(logs.errors + logs.output).strip() or 'it said nothing'}",
            where=f"container {NAME}",
            try_="cilium-labs up --backend kind makes it anew",
        )

    def address(self) -> str:
        """Its address in the nodes' network. Raises KindError when it has none (it is not running)."""
        found = self._engine.address(NAME, self._network)
        if not found:
            raise KindError(
                "the outside has no address", where=f"container {NAME}", try_="cilium-labs up --backend kind"
            )
        return found

    def route(self, nodes: Iterable[str], address: str) -> None:
        """Lead the nodes' packets for outside addresses to it; harmless when they are led already. Raises KindError."""
        lines = [f"ip route replace {network} via {address}" for network in routes(self._internet, self.zones)]
        for node in nodes:
            self._engine.do("exec", node, "sh", "-c", " && ".join(lines))
