"""sed: s, p, d, q, =, a, i, c with addresses; the rest of the language is refused by name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab_helpers.twin.containers.errors import ProgramExit
from lab_helpers.twin.containers.processes import SimulatedProcess, program
from lab_helpers.twin.containers.programs.searching import translate_basic
from lab_helpers.twin.containers.programs.texts import inputs, missing
from lab_helpers.twin.containers.regexes import BadRegex, Expression, Found, compile_regex

__all__ = ["sed"]


def _compile(process: SimulatedProcess, pattern: str, *, extended: bool, ignore_case: bool = False) -> Expression:
    try:
        return compile_regex(translate_basic(pattern, extended=extended), ignore_case=ignore_case)
    except BadRegex as error:
        raise ProgramExit(2, f"{process.name}: bad regex '{pattern}': {error}\n") from None


@dataclass(frozen=True, slots=True)
class _Command:
    first: int | Expression | str | None
    last: int | Expression | str | None
    negated: bool
    verb: str
    pattern: Expression | None = None
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

    def _address(self) -> int | Expression | str | None:
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

    def _substitute(self) -> tuple[Expression, str, str]:
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
    def matches(address: int | Expression | str | None) -> bool:
        if isinstance(address, int):
            return number == address
        if isinstance(address, Expression):
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

    def one(found: Found) -> str:
        nonlocal seen
        seen += 1
        if seen != which and not (everywhere and seen >= which):
            return found.whole

        def piece(mark: re.Match[str]) -> str:
            text = mark.group()
            if text == "&":
                return found.whole
            if text[1].isdigit():
                number = int(text[1])
                return (found.whole, *found.groups)[number] if number <= len(found.groups) else ""
            return {"n": "\n", "t": "\t"}.get(text[1], text[1])

        return re.sub(r"\\.|&", piece, command.replacement, flags=re.DOTALL)

    return command.pattern.sub(one, line), int(seen >= which)
