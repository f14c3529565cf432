"""The lock: sums that were seen and verified, by tool, version and platform. Later installations must match them.

Two locks count. ``environment/tools.lock.json`` comes with the course, if whoever maintains it has recorded one; it is
only read. The other belongs to this machine (``tools/tools.lock.json`` in the home, or CILIUM_LABS_TOOLS_LOCK), and new
sums go there. A maintainer records the course's own by ``cilium-labs tools install --lock
environment/tools.lock.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lab_helpers.clusters.homes import write_json
from lab_helpers.clusters.tools.errors import ToolError

__all__ = ["Lock", "Sums"]


class Sums(NamedTuple):
    """SHA-256 of the download, and of the program that came out of it."""

    download: str
    program: str


class Lock:
    """``own`` is read and written, ``shipped`` (may be absent) is read first."""

    def __init__(self, own: Path, shipped: Path | None = None) -> None:
        self.own = own
        self.shipped = shipped

    def find(self, key: str) -> tuple[Sums, Path] | None:
        """What was recorded for an asset's key, and where. Raises ToolError when a lock cannot be read."""
        for path in (self.shipped, self.own):
            entry = _read(path).get(key) if path is not None else None
            if path is not None and entry is not None:
                return Sums(str(entry["download"]), str(entry["program"])), path
        return None

    def record(self, key: str, sums: Sums) -> None:
        """Remember verified sums, unless they are recorded. Raises ClusterError when the disk refuses."""
        if self.find(key) is not None:
            return
        self.own.parent.mkdir(parents=True, exist_ok=True)
        entries = {**_read(self.own), key: sums._asdict()}
        write_json(self.own, {name: entries[name] for name in sorted(entries)})


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ToolError(f"the lock cannot be read: {error}", where=str(path), try_="repair it, or remove it") from error
    entries = found if isinstance(found, dict) else None
    if entries is None or not all(
        isinstance(entry, dict) and {"download", "program"} <= set(entry) for entry in entries.values()
    ):
        raise ToolError("this is not a lock of tools", where=str(path), try_="repair it, or remove it")
    return entries
