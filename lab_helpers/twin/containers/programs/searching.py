"""grep, with the options people use at a prompt, and xargs."""

from __future__ import annotations

import re
import shlex

from lab_helpers.twin.containers.processes import SimulatedProcess, program
from lab_helpers.twin.containers.programs.texts import inputs, missing, options_of
from lab_helpers.twin.containers.regexes import BadRegex, Expression, compile_regex

__all__ = ["grep", "translate_basic", "xargs"]


def translate_basic(pattern: str, *, extended: bool) -> str:
    """A POSIX regular expression in Python's syntax; in the basic form ``\\( \\) \\{ \\} \\| \\+ \\?`` are the special
    ones."""
    classes = {
        "alpha": "a-zA-Z",
        "digit": "0-9",
        "alnum": "a-zA-Z0-9",
        "space": r"\s",
        "upper": "A-Z",
        "lower": "a-z",
        "punct": r"!-/:-@\[-`{-~",
        "xdigit": "0-9A-Fa-f",
        "blank": r" \t",
    }
    out: list[str] = []
    index = 0
    while index < len(pattern):
        char = pattern[index]
        if char == "\\" and index + 1 < len(pattern):
            following = pattern[index + 1]
            index += 2
            if following in "(){}|+?" and not extended:
                out.append(following)
            elif following in "<>":
                out.append(r"\b")
            else:
                out.append("\\" + following if not following.isalpha() or following in "wWsSbBnt" else following)
            continue
        if char == "[":
            end = index + 1
            if pattern[end : end + 1] == "^":
                end += 1
            if pattern[end : end + 1] == "]":
                end += 1
            while end < len(pattern) and pattern[end] != "]":
                if pattern.startswith("[:", end):
                    closing = pattern.find(":]", end)
                    end = closing + 2 if closing > 0 else end + 1
                    continue
                end += 1
            body = pattern[index + 1 : end].replace("\\", "\\\\")
            body = re.sub(r"\[:(\w+):\]", lambda found: classes.get(found.group(1), ""), body).replace("[", "\\[")
            if body.startswith("]"):
                body = "\\]" + body[1:]
            elif body.startswith("^]"):
                body = "^\\]" + body[2:]
            out.append(f"[{body}]")
            index = end + 1
            continue
        if char in "(){}|+?" and not extended:
            out.append("\\" + char)
        elif char == "*" and (not out or out[-1] in ("(", "|", "^")) and not extended:
            out.append("\\*")
        else:
            out.append(char)
        index += 1
    return "".join(out)


@program
async def grep(process: SimulatedProcess) -> int:
    """grep [-EFivcnqolwxhHs] [-e PATTERN] [-m N] [-A N] [-B N] [-C N] PATTERN [FILE]..."""
    if any(
        word.startswith("--")
        and word not in ("--", "--color", "--line-buffered", "--color=never", "--color=auto", "--color=always")
        for word in process.argv[1:]
    ):
        pass
    process.argv = [
        word for word in process.argv if word not in ("--color", "--line-buffered") and not word.startswith("--color=")
    ]
    given, values, rest = options_of(process, "EFGPivcnqolLwxhHsr", "emABC")
    if "e" not in values and not rest:
        await process.err(f"Usage: {process.name} [-EFivcnqolwx] PATTERN [FILE]...\n")
        return 2
    pattern = values["e"] if "e" in values else rest.pop(0)
    fixed = "F" in given or process.name == "fgrep"
    extended = bool(given & {"E", "P"}) or process.name == "egrep"
    body = "|".join(
        f"(?:{re.escape(part) if fixed else translate_basic(part, extended=extended)})" for part in pattern.split("\n")
    )
    body = rf"\b(?:{body})\b" if "w" in given else rf"^(?:{body})$" if "x" in given else body
    try:
        compiled = compile_regex(body, ignore_case="i" in given)
    except BadRegex as error:
        await process.err(f"{process.name}: bad regex '{pattern}': {error}\n")
        return 2
    return await _Grep(process, given, values, rest, compiled).run()


class _Grep:
    def __init__(
        self,
        process: SimulatedProcess,
        given: set[str],
        values: dict[str, str],
        names: list[str],
        pattern: Expression,
    ) -> None:
        self._process, self._given, self._names, self._pattern = process, given, names, pattern
        self._limit = int(values.get("m", "0") or 0)
        both = int(values.get("C", "0") or 0)
        self._before, self._after = int(values.get("B", both) or 0), int(values.get("A", both) or 0)
        self._prefix = ("H" in given or len(names) > 1) and "h" not in given

    async def run(self) -> int:
        found = False
        async for name, source in inputs(self._process, self._names):
            count = 0
            number = 0
            history: list[tuple[int, str]] = []
            trailing = 0
            while line := await source.read_line():
                number += 1
                text = line.decode("utf-8", "surrogateescape").rstrip("\n")
                matched = self._pattern.search(text) is not None
                if matched != ("v" in self._given):
                    count += 1
                    found = True
                    if "q" in self._given:
                        return 0
                    if not self._given & {"c", "l", "L"}:
                        for earlier, old in history:
                            await self._show(name, earlier, old, "-")
                        await self._matches(name, number, text)
                    history, trailing = [], self._after
                    if self._limit and count >= self._limit:
                        break
                elif trailing and not self._given & {"c", "l", "L"}:
                    trailing -= 1
                    await self._show(name, number, text, "-")
                elif self._before:
                    history = [*history, (number, text)][-self._before :]
            if "c" in self._given:
                await self._process.out(f"{name + ':' if self._prefix else ''}{count}\n")
            if ("l" in self._given and count) or ("L" in self._given and not count):
                await self._process.out(f"{name if name != '-' else '(standard input)'}\n")
        if missing(self._process, self._names):
            return 2
        return 0 if found else 1

    async def _matches(self, name: str, number: int, text: str) -> None:
        if "o" in self._given and "v" not in self._given:
            for one in self._pattern.finditer(text):
                if one.whole:
                    await self._show(name, number, one.whole, ":")
            return
        await self._show(name, number, text, ":")

    async def _show(self, name: str, number: int, text: str, mark: str) -> None:
        prefix = f"{name}{mark}" if self._prefix else ""
        prefix += f"{number}{mark}" if "n" in self._given else ""
        await self._process.out(f"{prefix}{text}\n")


@program
async def xargs(process: SimulatedProcess) -> int:
    """xargs [-n N] [-I REPLACE] [-0] [-r] [-t] [PROG ARGS]"""
    arguments = list(process.argv[1:])
    size, replace, zero, nothing, trace = 0, "", False, False, False
    while arguments and arguments[0].startswith("-"):
        option = arguments.pop(0)
        if option[:2] in ("-n", "-I", "-P", "-L"):
            value = option[2:] or (arguments.pop(0) if arguments else "")
            size = int(value) if option[:2] in ("-n", "-L") and value.isdigit() else size
            replace = value if option[:2] == "-I" else replace
        elif option in ("-0", "-r", "-t"):
            zero, nothing, trace = zero or option == "-0", nothing or option == "-r", trace or option == "-t"
        else:
            return await process.fail(f"unrecognized option: {option}")
    text = (await process.stdin.read_all()).decode("utf-8", "surrogateescape")
    command = arguments or ["echo"]
    if zero:
        items = [item for item in text.split("\0") if item]
    elif replace:
        items = [line.strip() for line in text.splitlines() if line.strip()]
    else:
        try:
            items = shlex.split(text, posix=True)
        except ValueError:
            return await process.fail("unmatched quote")
    if replace:
        calls = [[word.replace(replace, item) for word in command] for item in items]
    elif size:
        calls = [[*command, *items[start : start + size]] for start in range(0, len(items), size)]
    else:
        calls = [[*command, *items]] if items or not nothing else []
    status = 0
    for words in calls:
        if trace:
            await process.err(" ".join(words) + "\n")
        try:
            code = await process.run(process.spawn(words))
        except FileNotFoundError:
            return await process.fail(f"{words[0]}: No such file or directory", 127)
        status = 123 if code else status
    return status
