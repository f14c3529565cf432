"""Which program ``kubectl``, ``helm``, ``cilium`` and ``hubble`` are, in shells and notebooks of a real cluster.

In this order: the one installed by ``cilium-labs tools install``, the one on PATH, the bundled one. So a real cluster
is worked on with the real programs as soon as they are there. ``CILIUM_LABS_TOOLS=bundled`` takes the bundled ones all
the same. helm has no stand-in here: the bundled one carries the twin's chart, which is not for a real cluster. (The
twin has its own order: bundled first, see ``lab_helpers.tools.shims``.)
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from lab_helpers.clusters.errors import ClusterError
from lab_helpers.clusters.homes import Home
from lab_helpers.clusters.tools.catalogues import load_catalogue, this_platform
from lab_helpers.clusters.tools.errors import ToolError
from lab_helpers.tools.shims import TOOLS, ShimError, write_shims

__all__ = ["link_tools"]


def link_tools(home: Home, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Fill ``home/bin``; returns where each tool comes from: "installed", "system", "bundled" or "nowhere".

    Raises ClusterError.
    """
    bundled = environ.get("CILIUM_LABS_TOOLS") == "bundled"
    origins = {}
    try:
        write_shims(home.bin, python=sys.executable, environ={"PATH": environ.get("PATH", "")})
        for tool in TOOLS:
            program = None if bundled else _installed(home, tool)
            if program is not None:
                _link(home.bin, tool, program)
                origins[tool] = "installed"
            elif not bundled and _on_path(home, tool, environ):
                _unlink(home.bin, tool)
                origins[tool] = "system"
            elif tool == "helm" and not bundled:
                _unlink(home.bin, tool)
                origins[tool] = "nowhere"
            else:
                origins[tool] = "bundled"
        kind = _installed(home, "kind")
        if kind is not None:
            _link(home.bin, "kind", kind)
    except ShimError as error:
        raise ClusterError(str(error), where=str(home.bin), try_="free space, or set CILIUM_LABS_HOME") from error
    except OSError as error:
        raise ClusterError(
            f"cannot write: {error.strerror}", where=str(error.filename or home.bin), try_="free some space"
        ) from error
    return origins


def find_tool(home: Home, name: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """The real program to run for ``name``: the installed one, else the one on PATH that is not our launcher."""
    program = _installed(home, name)
    return str(program) if program is not None else _on_path(home, name, environ)


def _installed(home: Home, tool: str) -> Path | None:
    try:
        asset = load_catalogue().tool(tool).asset(this_platform())
    except ToolError:
        return None
    path = home.tools / asset.tool / asset.version / asset.program
    return path if path.is_file() else None


def _on_path(home: Home, tool: str, environ: Mapping[str, str]) -> str | None:
    own = home.bin.resolve()
    folders = [part for part in environ.get("PATH", "").split(os.pathsep) if part and Path(part).resolve() != own]
    return shutil.which(tool, path=os.pathsep.join(folders))


def _link(folder: Path, tool: str, program: Path) -> None:
    _unlink(folder, tool)
    if os.name == "nt":
        (folder / f"{tool}.cmd").write_text(f'@"{program}" %*\r\n', encoding="utf-8", newline="")
    else:
        (folder / tool).symlink_to(program)


def _unlink(folder: Path, tool: str) -> None:
    for name in (tool, f"{tool}.cmd", f"{tool}-launcher.py"):
        (folder / name).unlink(missing_ok=True)
