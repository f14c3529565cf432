"""Which tools in which versions, and where their publishers keep them: ``environment/tools.toml`` as values."""

from __future__ import annotations

import os
import platform as machine
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from lab_helpers.clusters.environments import environment_file
from lab_helpers.clusters.tools.errors import ToolError

__all__ = ["Asset", "Catalogue", "Platform", "Tool", "load_catalogue", "this_platform"]

_ARCHITECTURES: Final = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_SYSTEMS: Final = {"linux": "linux", "darwin": "darwin", "win32": "windows"}
_FIELDS: Final = frozenset({"version", "url", "url_windows", "checksums", "member", "platforms"})


class Platform(NamedTuple):
    """``os`` is linux, darwin or windows; ``arch`` is amd64 or arm64: publishers' words."""

    os: str
    arch: str

    def __str__(self) -> str:
        return f"{self.os}-{self.arch}"

    @property
    def exe(self) -> str:
        """What programs' names end with."""
        return ".exe" if self.os == "windows" else ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """``linux-arm64``. Raises ToolError."""
        system, _, arch = text.partition("-")
        if system not in _SYSTEMS.values() or arch not in _ARCHITECTURES.values():
            raise ToolError(f'"{text}" is not a platform', try_="for example linux-amd64, darwin-arm64, windows-amd64")
        return cls(system, arch)


class Asset(NamedTuple):
    """What is downloaded for one platform. ``member`` is the program's name in the archive; "" for none."""

    tool: str
    version: str
    platform: Platform
    url: str
    checksums: str
    member: str

    @property
    def file(self) -> str:
        """The download's name, as the publisher calls it."""
        return self.url.rpartition("/")[2]

    @property
    def key(self) -> str:
        """How the lock calls it."""
        return f"{self.tool} {self.version} {self.platform}"

    @property
    def program(self) -> str:
        """The program's name on disk."""
        return self.tool + self.platform.exe


@dataclass(frozen=True, slots=True)
class Tool:
    """One entry of the file."""

    name: str
    version: str
    url: str
    url_windows: str
    checksums: str
    member: str
    platforms: tuple[str, ...]

    def asset(self, platform: Platform) -> Asset:
        """The download for a platform. Raises ToolError when the publisher builds none."""
        if str(platform) not in self.platforms:
            raise ToolError(
                f"{self.name} is not published for {platform}",
                where="environment/tools.toml",
                try_=f"published are {', '.join(self.platforms)}; or install {self.name} from its sources",
            )
        words = {"version": self.version, "os": platform.os, "arch": platform.arch, "exe": platform.exe}
        url = (self.url_windows if platform.os == "windows" and self.url_windows else self.url).format(**words)
        return Asset(
            self.name,
            self.version,
            platform,
            url,
            self.checksums.format(url=url, **words),
            self.member.format(**words),
        )


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All of them, and the image of kind's nodes."""

    tools: Mapping[str, Tool]
    node_image: str

    def tool(self, name: str) -> Tool:
        """Raises ToolError."""
        if name not in self.tools:
            raise ToolError(f'there is no tool "{name}" here', try_="one of: " + ", ".join(self.tools))
        return self.tools[name]


def this_platform() -> Platform:
    """Of this machine. Raises ToolError where nobody publishes these tools."""
    system, arch = _SYSTEMS.get(sys.platform), _ARCHITECTURES.get(machine.machine().lower())
    if system is None or arch is None:
        raise ToolError(
            f"no tools are published for {sys.platform} on {machine.machine()}",
            try_="install kind, kubectl, helm, cilium and hubble yourself",
        )
    return Platform(system, arch)


def load_catalogue(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Catalogue:
    """Read the file. ``CILIUM_LABS_<TOOL>_VERSION`` and ``CILIUM_LABS_KIND_IMAGE`` replace what it says.

    Raises ToolError.
    """
    path = path or environment_file("tools.toml")
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ToolError(f"the list of tools cannot be read: {error}", where=str(path)) from error
    tools = {name: _tool(name, spec, path, environ) for name, spec in document.get("tools", {}).items()}
    image = environ.get("CILIUM_LABS_KIND_IMAGE") or str(document.get("node", {}).get("image", ""))
    return Catalogue(tools, image)


def _tool(name: str, spec: Mapping[str, Any], path: Path, environ: Mapping[str, str]) -> Tool:
    unknown = sorted(set(spec) - _FIELDS)
    missing = sorted({"version", "url", "checksums", "platforms"} - set(spec))
    if unknown or missing:
        what = f"unknown field {unknown[0]}" if unknown else f"no field {missing[0]}"
        raise ToolError(f"[tools.{name}]: {what}", where=str(path))
    # cilium is pinned as a program here and as a release elsewhere: CILIUM_LABS_CILIUM_VERSION names the release
    variable = "CILIUM_LABS_CILIUM_CLI_VERSION" if name == "cilium" else f"CILIUM_LABS_{name.upper()}_VERSION"
    return Tool(
        name,
        (environ.get(variable) or str(spec["version"])).removeprefix("v"),
        str(spec["url"]),
        str(spec.get("url_windows", "")),
        str(spec["checksums"]),
        str(spec.get("member", "")),
        tuple(map(str, spec["platforms"])),
    )
