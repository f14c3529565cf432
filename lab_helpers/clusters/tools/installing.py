"""Installing tools: the publisher's sum first, then the file, then both against the lock, and only then into place.

Where files come from::

    CILIUM_LABS_BUNDLE   a folder or .tar made by `cilium-labs bundle`: no network is used at all
    CILIUM_LABS_MIRROR   https://mirror.example/path: https://github.com/a/b is asked for as <mirror>/github.com/a/b
    neither              the publishers

A program is complete or absent: it is written beside its place and moved there in one step.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from lab_helpers.clusters.environments import environment_file
from lab_helpers.clusters.errors import ClusterError
from lab_helpers.clusters.homes import Home
from lab_helpers.clusters.tools.bundles import open_bundle
from lab_helpers.clusters.tools.catalogues import Asset, Catalogue, Platform, load_catalogue, this_platform
from lab_helpers.clusters.tools.checksums import file_sum, parse_checksums
from lab_helpers.clusters.tools.errors import FetchError, ToolError, WrongSum
from lab_helpers.clusters.tools.fetching import fetch, fetch_text
from lab_helpers.clusters.tools.locks import Lock, Sums
from lab_helpers.clusters.tools.unpacking import extract_member

__all__ = ["Installer", "Report", "lock_of"]

Progress = Callable[[str, int, "int | None"], None]
"""Told the tool, bytes so far, bytes in all."""


class Report(NamedTuple):
    """How one installation went: ``how`` is "installed" or "there already"."""

    tool: str
    version: str
    path: Path
    how: str
    sum: str


def lock_of(home: Home, path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Lock:
    """The lock in force for a home; ``path`` replaces the home's own file."""
    try:
        shipped = environment_file("tools.lock.json")
    except ClusterError:
        shipped = None
    chosen = path or (Path(found) if (found := environ.get("CILIUM_LABS_TOOLS_LOCK")) else None)
    own = chosen or home.tools / "tools.lock.json"
    return Lock(own, shipped if shipped is not None and shipped.resolve() != own.resolve() else None)


@dataclass(frozen=True)
class Installer:
    """Installs below ``folder`` (``<tool>/<version>/<program>``)."""

    folder: Path
    lock: Lock
    catalogue: Catalogue = field(default_factory=load_catalogue)
    platform: Platform = field(default_factory=this_platform)
    mirror: str = ""
    bundle: Path | None = None
    timeout: float = 30.0
    progress: Progress = lambda _tool, _done, _all: None

    @classmethod
    def of(
        cls,
        home: Home,
        *,
        lock: Path | None = None,
        progress: Progress = lambda _tool, _done, _all: None,
        environ: Mapping[str, str] = os.environ,
    ) -> Installer:
        """As the variables say. Raises ToolError."""
        bundle = environ.get("CILIUM_LABS_BUNDLE", "")
        return cls(
            home.tools,
            lock_of(home, lock, environ),
            load_catalogue(environ=environ),
            this_platform(),
            environ.get("CILIUM_LABS_MIRROR", ""),
            open_bundle(Path(bundle).expanduser(), home.path / "bundle") if bundle else None,
            progress=progress,
        )

    def place(self, asset: Asset) -> Path:
        """Where the program is, or will be."""
        return self.folder / asset.tool / asset.version / asset.program

    def installed(self, name: str) -> Path | None:
        """The program in the wanted version, if it is here."""
        path = self.place(self.catalogue.tool(name).asset(self.platform))
        return path if path.is_file() else None

    def install(self, name: str) -> Report:
        """Bring one tool here. Raises ToolError, and its kinds FetchError and WrongSum."""
        asset = self.catalogue.tool(name).asset(self.platform)
        path, locked = self.place(asset), self.lock.find(asset.key)
        if locked is not None and path.is_file() and file_sum(path) == locked[0].program:
            return Report(name, asset.version, path, "there already", locked[0].program)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            download = self.download(asset, self.folder / "downloads")
            program = self._unpack(asset, download, path, locked)
        except OSError as error:
            raise ToolError(
                f"cannot write: {error.strerror or error}",
                where=str(error.filename or self.folder),
                try_="free some space, or set CILIUM_LABS_HOME to another disk",
            ) from error
        self.lock.record(asset.key, Sums(file_sum(download), program))
        download.unlink(missing_ok=True)
        return Report(name, asset.version, path, "installed", program)

    def download(self, asset: Asset, folder: Path) -> Path:
        """The verified download in ``folder``, with the publisher's file of sums beside it (``<file>.sha256``)."""
        folder.mkdir(parents=True, exist_ok=True)
        text = self._checksums(asset)
        expected = parse_checksums(text, asset.file, where=self._address(asset.checksums))
        locked = self.lock.find(asset.key)
        if locked is not None and locked[0].download != expected:
            raise WrongSum(
                f"the publisher's sum of {asset.file} is not the one that was seen before\n"
                f"  before: {locked[0].download}\n  now:    {expected}",
                where=str(locked[1]),
                try_="a release never changes its sum: do not install it before you know why it did",
            )
        target = folder / asset.file
        if not (target.is_file() and file_sum(target) == expected):
            self._bring(asset, target)
        found = file_sum(target)
        if found != expected:
            target.unlink(missing_ok=True)
            raise WrongSum(
                f"{asset.file} is not what its publisher made\n  expected: {expected}\n  found:    {found}",
                where=self._address(asset.url),
                try_="run it again; if it stays, something between you and the publisher changes files",
            )
        (folder / f"{asset.file}.sha256").write_text(f"{expected}  {asset.file}\n", encoding="utf-8")
        return target

    def _unpack(self, asset: Asset, download: Path, path: Path, locked: tuple[Sums, Path] | None) -> str:
        part = path.with_name(path.name + ".part")
        try:
            if asset.member:
                extract_member(download, asset.member, part)
            else:
                shutil.copyfile(download, part)
            program = file_sum(part)
            if locked is not None and locked[0].program != program:
                raise WrongSum(
                    f"the program in {asset.file} is not the recorded one\n"
                    f"  recorded: {locked[0].program}\n  found:    {program}",
                    where=str(locked[1]),
                    try_="the archive is the recorded one: was the lock changed by hand? compare it with its history",
                )
            part.chmod(0o755)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return program

    def _checksums(self, asset: Asset) -> str:
        if self.bundle is not None:
            return self._bundled(asset, f"{asset.file}.sha256").read_text(encoding="utf-8")
        return fetch_text(self._address(asset.checksums), timeout=self.timeout)

    def _bring(self, asset: Asset, target: Path) -> None:
        if self.bundle is not None:
            source = self._bundled(asset, asset.file)
            shutil.copyfile(source, target)
            size = target.stat().st_size
            self.progress(asset.tool, size, size)
            return

        def tell(done: int, total: int | None) -> None:
            self.progress(asset.tool, done, total)

        fetch(self._address(asset.url), target, progress=tell, timeout=self.timeout)

    def _bundled(self, asset: Asset, name: str) -> Path:
        assert self.bundle is not None
        path = self.bundle / "tools" / name
        if not path.is_file():
            raise FetchError(
                f"the bundle has no {asset.tool} {asset.version} for {asset.platform}",
                where=str(self.bundle),
                try_="make one that has it: cilium-labs bundle --platform " + str(asset.platform),
            )
        return path

    def _address(self, url: str) -> str:
        if not self.mirror:
            return url
        parts = urlsplit(url)
        return f"{self.mirror.rstrip('/')}/{parts.netloc}{parts.path}"
