"""The container engine: Docker, or Podman (which kind supports as an experiment).

``CILIUM_LABS_ENGINE`` chooses (docker, podman); else KIND_EXPERIMENTAL_PROVIDER; else the first on PATH. Only
subcommands and formats that both have are used.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from lab_helpers.clusters.kind.commands import Ran, checked, run
from lab_helpers.clusters.kind.errors import EngineMissing
from lab_helpers.clusters.kind.failures import START_ENGINE, explain

__all__ = ["Container", "Engine", "EngineInfo", "find_engine"]

ENGINES: Final = ("docker", "podman")


class EngineInfo(NamedTuple):
    """What the engine says of its machine, which may be a virtual one. ``memory`` in bytes, ``cgroup`` "1" or "2"."""

    version: str
    memory: int
    cpus: int
    cgroup: str
    system: str
    arch: str
    rootless: bool
    local: bool
    """Does it share this machine's kernel (Linux without Docker Desktop or a remote engine)?"""


class Container(NamedTuple):
    """``id`` is the full one."""

    id: str
    name: str
    running: bool


@dataclass(frozen=True, slots=True)
class Engine:
    """``program`` is docker or podman, as found on PATH."""

    name: str
    program: str

    @property
    def variables(self) -> dict[str, str]:
        """What kind needs to use this engine too."""
        return {"KIND_EXPERIMENTAL_PROVIDER": self.name}

    def ask(self, *words: str, timeout: float = 60.0) -> Ran:
        """Run a subcommand; failure is an answer."""
        return run([self.program, *words], timeout=timeout)

    def do(self, *words: str, timeout: float = 60.0) -> str:
        """Run a subcommand that must succeed. Raises CommandFailed."""
        return checked([self.program, *words], timeout=timeout)

    def info(self) -> EngineInfo:
        """Raises EngineMissing when the engine does not answer."""
        ran = self.ask("info", "--format", "{{json .}}", timeout=30.0)
        try:
            found = json.loads(ran.output)
        except ValueError:
            found = {}
        problems = found.get("ServerErrors") or ([] if ran else [ran.errors.strip() or f"exit code {ran.code}"])
        if problems:
            meaning, cure = explain("\n".join(problems))
            what = f"{self.name}: {meaning or 'the engine does not answer'} ({problems[0]})"
            raise EngineMissing(what, where=self.program, try_=cure if meaning else START_ENGINE)
        return _podman_info(found) if "host" in found else _docker_info(found)

    def containers(self, label: str) -> list[Container]:
        """All with a label, running or not, by name. Raises CommandFailed."""
        form = "{{.ID}}\t{{.Names}}\t{{.State}}"
        text = self.do("ps", "--all", "--no-trunc", "--filter", f"label={label}", "--format", form)
        rows = [line.split("\t") for line in text.splitlines() if line.count("\t") == 2]
        found = [Container(row[0], row[1], row[2].lower().startswith("running")) for row in rows]
        return sorted(found, key=lambda one: one.name)

    def address(self, container: str, network: str) -> str:
        """A container's IPv4 address in a network; "" when it has none. Raises CommandFailed."""
        text = self.do("inspect", "--format", "{{json .NetworkSettings.Networks}}", container)
        networks = json.loads(text or "null") or {}
        return str((networks.get(network) or {}).get("IPAddress") or "")

    def network(self, name: str) -> list[str] | None:
        """The containers in a network; None when there is no such network."""
        ran = self.ask("network", "inspect", name)
        if not ran:
            return None
        found = json.loads(ran.output)
        described: Mapping[str, Any] = found[0] if found else {}
        return sorted(described.get("Containers") or described.get("containers") or {})

    def has_image(self, image: str) -> bool:
        """Is it stored here?"""
        return bool(self.ask("image", "inspect", "--format", "{{.Id}}", image))

    def remove(self, containers: Sequence[str]) -> None:
        """Remove containers with their anonymous volumes, running or not. Raises CommandFailed."""
        if containers:
            self.do("rm", "--force", "--volumes", *containers, timeout=120.0)


def find_engine(environ: Mapping[str, str] = os.environ) -> Engine:
    """Raises EngineMissing when there is none."""
    chosen = environ.get("CILIUM_LABS_ENGINE") or environ.get("KIND_EXPERIMENTAL_PROVIDER") or ""
    if chosen and chosen not in ENGINES:
        raise EngineMissing(f'"{chosen}" is no engine known here', try_="CILIUM_LABS_ENGINE=docker, or podman")
    for name in (chosen,) if chosen else ENGINES:
        program = shutil.which(name, path=environ.get("PATH"))
        if program:
            return Engine(name, program)
    raise EngineMissing(
        f"{chosen or 'neither docker nor podman'} is {'not ' if chosen else ''}on PATH",
        try_="install Docker (https://docs.docker.com/get-docker/) or Podman; "
        "or use the embedded cluster, which needs neither: cilium-labs up",
    )


def _docker_info(found: Mapping[str, Any]) -> EngineInfo:
    system = str(found.get("OperatingSystem", ""))
    rootless = any("rootless" in str(option) for option in found.get("SecurityOptions") or ())
    return EngineInfo(
        str(found.get("ServerVersion", "")),
        int(found.get("MemTotal") or 0),
        int(found.get("NCPU") or 0),
        str(found.get("CgroupVersion") or "1"),
        system,
        str(found.get("Architecture", "")),
        rootless,
        _same_kernel(str(found.get("KernelVersion", "")), system),
    )


def _podman_info(found: Mapping[str, Any]) -> EngineInfo:
    host = found["host"]
    system = str((host.get("distribution") or {}).get("distribution", ""))
    return EngineInfo(
        str((found.get("version") or {}).get("Version", "")),
        int(host.get("memTotal") or 0),
        int(host.get("cpus") or 0),
        str(host.get("cgroupVersion", "v1")).lstrip("v"),
        f"Podman on {system}",
        str(host.get("arch", "")),
        bool((host.get("security") or {}).get("rootless")),
        _same_kernel(str(host.get("kernel", "")), system),
    )


def _same_kernel(kernel: str, system: str) -> bool:
    uname = getattr(os, "uname", None)
    return uname is not None and "Docker Desktop" not in system and uname().release == kernel
