"""grep and sed (the parts people use at a prompt), and xargs."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from lab_helpers.twin.containers.errors import ProgramExit
from lab_helpers.twin.containers.processes import SimulatedProcess, program
from lab_helpers.twin.containers.programs.texts import inputs, missing, options_of

__all__ = ["grep", "sed", "translate_basic", "xargs"]


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


def _compile(process: SimulatedProcess, pattern: str, *, extended: bool, ignore_case: bool = False) -> re.Pattern[str]:
    try:
        return re.compile(translate_basic(pattern, extended=extended), re.IGNORECASE if ignore_case else 0)
    except re.error as error:
        raise ProgramExit(2, f"{process.name}: bad regex '{pattern}': {error}\n") from None


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
    body = rf"\b(?:{body})\b" if "w" in given else rf"\A(?:{body})\Z" if "x" in given else body
    try:
        compiled = re.compile(body, re.IGNORECASE if "i" in given else 0)
    except re.error as error:
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
        pattern: re.Pattern[str],
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
                if one.group():
                    await self._show(name, number, one.group(), ":")
            return
        await self._show(name, number, text, ":")

    async def _show(self, name: str, number: int, text: str, mark: str) -> None:
        prefix = f"{name}{mark}" if self._prefix else ""
        prefix += f"{number}{mark}" if "n" in self._given else ""
        await self._process.out(f"{prefix}{text}\n")


@dataclass(frozen=True, slots=True)
class _Command:
    first: int | re.Pattern[str] | str | None
    last: int | re.Pattern[str] | str | None
    negated: bool
    verb: str
    pattern: re.Pattern[str] | None = None
    replacement: str = ""
    flags: str = ""
    text: str = ""


@program
async def sed(process: SimulatedProcess) -> int:
    """sed [-nEri] SCRIPT [FILE]...: s, p, d, q, =, a, i, c, y is not there; addresses N, $, /re/, ranges and !"""
    scripts: list[str] = []
    arguments, rest, options = list(process.argv[1:]), [], set()
    while arguments:
        word = arguments.pop(0)
        if word in ("-e", "--expression") and arguments:
            scripts.append(arguments.pop(0))
        elif re.fullmatch(r"-[nEriz]+", word):
            options |= set(word[1:])
        elif word in ("--quiet", "--silent"):
            options.add("n")
        elif word.startswith("-") and word != "-":
            return await process.fail(f"unrecognized option: {word}")
        else:
            rest.append(word)
    if not scripts:
        if not rest:
            return await process.fail("no script specified")
        scripts.append(rest.pop(0))
    commands = _Script(process, "\n".join(scripts), extended=bool(options & {"E", "r"})).commands()
    if "i" in options:
        for name in rest:
            path = process.path(name)
            content = process.files.read(path).decode("utf-8", "surrogateescape")
            process.files.write(
                path,
                "".join(_edit(commands, content.splitlines(), quiet="n" in options)).encode("utf-8", "surrogateescape"),
            )
        return 0
    collected: list[str] = []
    async for _, source in inputs(process, rest):
        collected += (await source.read_all()).decode("utf-8", "surrogateescape").splitlines()
    await process.out("".join(_edit(commands, collected, quiet="n" in options)))
    return missing(process, rest)


class _Script:
    """Parses a sed script."""

    def __init__(self, process: SimulatedProcess, text: str, *, extended: bool) -> None:
        self._process, self._text, self._extended = process, text, extended
        self._position = 0

    def _bad(self, why: str) -> ProgramExit:
        return ProgramExit(1, f"sed: {why}: {self._text} (the embedded cluster plays s, p, d, q, =, a, i, c)\n")

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def commands(self) -> list[_Command]:
        found: list[_Command] = []
        while True:
            while self._peek() and self._peek() in " \t\n;":
                self._position += 1
            if not self._peek():
                return found
            found.append(self._one())

    def _one(self) -> _Command:
        first = self._address()
        last = None
        if first is not None and self._peek() == ",":
            self._position += 1
            last = self._address()
        while self._peek() == " ":
            self._position += 1
        negated = self._peek() == "!"
        if negated:
            self._position += 1
        verb = self._peek()
        self._position += 1
        if verb == "s":
            pattern, replacement, flags = self._substitute()
            return _Command(first, last, negated, verb, pattern, replacement, flags)
        if verb in ("a", "i", "c"):
            end = self._text.find("\n", self._position)
            end = len(self._text) if end < 0 else end
            text = self._text[self._position : end].lstrip(" \t").removeprefix("\\").lstrip("\n")
            self._position = end
            return _Command(first, last, negated, verb, text=text)
        if verb not in ("p", "d", "q", "="):
            raise self._bad(f"unsupported command {verb}")
        return _Command(first, last, negated, verb)

    def _address(self) -> int | re.Pattern[str] | str | None:
        number = re.compile(r"\d+").match(self._text, self._position)
        if number:
            self._position = number.end()
            return int(number.group())
        if self._peek() == "$":
            self._position += 1
            return "$"
        if self._peek() == "/":
            self._position += 1
            return _compile(self._process, self._until("/"), extended=self._extended)
        return None

    def _until(self, delimiter: str) -> str:
        out: list[str] = []
        while self._peek() != delimiter:
            if not self._peek():
                raise self._bad("unterminated expression")
            if self._peek() == "\\" and self._position + 1 < len(self._text):
                following = self._text[self._position + 1]
                out.append(following if following == delimiter else "\\" + following)
                self._position += 2
                continue
            out.append(self._peek())
            self._position += 1
        self._position += 1
        return "".join(out)

    def _substitute(self) -> tuple[re.Pattern[str], str, str]:
        delimiter = self._peek()
        if not delimiter or delimiter in "\n\\":
            raise self._bad("bad substitution")
        self._position += 1
        pattern, replacement = self._until(delimiter), self._until(delimiter)
        flags = re.compile(r"[gpiI0-9]*").match(self._text, self._position)
        assert flags is not None
        self._position = flags.end()
        compiled = _compile(
            self._process, pattern, extended=self._extended, ignore_case=bool(set(flags.group()) & {"i", "I"})
        )
        return compiled, replacement, flags.group()


def _edit(commands: list[_Command], content: list[str], *, quiet: bool) -> list[str]:
    out: list[str] = []
    active: dict[int, bool] = {}
    for number, original in enumerate(content, 1):
        line: str | None = original
        after: list[str] = []
        stop = False
        for index, command in enumerate(commands):
            if line is None:
                break
            if _selected(command, index, number, line, len(content), active) == command.negated:
                continue
            if command.verb == "s":
                assert command.pattern is not None
                changed, times = _replace(command, line)
                line = changed
                if times and "p" in command.flags:
                    out.append(line + "\n")
            elif command.verb == "p":
                out.append(line + "\n")
            elif command.verb == "=":
                out.append(f"{number}\n")
            elif command.verb == "d":
                line = None
            elif command.verb == "q":
                stop = True
                break
            elif command.verb == "i":
                out.append(command.text + "\n")
            elif command.verb == "a":
                after.append(command.text + "\n")
            else:
                out.append(command.text + "\n")
                line = None
        if line is not None and not quiet:
            out.append(line + "\n")
        out += after
        if stop:
            break
    return out


def _selected(command: _Command, index: int, number: int, line: str, last: int, active: dict[int, bool]) -> bool:
    def matches(address: int | re.Pattern[str] | str | None) -> bool:
        if isinstance(address, int):
            return number == address
        if isinstance(address, re.Pattern):
            return address.search(line) is not None
        return number == last

    if command.first is None:
        return True
    if command.last is None:
        return matches(command.first)
    if active.get(index):
        ended = number >= command.last if isinstance(command.last, int) else matches(command.last)
        active[index] = not ended
        return not (isinstance(command.last, int) and number > command.last)
    if matches(command.first):
        active[index] = not (isinstance(command.last, int) and command.last <= number)
        return True
    return False


def _replace(command: _Command, line: str) -> tuple[str, int]:
    assert command.pattern is not None
    digits = re.search(r"\d+", command.flags)
    which = int(digits.group()) if digits else 1
    everywhere = "g" in command.flags
    seen = 0

    def one(found: re.Match[str]) -> str:
        nonlocal seen
        seen += 1
        if seen != which and not (everywhere and seen >= which):
            return found.group()

        def piece(mark: re.Match[str]) -> str:
            text = mark.group()
            if text == "&":
                return found.group()
            if text[1].isdigit():
                number = int(text[1])
                return (found.group(number) or "") if number <= (found.re.groups or 0) else ""
            return {"n": "\n", "t": "\t"}.get(text[1], text[1])

        return re.sub(r"\\.|&", piece, command.replacement, flags=re.DOTALL)

    return command.pattern.sub(one, line), int(seen >= which)


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
