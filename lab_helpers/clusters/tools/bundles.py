"""An offline bundle as a folder: ``bundle.json``, ``tools/``, and where they were wanted ``images/`` and ``charts/``.

A bundle may be given as the .tar that ``cilium-labs bundle`` writes; it is unpacked once, into the home.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab_helpers.clusters.tools.errors import ToolError
from lab_helpers.clusters.tools.unpacking import unpack_folder

__all__ = ["DESCRIPTION", "open_bundle", "read_bundle"]

DESCRIPTION = "bundle.json"


def open_bundle(path: Path, cache: Path) -> Path:
    """The bundle's folder: ``path`` itself, or ``cache`` with what the .tar at ``path`` contains. Raises ToolError."""
    if path.is_dir():
        read_bundle(path)
        return path
    try:
        stat = path.stat()
        stamp = {"path": str(path.resolve()), "size": stat.st_size, "changed": stat.st_mtime_ns}
    except OSError as error:
        raise ToolError(
            f"there is no bundle: {error.strerror}", where=str(path), try_="CILIUM_LABS_BUNDLE=<folder or .tar>"
        ) from error
    mark = cache / "unpacked.json"
    if not mark.is_file() or json.loads(mark.read_text(encoding="utf-8")) != stamp:
        shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir(parents=True)
        unpack_folder(path, cache)
        mark.write_text(json.dumps(stamp), encoding="utf-8")
    read_bundle(cache)
    return cache


def read_bundle(folder: Path) -> Mapping[str, Any]:
    """What ``bundle.json`` says. Raises ToolError when this is no bundle."""
    try:
        found = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ToolError(
            f"this is not a bundle: {error}", where=str(folder), try_="make one: cilium-labs bundle --help"
        ) from error
    if not isinstance(found, dict) or found.get("format") != 1:
        raise ToolError("this bundle has a form that is not known here", where=str(folder), try_="make a new one")
    return found
