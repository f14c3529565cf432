"""The file system of a container: trees in memory, mounted on each other.

Paths are POSIX and absolute inside this module. Errors are Python's own OSError subclasses, so programs can print
``strerror``.
A container may hold :data:`CAPACITY` bytes of its own; more is "No space left on device".
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lab_helpers.twin.containers.streams import BytesInput, Input, NullOutput, Output

__all__ = ["CAPACITY", "File", "FileOutput", "FileSystem", "LiveTree", "Tree", "normalise"]

CAPACITY = 64 * 1024 * 1024

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def normalise(path: str, cwd: str = "/") -> str:
    """Absolute, without ``.``, ``..`` and double slashes."""
    joined = posixpath.normpath(posixpath.join(cwd, path) if path else cwd)
    return "/" + joined.lstrip("/")


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)


@dataclass(slots=True)
class File:
    """A regular file."""

    content: bytearray = field(default_factory=bytearray)
    mode: int = 0o644
    modified: datetime = EPOCH


class Tree:
    """Files and directories under one mount point; keys are relative paths, "" is the tree's own root."""

    def __init__(self, files: Mapping[str, bytes] | None = None, *, read_only: bool = False) -> None:
        self.files: dict[str, File] = {}
        self.directories: set[str] = {""}
        self.read_only = read_only
        for path, content in (files or {}).items():
            self.put(path.strip("/"), File(bytearray(content)))

    def put(self, path: str, file: File) -> None:
        """Place a file, making its directories."""
        parent = posixpath.dirname(path)
        while parent:
            self.directories.add(parent)
            parent = posixpath.dirname(parent)
        self.files[path] = file

    def refresh(self) -> None:
        """Bring the content up to date; ordinary trees are."""


class LiveTree(Tree):
    """Files computed when looked at: a ConfigMap, Secret, projected or downwardAPI volume follows its source at once.

    (The kubelet needs up to about a minute for that.)
    """

    def __init__(self, source: Callable[[], Mapping[str, bytes]], mode: int = 0o644) -> None:
        super().__init__(read_only=True)
        self._source = source
        self._mode = mode
        self.refresh()

    def refresh(self) -> None:
        """Ask the source again; a source that vanished keeps its last content."""
        try:
            current = self._source()
        except LookupError:
            return
        self.files.clear()
        self.directories = {""}
        for path, content in current.items():
            self.put(path.strip("/"), File(bytearray(content), self._mode))


@dataclass(frozen=True, slots=True)
class Mount:
    """``tree``'s part below ``sub_path`` appears at ``point``."""

    point: str
    tree: Tree
    sub_path: str = ""
    read_only: bool = False


class FileOutput(Output):
    """Appends to a file."""

    def __init__(self, system: FileSystem, file: File) -> None:
        self._system = system
        self._file = file

    async def write(self, data: bytes) -> None:
        """Append. Raises OSError(ENOSPC) when the container's space is used up."""
        self._system.reserve(len(data))
        self._file.content += data
        self._file.modified = self._system.now()


class FileSystem:
    """What a container sees: the image's tree at ``/`` and whatever is mounted above it."""

    def __init__(self, root: Tree, now: Callable[[], datetime]) -> None:
        self._mounts = [Mount("/", root)]
        self.now = now
        self._used = 0

    def mount(self, point: str, tree: Tree, *, sub_path: str = "", read_only: bool = False) -> None:
        """Put ``tree`` at ``point``; its parents appear in the root tree."""
        point = normalise(point)
        root = self._mounts[0].tree
        if sub_path and sub_path in tree.files:
            root.put(point.strip("/"), tree.files[sub_path])
            return
        parent = point.strip("/")
        while parent:
            root.directories.add(parent)
            parent = posixpath.dirname(parent)
        if sub_path:
            tree.directories.add(sub_path.strip("/"))
        self._mounts.append(Mount(point, tree, sub_path.strip("/"), read_only))

    def mounts(self) -> Iterator[tuple[str, bool]]:
        """Mount points and whether they are read-only."""
        for mount in self._mounts:
            yield mount.point, mount.read_only or mount.tree.read_only

    def reserve(self, size: int) -> None:
        """Account for ``size`` more bytes. Raises OSError(ENOSPC)."""
        if self._used + size > CAPACITY:
            raise _error(errno.ENOSPC, "")
        self._used += size

    def _locate(self, path: str) -> tuple[Mount, str]:
        best = max(
            (m for m in self._mounts if m.point == "/" or path == m.point or path.startswith(m.point + "/")),
            key=lambda m: len(m.point) if m.point != "/" else 0,
        )
        relative = path[len(best.point) :].strip("/") if best.point != "/" else path.strip("/")
        best.tree.refresh()
        return best, posixpath.join(best.sub_path, relative).strip("/") if best.sub_path else relative

    def find(self, path: str) -> File | None:
        """The file at an absolute path, or None (also for a directory)."""
        mount, relative = self._locate(normalise(path))
        return mount.tree.files.get(relative)

    def is_directory(self, path: str) -> bool:
        """Is there a directory?"""
        mount, relative = self._locate(normalise(path))
        return relative in mount.tree.directories or relative == mount.sub_path

    def exists(self, path: str) -> bool:
        """Is there anything?"""
        return path in DEVICES or self.find(path) is not None or self.is_directory(path)

    def read(self, path: str) -> bytes:
        """The whole content. Raises FileNotFoundError, IsADirectoryError, NotADirectoryError."""
        path = normalise(path)
        if path in DEVICES:
            return b""
        found = self.find(path)
        if found is not None:
            return bytes(found.content)
        if self.is_directory(path):
            raise _error(errno.EISDIR, path)
        if self.find(posixpath.dirname(path)) is not None:
            raise _error(errno.ENOTDIR, path)
        raise _error(errno.ENOENT, path)

    def open_input(self, path: str) -> Input:
        """For ``<``."""
        return BytesInput(self.read(path))

    def open_output(self, path: str, *, append: bool = False) -> Output:
        """For ``>`` and ``>>``. Raises OSError."""
        path = normalise(path)
        if path in DEVICES:
            return NullOutput()
        return FileOutput(self, self.create(path, truncate=not append))

    def create(self, path: str, *, truncate: bool = True) -> File:
        """The file at ``path``, made when missing. Raises OSError."""
        path = normalise(path)
        mount, relative = self._locate(path)
        if self.is_directory(path):
            raise _error(errno.EISDIR, path)
        if not self.is_directory(posixpath.dirname(path)):
            raise _error(errno.ENOENT, path)
        if mount.read_only or mount.tree.read_only:
            raise _error(errno.EROFS, path)
        found = mount.tree.files.get(relative)
        if found is None:
            found = mount.tree.files[relative] = File(modified=self.now())
        elif truncate:
            self._used = max(0, self._used - len(found.content))
            found.content.clear()
            found.modified = self.now()
        return found

    def write(self, path: str, content: bytes) -> None:
        """Replace the content. Raises OSError."""
        self.reserve(len(content))
        self.create(path).content += content

    def make_directory(self, path: str, *, parents: bool = False) -> None:
        """``mkdir``. Raises OSError."""
        path = normalise(path)
        if self.exists(path):
            if parents and self.is_directory(path):
                return
            raise _error(errno.EEXIST, path)
        parent = posixpath.dirname(path)
        if not self.is_directory(parent):
            if not parents:
                raise _error(errno.ENOENT, path)
            self.make_directory(parent, parents=True)
        mount, relative = self._writable(path)
        mount.tree.directories.add(relative)

    def remove(self, path: str, *, recursive: bool = False) -> None:
        """``rm``. Raises OSError."""
        path = normalise(path)
        mount, relative = self._writable(path)
        if relative in mount.tree.files:
            self._used = max(0, self._used - len(mount.tree.files[relative].content))
            del mount.tree.files[relative]
            return
        if not self.is_directory(path):
            raise _error(errno.ENOENT, path)
        if not recursive:
            raise _error(errno.EISDIR, path)
        inside = [name for name in mount.tree.files if name.startswith(relative + "/")]
        for name in inside:
            del mount.tree.files[name]
        mount.tree.directories -= {d for d in mount.tree.directories if d == relative or d.startswith(relative + "/")}

    def remove_directory(self, path: str) -> None:
        """``rmdir``. Raises OSError."""
        path = normalise(path)
        if self.find(path) is not None:
            raise _error(errno.ENOTDIR, path)
        if self.listing(path):
            raise _error(errno.ENOTEMPTY, path)
        mount, relative = self._writable(path)
        mount.tree.directories.discard(relative)

    def listing(self, path: str) -> list[str]:
        """Names in a directory, sorted. Raises OSError."""
        path = normalise(path)
        if not self.is_directory(path):
            raise _error(errno.ENOTDIR if self.find(path) is not None else errno.ENOENT, path)
        mount, relative = self._locate(path)
        prefix = relative + "/" if relative else ""
        names = {
            entry[len(prefix) :].split("/", 1)[0]
            for entry in (*mount.tree.files, *mount.tree.directories)
            if entry.startswith(prefix) and entry != relative
        }
        inner = path.rstrip("/") + "/"
        names |= {m.point[len(inner) :].split("/", 1)[0] for m in self._mounts if m.point.startswith(inner)}
        if path == "/dev":
            names |= {posixpath.basename(device) for device in DEVICES}
        return sorted(name for name in names if name)

    def _writable(self, path: str) -> tuple[Mount, str]:
        mount, relative = self._locate(path)
        if mount.read_only or mount.tree.read_only:
            raise _error(errno.EROFS, path)
        return mount, relative


DEVICES = frozenset({"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"})
