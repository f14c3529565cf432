"""Filters over lines, fields and characters: sort, uniq, cut, tr."""

from __future__ import annotations

import re
from collections.abc import Callable

from lab_helpers.twin.containers.errors import ProgramExit
from lab_helpers.twin.containers.processes import SimulatedProcess, program
from lab_helpers.twin.containers.programs.texts import lines, missing, options_of

__all__ = ["cut", "sort", "tr", "uniq"]


@program
async def sort(process: SimulatedProcess) -> int:
    """sort [-nruhVf] [-k FIELD[,FIELD]] [-t CHAR] [FILE]..."""
    given, values, rest = options_of(process, "nrubfhVs", "kto")
    everything = [line.rstrip(b"\n").decode("utf-8", "surrogateescape") async for line in lines(process, rest)]
    separator = values.get("t")
    spec = re.fullmatch(r"(\d+)(?:\.\d+)?([nrfbhV]*)(?:,(\d+)(?:\.\d+)?([nrfbhV]*))?", values.get("k", "1"))
    if not spec:
        return await process.fail(f"bad field specification '{values.get('k')}'")
    kinds = given | set(spec.group(2) or "") | set(spec.group(4) or "")
    first, last = int(spec.group(1)), int(spec.group(3) or 0)

    def key(line: str) -> object:
        text = line
        if "k" in values:
            fields = line.split(separator) if separator else line.split()
            text = (separator or " ").join(fields[first - 1 : last or None])
        if kinds & {"n", "h"}:
            found = re.match(r"\s*(-?\d+(?:\.\d+)?)([KMGT]?)", text)
            number = (
                float(found.group(1))
                * {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}[found.group(2) if "h" in kinds else ""]
                if found
                else 0.0
            )
            return (number, line)
        if "V" in kinds:
            return ([(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text)], line)
        return (text.lower() if "f" in kinds else text, line)

    everything.sort(key=key, reverse="r" in kinds)  # type: ignore[arg-type]
    if "u" in given:
        everything = list(dict.fromkeys(everything))
    text = "".join(line + "\n" for line in everything)
    if "o" in values:
        process.files.write(process.path(values["o"]), text.encode("utf-8", "surrogateescape"))
    else:
        await process.out(text)
    return missing(process, rest)


@program
async def uniq(process: SimulatedProcess) -> int:
    """uniq [-cdui] [FILE]"""
    given, _, rest = options_of(process, "cdui")
    groups: list[tuple[bytes, int]] = []

    def same(a: bytes, b: bytes) -> bool:
        return a.lower() == b.lower() if "i" in given else a == b

    async for line in lines(process, rest[:1]):
        bare = line.rstrip(b"\n")
        if groups and same(groups[-1][0], bare):
            groups[-1] = (groups[-1][0], groups[-1][1] + 1)
        else:
            groups.append((bare, 1))
    for text, count in groups:
        if ("d" in given and count < 2) or ("u" in given and count > 1):
            continue
        await process.out((f"{count:7d} ".encode() if "c" in given else b"") + text + b"\n")
    return missing(process, rest[:1])


def _ranges(process: SimulatedProcess, text: str) -> Callable[[int], bool]:
    spans = []
    for part in text.split(","):
        found = re.fullmatch(r"(\d*)(-?)(\d*)", part)
        if not found or part in ("", "-"):
            raise ProgramExit(1, f"{process.name}: invalid range '{text}'\n")
        low = int(found.group(1) or 1)
        spans.append((low, int(found.group(3) or 2**31) if found.group(2) else low))
    return lambda number: any(low <= number <= high for low, high in spans)


@program
async def cut(process: SimulatedProcess) -> int:
    """cut -d CHAR -f LIST | -c LIST [FILE]..."""
    given, values, rest = options_of(process, "sn", "dfcb")
    kind = next((letter for letter in "fcb" if letter in values), None)
    if kind is None:
        return await process.fail("expected a list of bytes, characters, or fields")
    wanted = _ranges(process, values[kind])
    separator = values.get("d", "\t")
    async for line in lines(process, rest):
        text = line.decode("utf-8", "surrogateescape").rstrip("\n")
        if kind == "f":
            if separator not in text:
                if "s" not in given:
                    await process.out(text + "\n")
                continue
            fields = text.split(separator)
            await process.out(separator.join(field for number, field in enumerate(fields, 1) if wanted(number)) + "\n")
        else:
            await process.out("".join(char for number, char in enumerate(text, 1) if wanted(number)) + "\n")
    return missing(process, rest)


_SETS = {
    "upper": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "lower": "abcdefghijklmnopqrstuvwxyz", "digit": "0123456789",
    "space": " \t\n\r\f\v", "blank": " \t",
    "alpha": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "punct": "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "alnum": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
}  # fmt: skip


def _set(text: str) -> str:
    from lab_helpers.twin.containers.formatting import unescape

    text = re.sub(r"\[:(\w+):\]", lambda found: _SETS.get(found.group(1), found.group()), unescape(text)[0])
    return re.sub(
        r"(.)-(.)",
        lambda found: "".join(chr(code) for code in range(ord(found.group(1)), ord(found.group(2)) + 1)),
        text,
        flags=re.DOTALL,
    )


@program
async def tr(process: SimulatedProcess) -> int:
    """tr [-cds] SET1 [SET2]"""
    given, _, rest = options_of(process, "cdsC")
    if not rest:
        return await process.fail("missing operand")
    first, second = _set(rest[0]), _set(rest[1]) if len(rest) > 1 else ""
    text = (await process.stdin.read_all()).decode("utf-8", "surrogateescape")
    complement = bool(given & {"c", "C"})

    def inside(char: str) -> bool:
        return (char in first) != complement

    if "d" in given:
        text = "".join(char for char in text if not inside(char))
    elif second:
        padded = second + second[-1] * max(len(first) - len(second), 0)
        table = dict(zip(first, padded, strict=False))
        text = "".join((second[-1] if inside(char) else char) if complement else table.get(char, char) for char in text)
    if "s" in given:
        squeezed = second or first
        text = (
            re.sub(f"([{re.escape(squeezed)}])\\1+", r"\1", text)
            if not complement or second
            else re.sub(f"([^{re.escape(squeezed)}])\\1+", r"\1", text)
        )
    await process.out(text)
    return 0
