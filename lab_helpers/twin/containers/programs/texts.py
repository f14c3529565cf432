"""Filters over text: cat, head, tail, wc, tee, seq, yes, base64; and how such programs read options and files."""

from __future__ import annotations

import asyncio
import base64 as base64_module
import re
from collections.abc import AsyncIterator, Collection, Sequence

from lab_helpers.twin.containers.errors import ProgramExit
from lab_helpers.twin.containers.processes import SimulatedProcess, program
from lab_helpers.twin.containers.streams import Input

__all__ = ["base64", "cat", "head", "inputs", "lines", "missing", "options_of", "seq", "tail", "tee", "wc", "yes"]


def options_of(process: SimulatedProcess, flags: str, values: str = "") -> tuple[set[str], dict[str, str], list[str]]:
    """getopt: (flags given, values given, the rest). Raises ProgramExit(1) for anything else."""
    given: set[str] = set()
    valued: dict[str, str] = {}
    rest: list[str] = []
    arguments = list(process.argv[1:])
    while arguments:
        word = arguments.pop(0)
        if word == "--":
            rest += arguments
            break
        if not word.startswith("-") or word == "-":
            rest.append(word)
            continue
        if word.startswith("--"):
            raise ProgramExit(1, f"{process.name}: unrecognized option: {word[2:]}\n")
        for index, letter in enumerate(word[1:], 1):
            if letter in values:
                value = word[index + 1 :]
                if not value:
                    if not arguments:
                        raise ProgramExit(1, f"{process.name}: option requires an argument: {letter}\n")
                    value = arguments.pop(0)
                valued[letter] = value
                break
            if letter not in flags:
                raise ProgramExit(1, f"{process.name}: unrecognized option: {letter}\n")
            given.add(letter)
    return given, valued, rest


async def inputs(process: SimulatedProcess, names: Sequence[str]) -> AsyncIterator[tuple[str, Input]]:
    """Each file (``-`` or none: standard input), open; a file that cannot be opened is complained about and left out.

    ``process.env`` is untouched; whether something was left out is in the second element of :func:`failures`.
    """
    for name in names or ["-"]:
        if name == "-":
            yield name, process.stdin
            continue
        path = process.path(name)
        known = {"/dev/stdin": process.stdin}.get(path)
        if known is not None:
            yield name, known
            continue
        try:
            yield name, process.files.open_input(path)
        except OSError as error:
            text = (
                f"can't open '{name}': {error.strerror}"
                if isinstance(error, FileNotFoundError)
                else f"read error: {error.strerror}"
            )
            await process.err(f"{process.name}: {text}\n")


def missing(process: SimulatedProcess, names: Sequence[str]) -> int:
    """1 when one of the files cannot be read."""
    for name in names:
        if (
            name != "-"
            and process.path(name) != "/dev/stdin"
            and (process.files.find(process.path(name)) is None and not process.path(name).startswith("/dev/"))
        ):
            return 1
    return 0


async def lines(process: SimulatedProcess, names: Sequence[str]) -> AsyncIterator[bytes]:
    """All lines of all files, with their newlines."""
    async for _, source in inputs(process, names):
        while line := await source.read_line():
            yield line


@program
async def cat(process: SimulatedProcess) -> int:
    """cat [-nbvetAs] [FILE]..."""
    given, _, rest = options_of(process, "nuvetTEAbs")
    status = missing(process, rest)
    number, empty = 0, False
    async for _, source in inputs(process, rest):
        if set(given) & set("nbvetTEAs"):
            while line := await source.read_line():
                blank = line == b"\n"
                if blank and empty and "s" in given:
                    continue
                empty = blank
                if "b" in given and blank:
                    await process.out(_visible(line, given))
                    continue
                number += 1
                before = f"{number:6d}\t".encode() if set(given) & set("nb") else b""
                await process.out(before + _visible(line, given))
            continue
        while chunk := await source.read():
            await process.out(chunk)
    return status


def _visible(line: bytes, given: Collection[str]) -> bytes:
    """One line as ``cat -v``, ``-t`` and ``-e`` show it."""
    out = bytearray()
    unseen = bool(set(given) & set("vetA"))
    for byte in line.removesuffix(b"\n"):
        if byte == 9:
            out += b"^I" if set(given) & set("tTA") else b"\t"
            continue
        low = byte & 0x7F
        if not unseen or (byte == low and 32 <= low < 127):
            out.append(byte)
            continue
        out += b"M-" if byte != low else b""
        out += bytes([94, low ^ 64]) if low < 32 or low == 127 else bytes([low])
    if line.endswith(b"\n"):
        out += b"$\n" if set(given) & set("eEA") else b"\n"
    return bytes(out)


def _count(process: SimulatedProcess, text: str) -> int:
    found = re.fullmatch(r"[-+]?(\d+)([kKmM]?)", text)
    if not found:
        raise ProgramExit(1, f"{process.name}: invalid number '{text}'\n")
    return int(found.group(1)) * {"": 1, "k": 1024, "K": 1024, "m": 2**20, "M": 2**20}[found.group(2)]


def _old_style(process: SimulatedProcess) -> None:
    """``head -5`` means ``head -n 5``."""
    argv = list(process.argv)
    process.argv = [
        argv[0],
        *(part for word in argv[1:] for part in (["-n", word[1:]] if re.fullmatch(r"-\d+", word) else [word])),
    ]


@program
async def head(process: SimulatedProcess) -> int:
    """head [-n N] [-c N] [FILE]..."""
    _old_style(process)
    given, values, rest = options_of(process, "qv", "nc")
    limit = _count(process, values.get("c") or values.get("n", "10"))
    drop = (values.get("n") or "").startswith("-")
    async for name, source in inputs(process, rest):
        if len(rest) > 1 and "q" not in given:
            await process.out(f"==> {name} <==\n")
        if "c" in values:
            await process.out((await source.read_all())[:limit])
        elif drop:
            everything = (await source.read_all()).splitlines(keepends=True)
            await process.out(b"".join(everything[: max(len(everything) - limit, 0)]))
        else:
            for _ in range(limit):
                line = await source.read_line()
                if not line:
                    break
                await process.out(line)
    return missing(process, rest)


@program
async def tail(process: SimulatedProcess) -> int:
    """tail [-n N] [-c N] [-f] [FILE]..."""
    _old_style(process)
    given, values, rest = options_of(process, "fFqv", "nc")
    text = values.get("c") or values.get("n", "10")
    limit, from_start = _count(process, text), text.startswith("+")
    for name in rest or ["-"]:
        async for _, source in inputs(process, [name]):
            data = await source.read_all()
            if len(rest) > 1 and "q" not in given:
                await process.out(f"==> {name} <==\n")
            pieces: Sequence[bytes] = (
                [data[i : i + 1] for i in range(len(data))] if "c" in values else data.splitlines(keepends=True)
            )
            chosen = (
                pieces[limit - 1 if limit else 0 :] if from_start else pieces[len(pieces) - min(limit, len(pieces)) :]
            )
            await process.out(b"".join(chosen))
    if given & {"f", "F"} and rest:
        await _follow(process, rest[-1])
    return missing(process, rest)


async def _follow(process: SimulatedProcess, name: str) -> None:
    """Look once a second of the clock."""
    seen = len(process.files.read(process.path(name))) if process.files.find(process.path(name)) else 0
    while True:
        await process.clock.sleep(1.0)
        found = process.files.find(process.path(name))
        size = len(found.content) if found else 0
        if found and size > seen:
            await process.out(bytes(found.content[seen:]))
        seen = size


@program
async def wc(process: SimulatedProcess) -> int:
    """wc [-lwcm] [FILE]..."""
    given, _, rest = options_of(process, "lwcmL")
    totals = [0, 0, 0, 0, 0]
    chosen = [letter for letter in "lwcmL" if letter in given] or ["l", "w", "c"]
    count = 0
    async for name, source in inputs(process, rest):
        data = await source.read_all()
        text = data.decode("utf-8", "replace")
        longest = max((len(line) for line in text.splitlines()), default=0)
        numbers = [data.count(b"\n"), len(data.split()), len(data), len(text), longest]
        totals = [a + b for a, b in zip(totals, numbers, strict=True)]
        count += 1
        await process.out(_wc_line(numbers, chosen, name if rest else ""))
    if count > 1:
        await process.out(_wc_line(totals, chosen, "total"))
    return missing(process, rest)


def _wc_line(numbers: Sequence[int], chosen: Sequence[str], name: str) -> str:
    shown = [str(numbers["lwcmL".index(letter)]) for letter in chosen]
    if len(shown) == 1:
        text = shown[0]
    else:
        text = " ".join(f"{number:>9}" for number in shown)
    return text + (f" {name}" if name and name != "-" else "") + "\n"


@program
async def tee(process: SimulatedProcess) -> int:
    """tee [-a] FILE..."""
    given, _, rest = options_of(process, "ai")
    outputs = [process.files.open_output(process.path(name), append="a" in given) for name in rest]
    while chunk := await process.stdin.read():
        await process.out(chunk)
        for output in outputs:
            await output.write(chunk)
    return 0


@program
async def seq(process: SimulatedProcess) -> int:
    """seq [-w] [-s SEP] [FIRST [INC]] LAST"""
    words = list(process.argv[1:])
    separator, wide = "\n", False
    while words and re.fullmatch(r"-[ws]", words[0]):
        option = words.pop(0)
        wide = wide or option == "-w"
        if option == "-s" and words:
            separator = words.pop(0)
    try:
        numbers = [int(word) if re.fullmatch(r"-?\d+", word) else float(word) for word in words]
    except ValueError:
        return await process.fail(f"invalid floating point argument: {' '.join(words)}")
    if not 1 <= len(numbers) <= 3:
        return await process.fail("missing operand")
    first, step, last = (
        (1, 1, numbers[0]) if len(numbers) == 1 else (numbers[0], 1, numbers[1]) if len(numbers) == 2 else numbers
    )
    if step == 0 or (last - first) / step > 10_000_000:
        return await process.fail("the sequence is too long")
    count = int((last - first) / step + 1e-9) + 1 if (last - first) / step >= 0 else 0
    width = max(len(f"{first:g}"), len(f"{last:g}")) if wide else 0
    for start in range(0, count, 1000):
        values = [first + index * step for index in range(start, min(start + 1000, count))]
        text = separator.join((str(v) if isinstance(v, int) else f"{v:g}").zfill(width) for v in values)
        await process.out(text + (separator if start + 1000 < count else "\n"))
        await asyncio.sleep(0)
    return 0


@program
async def yes(process: SimulatedProcess) -> int:
    """yes [WORD]"""
    line = (" ".join(process.argv[1:]) or "y") + "\n"
    while True:
        await process.out(line * 64)
        await asyncio.sleep(0)


@program
async def base64(process: SimulatedProcess) -> int:
    """base64 [-d] [-w N] [FILE]"""
    given, values, rest = options_of(process, "di", "w")
    data = b"".join([line async for line in lines(process, rest[:1])])
    if "d" in given:
        try:
            await process.out(base64_module.b64decode(data))
        except ValueError:
            return await process.fail("invalid input")
        return 0
    text = base64_module.b64encode(data).decode()
    width = int(values.get("w", "76")) or len(text) or 1
    await process.out(
        "".join(text[i : i + width] + ("\n" if values.get("w") != "0" else "") for i in range(0, len(text), width))
    )
    return 0
