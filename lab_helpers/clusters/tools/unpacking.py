"""One program out of an archive, and nothing else: no other file is written, whatever the archive says.

Every entry is looked at before anything is written: an archive with absolute names, ``..`` or devices is refused as a
whole, because nobody who publishes a tool has a use for those.
"""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Final

from lab_helpers.clusters.tools.errors import ToolError, UnsafeArchive

__all__ = ["extract_member", "unpack_folder"]

_LARGEST: Final = 1 << 30


def extract_member(archive: Path, member: str, target: Path) -> None:
    """Write the file ``member`` of a .tar.gz or .zip to ``target``. Raises ToolError, UnsafeArchive."""
    try:
        if archive.name.endswith(".zip"):
            _from_zip(archive, member, target)
        else:
            _from_tar(archive, member, target)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise ToolError(
            f"the archive cannot be unpacked: {error}", where=str(archive), try_="the same again"
        ) from error


def unpack_folder(archive: Path, folder: Path) -> None:
    """Write all plain files of a .tar below ``folder``. Raises ToolError, UnsafeArchive."""
    try:
        with tarfile.open(archive) as tar:
            entries = tar.getmembers()
            for entry in entries:
                _checked(entry.name, archive)
                if not (entry.isfile() or entry.isdir()):
                    raise UnsafeArchive(f"{entry.name} is neither a file nor a folder", where=str(archive))
            for entry in (entry for entry in entries if entry.isfile()):
                path = folder.joinpath(*_checked(entry.name, archive))
                path.parent.mkdir(parents=True, exist_ok=True)
                source = tar.extractfile(entry)
                assert source is not None
                with source, path.open("wb") as stream:
                    shutil.copyfileobj(source, stream)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ToolError(f"the archive cannot be unpacked: {error}", where=str(archive)) from error


def _from_tar(archive: Path, member: str, target: Path) -> None:
    with tarfile.open(archive) as tar:
        found = None
        for entry in tar:
            name = "/".join(_checked(entry.name, archive))
            if entry.isdev():
                raise UnsafeArchive(f"{entry.name} is a device", where=str(archive))
            if name == member:
                found = entry
        if found is None:
            raise ToolError(f"the archive has no {member}", where=str(archive), try_="see environment/tools.toml")
        if not found.isfile():
            raise UnsafeArchive(f"{member} is not a plain file", where=str(archive))
        source = tar.extractfile(found)
        assert source is not None
        with source:
            _write(source, found.size, target)


def _from_zip(archive: Path, member: str, target: Path) -> None:
    with zipfile.ZipFile(archive) as pack:
        found = None
        for entry in pack.infolist():
            if "/".join(_checked(entry.filename, archive)) == member:
                found = entry
        if found is None:
            raise ToolError(f"the archive has no {member}", where=str(archive), try_="see environment/tools.toml")
        mode = found.external_attr >> 16
        if found.is_dir() or (mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode)):
            raise UnsafeArchive(f"{member} is not a plain file", where=str(archive))
        with pack.open(found) as source:
            _write(source, found.file_size, target)


def _write(source: IO[bytes], size: int, target: Path) -> None:
    if size > _LARGEST:
        raise UnsafeArchive(f"{target.name} would have {size} bytes", where=str(target))
    with target.open("wb") as stream:
        shutil.copyfileobj(source, stream)
    if target.stat().st_size != size:
        raise ToolError(f"{target.name} is cut short in the archive", where=str(target))


def _checked(name: str, archive: Path) -> tuple[str, ...]:
    """The parts of a relative name that stays where it is put, on every operating system."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if posix.is_absolute() or windows.drive or windows.root or ".." in posix.parts or ".." in windows.parts:
        raise UnsafeArchive(
            f'the archive has an entry named "{name}"', where=str(archive), try_="do not use it; tell its publisher"
        )
    return tuple(part for part in posix.parts if part != ".")
