"""The shell's builtins, by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lab_helpers.twin.containers.files import normalise
from lab_helpers.twin.containers.formatting import FormatProblem, echo, printf
from lab_helpers.twin.containers.shell.arithmetic import evaluate
from lab_helpers.twin.containers.shell.calling import Builtin
from lab_helpers.twin.containers.shell.conditions import holds
from lab_helpers.twin.containers.shell.errors import ExpansionProblem
from lab_helpers.twin.containers.shell.jobs import jobs_, kill_, quoted, trap_, wait_
from lab_helpers.twin.containers.shell.jumps import BreakLoop, ContinueLoop, ExitShell, ReturnFrom
from lab_helpers.twin.containers.shell.running import Shell
from lab_helpers.twin.containers.streams import Input

__all__ = ["BUILTINS"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_OPTIONS = {"errexit": "e", "nounset": "u", "xtrace": "x", "noglob": "f", "allexport": "a", "pipefail": "pipefail"}


async def _true(_shell: Shell, _words: Sequence[str]) -> int:
    return 0


async def _false(_shell: Shell, _words: Sequence[str]) -> int:
    return 1


async def _echo(shell: Shell, words: Sequence[str]) -> int:
    await shell.out(echo(words[1:]))
    return 0


async def _printf(shell: Shell, words: Sequence[str]) -> int:
    arguments = list(words[1:])
    if arguments[:1] == ["--"]:
        arguments.pop(0)
    if not arguments:
        await shell.complain("printf: usage: printf format [arguments]")
        return 2
    try:
        await shell.out(printf(arguments[0], arguments[1:]))
    except FormatProblem as problem:
        await shell.complain(f"printf: {problem}")
        return 1
    return 0


async def _test(shell: Shell, words: Sequence[str]) -> int:
    arguments = list(words[1:])
    if words[0] == "[" and (not arguments or arguments.pop() != "]"):
        await shell.complain("[: missing ]")
        return 2
    try:
        return int(not holds(arguments, shell.conditions()))
    except ExpansionProblem as problem:
        await shell.complain(str(problem) if not shell.extended else f"{words[0]}: {problem}")
        return 2


async def _cd(shell: Shell, words: Sequence[str]) -> int:
    target = words[1] if len(words) > 1 else shell.get("HOME") or "/"
    if target == "-":
        target = shell.get("OLDPWD") or shell.cwd
        await shell.out(target + "\n")
    path = normalise(target, shell.cwd)
    if not shell.files.is_directory(path):
        kind = "Not a directory" if shell.files.exists(path) else "No such file or directory"
        await shell.complain(f"cd: {target}: {kind}" if shell.extended else f"cd: can't cd to {target}: {kind}")
        return 1 if shell.extended else 2
    shell.put("OLDPWD", shell.cwd)
    shell.cwd = path
    shell.put("PWD", path)
    return 0


async def _pwd(shell: Shell, _words: Sequence[str]) -> int:
    await shell.out(shell.cwd + "\n")
    return 0


async def _export(shell: Shell, words: Sequence[str]) -> int:
    arguments = [word for word in words[1:] if word not in ("-p", "-n")]
    if not arguments:
        for name in sorted(shell.exported if words[0] == "export" else shell.readonly):
            await shell.out(f"{words[0]} {name}={quoted(shell.variables.get(name, ''))}\n")
    for argument in arguments:
        name, assigned, value = argument.partition("=")
        if not _NAME.match(name):
            await shell.complain(f"{words[0]}: {argument}: bad variable name")
            return 1
        if assigned:
            shell.put(name, value)
        if "-n" in words:
            shell.exported.discard(name)
        elif words[0] == "export":
            shell.exported.add(name)
        else:
            shell.readonly.add(name)
    return 0


async def _local(shell: Shell, words: Sequence[str]) -> int:
    if not shell.locals and words[0] == "local":
        await shell.complain("local: not in a function")
        return 1
    for argument in words[1:]:
        if argument.startswith("-"):
            continue
        name, assigned, value = argument.partition("=")
        if shell.locals:
            shell.locals[-1].setdefault(name, shell.variables.get(name))
        if assigned:
            shell.put(name, value)
        elif shell.locals:
            shell.variables.pop(name, None)
    return 0


async def _unset(shell: Shell, words: Sequence[str]) -> int:
    functions = "-f" in words
    for name in words[1:]:
        if name.startswith("-"):
            continue
        if functions:
            shell.functions.pop(name, None)
            continue
        if name in shell.readonly:
            raise ExpansionProblem(f"{name}: is read only")
        shell.variables.pop(name, None)
        shell.exported.discard(name)
    return 0


async def _set(shell: Shell, words: Sequence[str]) -> int:
    arguments = list(words[1:])
    if not arguments:
        for name in sorted(shell.variables):
            await shell.out(f"{name}={quoted(shell.variables[name])}\n")
        return 0
    while arguments and arguments[0][:1] in ("-", "+") and len(arguments[0]) > 1:
        word = arguments.pop(0)
        if word == "--":
            shell.positional = arguments
            return 0
        add = word[0] == "-"
        for letter in word[1:]:
            option = letter
            if letter == "o":
                name = arguments.pop(0) if arguments else ""
                if name not in _OPTIONS:
                    await shell.complain(f"set: illegal option -o {name}")
                    return 2
                option = _OPTIONS[name]
            elif letter not in "euxfavhnmbC":
                await shell.complain(f"set: illegal option -{letter}")
                return 2
            (shell.options.add if add else shell.options.discard)(option)
    if arguments:
        shell.positional = arguments
    return 0


async def _shift(shell: Shell, words: Sequence[str]) -> int:
    count = int(words[1]) if len(words) > 1 and words[1].isdigit() else 1
    if count > len(shell.positional):
        return 1
    del shell.positional[:count]
    return 0


async def _exit(shell: Shell, words: Sequence[str]) -> int:
    raise ExitShell(await _code(shell, words))


async def _return(shell: Shell, words: Sequence[str]) -> int:
    raise ReturnFrom(await _code(shell, words))


async def _code(shell: Shell, words: Sequence[str]) -> int:
    if len(words) < 2:
        return shell.status
    if not re.fullmatch(r"-?\d+", words[1]):
        await shell.complain(f"{words[0]}: Illegal number: {words[1]}")
        raise ExitShell(2)
    return int(words[1]) & 0xFF


async def _break(shell: Shell, words: Sequence[str]) -> int:
    levels = int(words[1]) if len(words) > 1 and words[1].isdigit() else 1
    if not shell.loops:
        return 0
    levels = max(1, min(levels, shell.loops))
    raise (BreakLoop if words[0] == "break" else ContinueLoop)(levels)


async def _eval(shell: Shell, words: Sequence[str]) -> int:
    return await shell.text(" ".join(words[1:])) if words[1:] else 0


async def _source(shell: Shell, words: Sequence[str]) -> int:
    if len(words) < 2:
        await shell.complain(f"{words[0]}: filename argument required")
        return 2
    try:
        text = shell.files.read(normalise(words[1], shell.cwd)).decode("utf-8", "surrogateescape")
    except OSError as error:
        await shell.complain(
            f"{words[1]}: {error.strerror}" if shell.extended else f".: can't open '{words[1]}': {error.strerror}"
        )
        raise ExitShell(2) from None
    before = shell.positional
    if len(words) > 2:
        shell.positional = list(words[2:])
    try:
        return await shell.text(text)
    except ReturnFrom as end:
        return end.code
    finally:
        shell.positional = before


async def _exec(shell: Shell, words: Sequence[str]) -> int:
    if len(words) < 2:
        return 0
    builtin = shell.process.machine.lookup(words[1], shell.cwd) is None and words[1] in shell.builtins
    if builtin:
        raise ExitShell(await shell.call(list(words[1:]), {}))
    functions, shell.functions = shell.functions, {}
    builtins, shell.builtins = shell.builtins, {}
    try:
        raise ExitShell(await shell.call(list(words[1:]), {}))
    finally:
        shell.functions, shell.builtins = functions, builtins


async def _command(shell: Shell, words: Sequence[str]) -> int:
    arguments = list(words[1:])
    if arguments and arguments[0] in ("-v", "-V"):
        return await _type(shell, ["command", *arguments])
    if not arguments:
        return 0
    functions, shell.functions = shell.functions, {}
    try:
        return await shell.call(arguments, {})
    finally:
        shell.functions = functions


async def _type(shell: Shell, words: Sequence[str]) -> int:
    brief = words[0] == "command" and words[1:2] == ["-v"]
    status = 0
    for name in words[1:]:
        if name in ("-v", "-V", "-p", "-t"):
            continue
        if name in shell.functions:
            text = name if brief else f"{name} is a function"
        elif name in shell.builtins:
            text = name if brief else f"{name} is a shell builtin"
        elif shell.process.machine.lookup(name, shell.cwd) is not None:
            path = name if "/" in name else f"/usr/bin/{name}"
            text = path if brief else f"{name} is {path}"
        else:
            status = 127 if not brief or not shell.extended else 1
            if not brief:
                await shell.err(f"{name}: not found\n")
            continue
        await shell.out(text + "\n")
    return status


async def _read(shell: Shell, words: Sequence[str]) -> int:
    arguments = list(words[1:])
    raw = False
    while arguments and arguments[0].startswith("-"):
        option = arguments.pop(0)
        raw = raw or "r" in option
        if option[-1] in "ptnd" and arguments:
            value = arguments.pop(0)
            if option.endswith("p"):
                await shell.err(value)
    names = arguments or ["REPLY"]
    source = shell.descriptors.get(0)
    line = await source.read_line() if isinstance(source, Input) else b""
    complete = line.endswith(b"\n")
    text = line.decode("utf-8", "surrogateescape").removesuffix("\n")
    while not raw and complete and text.endswith("\\") and isinstance(source, Input):
        line = await source.read_line()
        complete = line.endswith(b"\n")
        text = text[:-1] + line.decode("utf-8", "surrogateescape").removesuffix("\n")
    if not raw:
        text = re.sub(r"\\(.)", r"\1", text)
    separators = shell.get("IFS")
    separators = " \t\n" if separators is None else separators
    for name, value in zip(names, _fields(text, separators, len(names)), strict=True):
        shell.put(name, value)
    return 0 if complete else 1


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


async def _umask(shell: Shell, words: Sequence[str]) -> int:
    if len(words) < 2:
        await shell.out("0022\n")
    return 0


async def _let(shell: Shell, words: Sequence[str]) -> int:
    value = 0
    for expression in words[1:]:
        value = evaluate(expression, lambda name: shell.get(name) or "", shell.put)
    return int(value == 0)


BUILTINS: Mapping[str, Builtin] = {
    ":": _true,
    "true": _true,
    "false": _false,
    "echo": _echo,
    "printf": _printf,
    "test": _test,
    "[": _test,
    "cd": _cd,
    "pwd": _pwd,
    "export": _export,
    "readonly": _export,
    "local": _local,
    "declare": _local,
    "unset": _unset,
    "set": _set,
    "shift": _shift,
    "exit": _exit,
    "return": _return,
    "break": _break,
    "continue": _break,
    "eval": _eval,
    ".": _source,
    "source": _source,
    "exec": _exec,
    "command": _command,
    "type": _type,
    "read": _read,
    "wait": wait_,
    "jobs": jobs_,
    "kill": kill_,
    "trap": trap_,
    "umask": _umask,
    "let": _let,
}
