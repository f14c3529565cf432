"""The builtins that take input apart: ``read`` (a line into variables), ``getopts`` (arguments into options)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lab_helpers.twin.containers.shell.errors import NO_ARRAYS
from lab_helpers.twin.containers.shell.running import Shell
from lab_helpers.twin.containers.streams import Input

__all__ = ["getopts_", "read_"]


async def read_(shell: Shell, words: Sequence[str]) -> int:
    """``read [-r] [-n count] [-d end] [-p prompt] name…``; 1 at the end of the input."""
    arguments = list(words[1:])
    raw = False
    count, end = 0, "\n"
    while arguments and arguments[0].startswith("-") and len(arguments[0]) > 1:
        option = arguments.pop(0)
        if option == "--":
            break
        raw = raw or "r" in option
        letter = option[-1]
        if letter == "a":
            await shell.complain(f"read: -a: {NO_ARRAYS}")
            return 2
        if letter in "ptnNdu" and arguments:
            value = arguments.pop(0)
            if letter == "p":
                await shell.err(value)
            elif letter in "nN" and value.isdigit():
                count = int(value)
            elif letter == "d":
                end = value[:1] or "\0"
    names = arguments or ["REPLY"]
    source = shell.descriptors.get(0)
    text, complete = await _line(source, end, count) if isinstance(source, Input) else ("", False)
    while not raw and not count and complete and text.endswith("\\") and isinstance(source, Input):
        more, complete = await _line(source, end, count)
        text = text[:-1] + more
    if not raw:
        text = re.sub(r"\\(.)", r"\1", text)
    separators = shell.get("IFS")
    separators = " \t\n" if separators is None else separators
    values = [text] if not arguments else _fields(text, separators, len(names))
    for name, value in zip(names, values, strict=True):
        shell.put(name, value)
    return 0 if complete else 1


async def _line(source: Input, end: str, count: int) -> tuple[str, bool]:
    """Up to ``end`` or ``count`` bytes (0: any number), and whether that came before the input's end."""
    if end == "\n" and not count:
        line = await source.read_line()
        return line.decode("utf-8", "surrogateescape").removesuffix("\n"), line.endswith(b"\n")
    data = b""
    complete = False
    while not complete:
        char = await source.read(1)
        if not char:
            break
        complete = char == end.encode("utf-8", "surrogateescape")
        if not complete:
            data += char
            complete = len(data) == count
    return data.decode("utf-8", "surrogateescape"), complete


def _fields(text: str, separators: str, count: int) -> list[str]:
    blanks = "".join(char for char in separators if char in " \t\n")
    rest = text.strip(blanks) if blanks else text
    fields: list[str] = []
    while len(fields) < count - 1:
        found = re.search(f"[{re.escape(separators)}]", rest) if separators and rest else None
        if not found:
            break
        fields.append(rest[: found.start()])
        rest = rest[found.start() :]
        skipped = (
            re.match(f"[{re.escape(blanks)}]*([{re.escape(separators)}])?[{re.escape(blanks)}]*", rest)
            if blanks
            else None
        )
        rest = rest[skipped.end() :] if skipped else rest[1:]
    fields.append(rest)
    return fields + [""] * (count - len(fields))


async def getopts_(shell: Shell, words: Sequence[str]) -> int:
    """``getopts optstring name [argument…]`` (POSIX); 1 when there are no more options."""
    if len(words) < 3:
        await shell.complain("getopts: usage: getopts optstring name [arg ...]")
        return 2
    options, name = words[1:3]
    arguments = list(words[3:]) or shell.positional
    index = int(shell.get("OPTIND") or "1")
    if index == 1 and shell.option_index != 1:
        shell.option_at = 1
    word = arguments[index - 1] if index <= len(arguments) else ""
    if word == "--" or not word.startswith("-") or len(word) < 2:
        shell.put(name, "?")
        shell.put("OPTIND", str(index + (word == "--")))
        shell.option_at = 1
        return 1
    letter = word[shell.option_at]
    shell.option_at += 1
    known = options.find(letter) if letter != ":" else -1
    takes = known >= 0 and options[known + 1 : known + 2] == ":"
    value: str | None = None
    if takes and shell.option_at < len(word):
        value = word[shell.option_at :]
        shell.option_at = len(word)
    elif takes and index < len(arguments):
        index += 1
        value = arguments[index - 1]
    if shell.option_at >= len(word) or value is not None:
        index += 1
        shell.option_at = 1
    shell.put("OPTIND", str(index))
    shell.option_index = index
    shell.variables.pop("OPTARG", None)
    quiet = options.startswith(":")
    if known >= 0 and (value is not None or not takes):
        shell.put(name, letter)
        if value is not None:
            shell.put("OPTARG", value)
        return 0
    shell.put(name, ":" if known >= 0 and quiet else "?")
    if quiet:
        shell.put("OPTARG", letter)
    else:
        problem = "option requires an argument" if known >= 0 else "illegal option"
        short = f"No arg for -{letter} option" if known >= 0 else f"Illegal option -{letter}"
        await shell.err(f"{shell.name}: {problem} -- {letter}\n" if shell.extended else f"{short}\n")
    return 0
