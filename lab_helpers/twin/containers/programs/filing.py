"""Programs over files: ls, mkdir, rm, rmdir, touch, cp, mv, chmod."""

from __future__ import annotations

import posixpath

from lab_helpers.twin.containers.processes import SimulatedProcess, program
from lab_helpers.twin.containers.programs.texts import options_of

__all__ = ["chmod", "cp", "ls", "mkdir", "mv", "rm", "rmdir", "touch"]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@program
async def ls(process: SimulatedProcess) -> int:
    """ls [-la1dhAFR] [PATH]..."""
    given, _, rest = options_of(process, "la1dhAFRrtniS")
    status = 0
    names = rest or ["."]
    files = [
        name
        for name in names
        if process.files.find(process.path(name)) is not None
        or ("d" in given and process.files.exists(process.path(name)))
    ]
    directories = [name for name in names if name not in files and process.files.is_directory(process.path(name))]
    for name in names:
        if name not in files and name not in directories:
            if process.files.exists(process.path(name)):
                files.append(name)
                continue
            await process.err(f"ls: {name}: No such file or directory\n")
            status = 1
    await _entries(process, given, [(name, process.path(name)) for name in files])
    for index, name in enumerate(directories):
        path = process.path(name)
        if len(names) > 1:
            await process.out(("\n" if index or files else "") + f"{name}:\n")
        entries = [
            (entry, posixpath.join(path, entry))
            for entry in process.files.listing(path)
            if "a" in given or "A" in given or not entry.startswith(".")
        ]
        if "a" in given:
            entries = [(".", path), ("..", posixpath.dirname(path)), *entries]
        if "l" in given:
            await process.out(f"total {4 * len(entries)}\n")
        await _entries(process, given, entries)
    return status


async def _entries(process: SimulatedProcess, given: set[str], entries: list[tuple[str, str]]) -> None:
    if "r" in given:
        entries.reverse()
    if "l" not in given:
        separator = "\n" if "1" in given or not process.tty else "  "
        if entries:
            await process.out(
                separator.join(
                    name + ("/" if "F" in given and process.files.is_directory(path) else "") for name, path in entries
                )
                + "\n"
            )
        return
    for name, path in entries:
        found = process.files.find(path)
        mode = found.mode if found else 0o755
        kind = "-" if found else "d"
        bits = "".join(letter if mode >> (8 - index) & 1 else "-" for index, letter in enumerate("rwxrwxrwx"))
        moment = found.modified if found else process.clock.now()
        size = len(found.content) if found else 4096
        stamp = f"{_MONTHS[moment.month - 1]} {moment.day:2d} {moment:%H:%M}"
        await process.out(f"{kind}{bits} {1 if found else 2:4d} root     root     {size:9d} {stamp} {name}\n")


async def _each(process: SimulatedProcess, names: list[str], verb: str, action: object) -> int:
    assert callable(action)
    status = 0
    for name in names:
        try:
            action(process.path(name))
        except OSError as error:
            await process.err(f"{process.name}: {verb} '{name}': {error.strerror}\n")
            status = 1
    return status


@program
async def mkdir(process: SimulatedProcess) -> int:
    """mkdir [-p] DIR..."""
    given, _, rest = options_of(process, "pv", "m")
    return await _each(
        process, rest, "can't create directory", lambda path: process.files.make_directory(path, parents="p" in given)
    )


@program
async def rm(process: SimulatedProcess) -> int:
    """rm [-rf] PATH..."""
    given, _, rest = options_of(process, "rfRiv")
    if "f" in given:
        rest = [name for name in rest if process.files.exists(process.path(name))]
    return await _each(
        process, rest, "can't remove", lambda path: process.files.remove(path, recursive=bool(given & {"r", "R"}))
    )


@program
async def rmdir(process: SimulatedProcess) -> int:
    """rmdir DIR..."""
    _, _, rest = options_of(process, "p")
    return await _each(process, rest, "can't remove", process.files.remove_directory)


@program
async def touch(process: SimulatedProcess) -> int:
    """touch FILE..."""
    given, _, rest = options_of(process, "cam", "dtr")

    def action(path: str) -> None:
        if process.files.is_directory(path) or ("c" in given and process.files.find(path) is None):
            return
        process.files.create(path, truncate=False).modified = process.clock.now()

    return await _each(process, rest, "can't touch", action)


@program
async def chmod(process: SimulatedProcess) -> int:
    """chmod MODE FILE...; octal modes and +x"""
    words = list(process.argv[1:])
    if len(words) < 2:
        return await process.fail("missing operand")
    mode = words.pop(0)

    def action(path: str) -> None:
        found = process.files.find(path)
        if found is None:
            if process.files.is_directory(path):
                return
            raise FileNotFoundError(2, "No such file or directory", path)
        found.mode = (
            int(mode, 8)
            if all(c in "01234567" for c in mode)
            else found.mode | 0o111
            if mode.endswith("+x")
            else found.mode
        )

    return await _each(process, words, "can't access", action)


@program
async def cp(process: SimulatedProcess) -> int:
    """cp SOURCE... TARGET; files only"""
    return await _copy(process, move=False)


@program
async def mv(process: SimulatedProcess) -> int:
    """mv SOURCE... TARGET; files only"""
    return await _copy(process, move=True)


async def _copy(process: SimulatedProcess, *, move: bool) -> int:
    _, _, rest = options_of(process, "rRfapvLP")
    if len(rest) < 2:
        return await process.fail("missing operand")
    *sources, target = rest
    directory = process.files.is_directory(process.path(target))
    if len(sources) > 1 and not directory:
        return await process.fail(f"target '{target}' is not a directory")

    def action(path: str) -> None:
        content = process.files.read(path)
        process.files.write(
            posixpath.join(process.path(target), posixpath.basename(path)) if directory else process.path(target),
            content,
        )
        if move:
            process.files.remove(path)

    return await _each(process, sources, "can't rename" if move else "can't stat", action)
