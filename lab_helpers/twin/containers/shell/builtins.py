"""The shell's builtins, by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lab_helpers.twin.containers.files import normalise
from lab_helpers.twin.containers.formatting import FormatProblem, echo, printf
from lab_helpers.twin.containers.shell.arithmetic import evaluate
from lab_helpers.twin.containers.shell.calling import Builtin
from lab_helpers.twin.containers.shell.conditions import holds
from lab_helpers.twin.containers.shell.errors import NO_ARRAYS, ExpansionProblem
from lab_helpers.twin.containers.shell.inputs import getopts_, read_
from lab_helpers.twin.containers.shell.jobs import jobs_, kill_, quoted, trap_, wait_
from lab_helpers.twin.containers.shell.jumps import BreakLoop, ContinueLoop, ExitShell, ReturnFrom
from lab_helpers.twin.containers.shell.running import Shell

__all__ = ["BUILTINS"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_KEYWORDS = frozenset(
    ["!", "{", "}", "case", "do", "done", "elif", "else", "esac", "fi", "for", "if", "then", "time", "until", "while"]
)
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
    variable = ""
    if shell.extended and arguments[:1] == ["-v"] and len(arguments) > 1:
        variable = arguments[1]
        del arguments[:2]
    if arguments[:1] == ["--"]:
        arguments.pop(0)
    if not arguments:
        if shell.extended:
            await shell.err("printf: usage: printf [-v var] format [arguments]\n")
            return 2
        await shell.complain("printf: usage: printf format [arguments]")
        return 2
    try:
        formatted = printf(arguments[0], arguments[1:], bash=shell.extended)
    except FormatProblem as problem:
        await shell.complain(f"printf: {problem}")
        return 1
    for text in formatted.problems:
        await shell.complain(f"printf: {text}: invalid number" if shell.extended else f"invalid number '{text}'")
    if variable:
        shell.put(variable, formatted.text)
    else:
        await shell.out(formatted.text)
    return 1 if formatted.problems else 0


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
    if words[0] == "declare" and any(word[:1] == "-" and set(word) & set("aA") for word in words[1:]):
        return await _arrays(shell, words)
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
        if any(word[:1] == "-" and "x" in word for word in words[1:]):
            shell.exported.add(name)
        if any(word[:1] == "-" and "r" in word for word in words[1:]) and not shell.locals:
            shell.readonly.add(name)
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
            kind = "cannot unset: readonly variable" if shell.extended else "is read only"
            raise ExpansionProblem(f"{name}: {kind}")
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
        if shell.extended:
            return 1
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
        elif name in _KEYWORDS or (shell.extended and name in ("[[", "function", "select")):
            text = name if brief else f"{name} is a shell keyword"
        elif name in shell.builtins:
            text = name if brief else f"{name} is a shell builtin"
        elif shell.process.machine.lookup(name, shell.cwd) is not None:
            path = name if "/" in name else f"/usr/bin/{name}"
            text = path if brief else f"{name} is {path}"
        else:
            status = 1 if shell.extended else 127
            if not brief and shell.extended:
                await shell.complain(f"{words[0]}: {name}: not found")
            elif not brief:
                await shell.out(f"{name}: not found\n")
            continue
        await shell.out(text + "\n")
    return status


async def _umask(shell: Shell, words: Sequence[str]) -> int:
    if len(words) < 2:
        await shell.out("0022\n")
    return 0


async def _let(shell: Shell, words: Sequence[str]) -> int:
    value = 0
    for expression in words[1:]:
        value = evaluate(expression, lambda name: shell.get(name) or "", shell.put)
    return int(value == 0)


async def _times(shell: Shell, _words: Sequence[str]) -> int:
    await shell.out("0m0.000s 0m0.000s\n" * 2)
    return 0


async def _alias(shell: Shell, words: Sequence[str]) -> int:
    await shell.complain(f"{words[0]}: the embedded cluster plays no aliases; a function does the same")
    return 1


async def _arrays(shell: Shell, words: Sequence[str]) -> int:
    await shell.complain(f"{words[0]}: {NO_ARRAYS}")
    return 1


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
    "read": read_,
    "wait": wait_,
    "jobs": jobs_,
    "kill": kill_,
    "trap": trap_,
    "umask": _umask,
    "let": _let,
    "getopts": getopts_,
    "hash": _true,
    "times": _times,
    "alias": _alias,
    "unalias": _alias,
    "mapfile": _arrays,
    "readarray": _arrays,
}
