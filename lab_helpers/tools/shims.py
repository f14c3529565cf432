"""Launchers named ``kubectl``, ``helm``, ``cilium`` and ``hubble`` in a folder that goes onto PATH.

They start the interpreter without ``site`` and environment (``-IS``), which saves scanning site-packages, name the
folders they import from, put off loading what is hardly ever used, and leave without tidying up. With
CILIUM_LABS_TOOLS=system, a tool whose real program is on PATH gets no launcher.

``cilium-labs`` gets one as well, an ordinary one: shell cells find it though nobody activated the virtual environment.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["TOOLS", "ShimError", "real_program", "write_shims"]

TOOLS = ("kubectl", "helm", "cilium", "hubble")
_OWN = "cilium-labs"
_SHEBANG_LIMIT = 120  # Linux cut longer ones off before 5.1, some systems still do


class ShimError(OSError):
    """The folder cannot be written; the message says which and what to try."""


def write_shims(
    folder: Path,
    *,
    python: str = sys.executable,
    environ: Mapping[str, str] = os.environ,
    windows: bool = os.name == "nt",
) -> list[Path]:
    """Write the launchers into `folder`, remove those not wanted, and return the tools' wanted ones. Raises
    ShimError.
    """
    wanted = [tool for tool in TOOLS if not (_system(environ) and real_program(tool, folder, environ))]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folders = import_folders()
        written = [
            _write_one(folder, tool, script_text(tool, folders), python, "-IS", windows=windows) for tool in wanted
        ]
        _write_one(folder, _OWN, own_script_text(folders), python, "-I", windows=windows)
        for tool in TOOLS:
            if tool not in wanted:
                for name in (tool, f"{tool}.cmd", f"{tool}-launcher.py"):
                    (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise ShimError(
            f"cannot write the bundled tools into {folder}: {error.strerror or error}; check its permissions"
        ) from error
    return written


def _system(environ: Mapping[str, str]) -> bool:
    return environ.get("CILIUM_LABS_TOOLS", "") == "system"


def real_program(tool: str, folder: Path, environ: Mapping[str, str] = os.environ) -> str | None:
    """The real program on PATH; what stands in `folder`, where our launchers are, does not count."""
    own = folder.resolve()
    places = [place for place in environ.get("PATH", "").split(os.pathsep) if place and Path(place).resolve() != own]
    return shutil.which(tool, path=os.pathsep.join(places))


def import_folders() -> list[str]:
    """Where this package and the libraries it needs are imported from, without duplicates."""
    own = Path(__file__).resolve().parents[2]
    return list(dict.fromkeys([str(own), *_library_folders()]))


def _library_folders() -> Iterable[str]:
    import sysconfig

    paths = sysconfig.get_paths()
    for key in ("purelib", "platlib"):
        if Path(paths[key]).is_dir():
            yield paths[key]
    for name in ("yaml", "websockets", "google.protobuf"):
        found = _folder_of(name)
        if found:
            yield found


def _folder_of(name: str) -> str | None:
    """The folder on sys.path that holds a package (it may lie outside site-packages)."""
    from importlib.util import find_spec

    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        return None
    if spec is None or spec.origin is None:
        return None
    return str(Path(spec.origin).resolve().parents[name.count(".") + 1])


def script_text(tool: str, folders: Iterable[str]) -> str:
    """The launcher's Python."""
    return f"""\
import gc
import sys

gc.set_threshold(100_000, 50, 100)
sys.path += {list(folders)!r}
from lab_helpers.tools.deferring import RARELY_USED, defer

defer(*RARELY_USED)
from lab_helpers.tools.{tool}.__main__ import main
from lab_helpers.tools.leaving import leave

leave(main(sys.argv[1:]))
"""


def own_script_text(folders: Iterable[str]) -> str:
    """The Python of ``cilium-labs``."""
    return f"""\
import sys

sys.path += [folder for folder in {list(folders)!r} if folder not in sys.path]
from lab_helpers.cli.main import main

main()
"""


def _write_one(folder: Path, name: str, body: str, python: str, options: str, *, windows: bool) -> Path:
    if windows:
        _write(folder / f"{name}-launcher.py", body)
        target = folder / f"{name}.cmd"
        _write(target, f'@"{python}" {options} -X utf8 "%~dp0{name}-launcher.py" %*\r\n')
        return target
    target = folder / name
    _write(target, _shebang(python, options) + body, mode=0o755)
    return target


def _shebang(python: str, options: str) -> str:
    """The first lines: a plain shebang, or, where the path is too long or has blanks, a shell line Python reads as a
    string.
    """
    line = f"#!{python} {options}\n"
    if len(line) <= _SHEBANG_LIMIT and not any(char.isspace() for char in python):
        return line
    quoted = python.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")
    return f"#!/bin/sh\n'''exec' \"{quoted}\" {options} \"$0\" \"$@\"\n' '''\n"


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file in one step, if its content changes."""
    data = text.encode()
    try:
        if path.read_bytes() == data and (os.name == "nt" or path.stat().st_mode & 0o777 == mode):
            return
    except FileNotFoundError:
        pass
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.chmod(mode)
    temporary.replace(path)
