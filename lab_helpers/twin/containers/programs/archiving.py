"""``tar``, as far as ``kubectl cp`` and everyday use need it: -c, -x, -t on plain archives; the format is Python's."""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Iterator

from lab_helpers.twin.containers.errors import ContainersError
from lab_helpers.twin.containers.processes import SimulatedProcess, program

__all__ = ["tar"]

_ACTIONS = "cxt"
_IGNORED = ("--no-same-permissions", "--no-same-owner", "--warning=no-unknown-keyword", "--numeric-owner")
_HELP = "must specify one of -c, -t, -x"


class _UsageError(ContainersError):
    """What is wrong with the command line."""


class _Options:
    """Action, archive ("-" for standard streams), folder to work in, verbosity, names."""

    def __init__(self, words: list[str]) -> None:
        self.action, self.archive, self.folder, self.verbose = "", "-", "", False
        self.names: list[str] = []
        if words and not words[0].startswith("-"):
            words = ["-" + words[0], *words[1:]]
        rest = iter(words)
        for word in rest:
            if word in _IGNORED:
                continue
            if word.startswith("--") and word != "--":
                raise _UsageError(f"unrecognized option: {word.removeprefix('--')}")
            if word.startswith("-") and len(word) > 1 and word != "--":
                self._letters(word[1:], rest)
            elif word != "--":
                self.names.append(word)
        if not self.action:
            raise _UsageError(_HELP)

    def _letters(self, letters: str, rest: Iterator[str]) -> None:
        for place, letter in enumerate(letters):
            if letter in _ACTIONS:
                if self.action not in ("", letter):
                    raise _UsageError(_HELP)
                self.action = letter
            elif letter == "v":
                self.verbose = True
            elif letter in "fC":
                value = letters[place + 1 :] or next(rest, "")
                if not value:
                    raise _UsageError(f"option requires an argument: {letter}")
                if letter == "f":
                    self.archive = value
                else:
                    self.folder = value
                return
            elif letter in "zjJ":
                raise _UsageError(f"-{letter} is not simulated: archives are not compressed here")
            elif letter not in "mpohS":
                raise _UsageError(f"unrecognized option: {letter}")


@program
async def tar(process: SimulatedProcess) -> int:
    """tar -c|-x|-t [-v] [-f FILE] [-C DIR] [NAME]..."""
    try:
        options = _Options(list(process.argv[1:]))
    except _UsageError as error:
        return await process.fail(str(error))
    folder = process.path(options.folder or ".")
    if not process.files.is_directory(folder):
        return await process.fail(f"can't change directory to '{options.folder}': No such file or directory")
    if options.action == "c":
        return await _create(process, options, folder)
    try:
        own = options.archive == "-"
        data = await process.stdin.read_all() if own else process.files.read(process.path(options.archive))
    except OSError:
        return await process.fail(f"can't open '{options.archive}': No such file or directory")
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            return await _read(process, options, folder, archive)
    except tarfile.TarError:
        return await process.fail("invalid tar magic" if data else "short read")


async def _create(process: SimulatedProcess, options: _Options, folder: str) -> int:
    if not options.names:
        return await process.fail("empty archive")
    out, status = io.BytesIO(), 0
    shown: list[str] = []
    with tarfile.open(fileobj=out, mode="w:") as archive:
        for name in options.names:
            path = posixpath.normpath(posixpath.join(folder, name))
            if not process.files.exists(path):
                await process.err(f"tar: {name}: No such file or directory\n")
                status = 1
                continue
            if name.startswith("/"):
                await process.err("tar: removing leading '/' from member names\n")
            _add(process, archive, path, name.lstrip("/") or ".", shown)
    if options.verbose:
        told = "".join(f"{name}\n" for name in shown)
        await (process.err(told) if options.archive == "-" else process.out(told))
    if options.archive == "-":
        await process.out(out.getvalue())
    else:
        process.files.write(process.path(options.archive), out.getvalue())
    return status


def _add(process: SimulatedProcess, archive: tarfile.TarFile, path: str, name: str, shown: list[str]) -> None:
    found = process.files.find(path)
    entry = tarfile.TarInfo(name)
    shown.append(name)
    if found is not None:
        entry.size, entry.mode = len(found.content), found.mode
        entry.mtime = int(found.modified.timestamp())
        archive.addfile(entry, io.BytesIO(bytes(found.content)))
        return
    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
    entry.mtime = int(process.clock.now().timestamp())
    archive.addfile(entry)
    for child in process.files.listing(path):
        _add(process, archive, posixpath.join(path, child), posixpath.join(name, child), shown)


async def _read(process: SimulatedProcess, options: _Options, folder: str, archive: tarfile.TarFile) -> int:
    wanted = [name.rstrip("/") for name in options.names]
    missing = set(wanted)
    for entry in archive:
        inside = [name for name in wanted if entry.name == name or entry.name.startswith(name + "/")]
        if wanted and not inside:
            continue
        missing -= set(inside)
        if options.action == "t" or options.verbose:
            await process.out(entry.name + ("/" if entry.isdir() else "") + "\n")
        if options.action == "t":
            continue
        # names cannot lead out of the folder: the container's files are all there is anyway
        path = posixpath.normpath(posixpath.join(folder, entry.name.lstrip("/")))
        try:
            if entry.isdir():
                process.files.make_directory(path, parents=True)
            elif entry.isfile():
                process.files.make_directory(posixpath.dirname(path), parents=True)
                content = archive.extractfile(entry)
                process.files.write(path, content.read() if content is not None else b"")
        except OSError as error:
            return await process.fail(f"can't open '{entry.name}': {error.strerror}")
    for name in sorted(missing):
        await process.err(f"tar: {name}: not found in archive\n")
    return 1 if missing else 0
