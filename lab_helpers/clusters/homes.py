"""Where a cluster keeps its files.

One folder per learner (``CILIUM_LABS_HOME``, else the platform's state folder)::

    twin/       the embedded cluster: twin.json, kubeconfig, ca.crt, token, state.db, twin.log, relay.sock
    kind/       what was made for a kind cluster: made.json, kubeconfig, outside/
    tools/      installed real tools and their lock
    bin/        kubectl, helm, cilium, hubble as the cluster in use wants them
    cluster.json  which backend is in use
    progress.db   the learner's progress

Folders are private to the user (0700 where the system knows modes).
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_helpers.clusters.errors import ClusterError

__all__ = ["Home", "default_home"]


@dataclass(frozen=True, slots=True)
class Home:
    """The folder; the properties name what is in it."""

    path: Path

    @property
    def twin(self) -> Path:
        """The embedded cluster's folder."""
        return self.path / "twin"

    @property
    def kind(self) -> Path:
        """What was made for a kind cluster."""
        return self.path / "kind"

    @property
    def tools(self) -> Path:
        """Installed real tools."""
        return self.path / "tools"

    @property
    def bin(self) -> Path:
        """The tools on PATH of shells and notebooks."""
        return self.path / "bin"

    @property
    def selection(self) -> Path:
        """Which backend ``up`` chose."""
        return self.path / "cluster.json"

    def prepare(self) -> Home:
        """Make the folders. Raises ClusterError when that is not possible."""
        try:
            for folder in (self.path, self.twin, self.bin):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.name == "posix":
                self.path.chmod(0o700)
        except OSError as error:
            what = f"the state folder cannot be used: {error.strerror or error}"
            raise ClusterError(
                what, where=str(error.filename or self.path), try_="set CILIUM_LABS_HOME to a folder you can write to"
            ) from error
        return self

    def chosen(self) -> Mapping[str, Any] | None:
        """What ``choose`` wrote, or None."""
        return read_json(self.selection)

    def choose(self, **facts: object) -> None:
        """Remember the backend in use."""
        write_json(self.selection, facts)

    def forget(self) -> None:
        """No backend is in use any more."""
        self.selection.unlink(missing_ok=True)


def default_home() -> Home:
    """``CILIUM_LABS_HOME``, else the platform's folder for state."""
    chosen = os.environ.get("CILIUM_LABS_HOME")
    if chosen:
        return Home(Path(chosen).expanduser().absolute())
    import platformdirs

    return Home(Path(platformdirs.user_state_dir("cilium-labs", appauthor=False)))


def read_json(path: Path) -> Mapping[str, Any] | None:
    """The object in a JSON file; None when there is none (or it is torn)."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write_json(path: Path, facts: Mapping[str, object]) -> None:
    """Write whole or not at all. Raises ClusterError when the disk refuses."""
    part = path.with_suffix(".part")
    try:
        part.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise ClusterError(
            f"cannot write {path.name}: {error.strerror or error}",
            where=str(path),
            try_="free space, then run the command again",
        ) from error
