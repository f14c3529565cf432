"""Programs that tell about the container: hostname, env, id, ps, uname, which, and the like."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from lab_helpers.twin.containers.files import normalise
from lab_helpers.twin.containers.formatting import FormatProblem
from lab_helpers.twin.containers.formatting import echo as format_echo
from lab_helpers.twin.containers.formatting import printf as format_printf
from lab_helpers.twin.containers.processes import SIGNALS, SimulatedProcess, program
from lab_helpers.twin.containers.shell.conditions import Conditions, holds
from lab_helpers.twin.containers.shell.errors import ExpansionProblem

__all__ = [
    "basename",
    "dirname",
    "echo",
    "env",
    "false",
    "hostname",
    "id_",
    "kill",
    "nproc",
    "printenv",
    "printf",
    "ps",
    "pwd",
    "test",
    "true",
    "tty",
    "uname",
    "uptime",
    "which",
    "whoami",
]


@program
async def true(process: SimulatedProcess) -> int:  # noqa: ARG001 - every program takes its process
    """Succeed."""
    return 0


@program
async def false(process: SimulatedProcess) -> int:  # noqa: ARG001 - every program takes its process
    """Fail."""
    return 1


@program
async def echo(process: SimulatedProcess) -> int:
    """echo [-neE] WORDS"""
    await process.out(format_echo(process.argv[1:]))
    return 0


@program
async def printf(process: SimulatedProcess) -> int:
    """printf FORMAT ARGS"""
    if len(process.argv) < 2:
        return await process.fail("usage: printf FORMAT [ARG]...")
    try:
        formatted = format_printf(process.argv[1], process.argv[2:])
    except FormatProblem as problem:
        return await process.fail(str(problem))
    for text in formatted.problems:
        await process.fail(f"invalid number '{text}'")
    await process.out(formatted.text)
    return 1 if formatted.problems else 0


@program
async def test(process: SimulatedProcess) -> int:
    """test EXPRESSION, or [ EXPRESSION ]"""
    arguments = list(process.argv[1:])
    if process.name == "[" and (not arguments or arguments.pop() != "]"):
        return await process.fail("missing ]", 2)
    conditions = Conditions(
        process.files, process.cwd, lambda number: bool(getattr(process.descriptors.get(number), "tty", False))
    )
    try:
        return int(not holds(arguments, conditions))
    except ExpansionProblem as problem:
        return await process.fail(str(problem), 2)


@program
async def hostname(process: SimulatedProcess) -> int:
    """hostname [-s|-f|-i|-I]"""
    name = process.machine.hostname
    option = process.argv[1] if len(process.argv) > 1 else ""
    if option in ("-i", "-I", "--ip-address", "--all-ip-addresses"):
        name = process.network.ip
    elif option == "-s":
        name = name.partition(".")[0]
    elif option and not option.startswith("-"):
        return await process.fail("sethostname: Operation not permitted")
    await process.out(name + "\n")
    return 0


@program
async def printenv(process: SimulatedProcess) -> int:
    """printenv [NAME]..."""
    names = process.argv[1:]
    if not names:
        await process.out("".join(f"{name}={value}\n" for name, value in process.env.items()))
        return 0
    status = 0
    for name in names:
        if name in process.env:
            await process.out(f"{process.env[name]}\n")
        else:
            status = 1
    return status


@program
async def env(process: SimulatedProcess) -> int:
    """env [-i] [-u NAME] [NAME=VALUE]... [PROG ARGS]"""
    arguments = list(process.argv[1:])
    variables = dict(process.env)
    while arguments and arguments[0].startswith("-"):
        option = arguments.pop(0)
        if option in ("-i", "-", "--ignore-environment"):
            variables = {}
        elif option in ("-u", "--unset") and arguments:
            variables.pop(arguments.pop(0), None)
        elif option not in ("-0", "-S"):
            return await process.fail(f"unrecognized option '{option}'", 125)
    while arguments and "=" in arguments[0]:
        name, _, value = arguments.pop(0).partition("=")
        variables[name] = value
    if not arguments:
        await process.out("".join(f"{name}={value}\n" for name, value in variables.items()))
        return 0
    try:
        return await process.run(process.spawn(arguments, env=variables))
    except FileNotFoundError:
        return await process.fail(f"can't execute '{arguments[0]}': No such file or directory", 127)


@program
async def whoami(process: SimulatedProcess) -> int:
    """Every simulated container runs as root unless its security context says otherwise."""
    user, _ = _user(process)
    await process.out("root\n" if user == 0 else f"{user}\n")
    return 0


@program
async def id_(process: SimulatedProcess) -> int:
    """id [-u|-g|-un]"""
    user, group = _user(process)
    option = process.argv[1] if len(process.argv) > 1 else ""
    names = {0: "root"}
    if option in ("-u", "-g", "-G"):
        await process.out(f"{user if option == '-u' else group}\n")
    elif option in ("-un", "-gn"):
        await process.out(f"{names.get(user, str(user))}\n")
    else:
        shown_group = "(root)" if group == 0 else ""
        shown = f"({names[user]})" if user in names else ""
        await process.out(f"uid={user}{shown} gid={group}{shown_group} groups={group}{shown_group}\n")
    return 0


def _user(process: SimulatedProcess) -> tuple[int, int]:
    spec = process.pod.get("spec", {})
    container: Mapping[str, Any] = next(
        (one for one in spec.get("containers") or [] if one["name"] == process.container), {}
    )
    context = {**(spec.get("securityContext") or {}), **(container.get("securityContext") or {})}
    return int(context.get("runAsUser") or 0), int(context.get("runAsGroup") or 0)


@program
async def ps(process: SimulatedProcess) -> int:
    """The processes of the container, as BusyBox lists them."""
    await process.out("PID   USER     TIME  COMMAND\n")
    for pid, child in sorted(process.machine.children.items()):
        await process.out(f"{pid:5d} root      0:00 {' '.join(child.process.argv)}\n")
    return 0


@program
async def kill(process: SimulatedProcess) -> int:
    """kill [-SIG] PID..."""
    arguments = list(process.argv[1:])
    signal = SIGNALS["TERM"]
    if arguments and arguments[0].startswith("-"):
        name = arguments.pop(0)[1:].upper().removeprefix("SIG")
        if name not in SIGNALS and not name.isdigit():
            return await process.fail(f"invalid signal '{name}'")
        signal = SIGNALS.get(name) or int(name)
    status = 0
    for text in arguments:
        child = process.machine.children.get(int(text)) if text.isdigit() else None
        if child is None:
            status = await process.fail(f"can't kill pid {text}: No such process")
        else:
            child.kill(signal)
    return status


@program
async def uname(process: SimulatedProcess) -> int:
    """uname [-asnrvmo]"""
    values = {
        "s": "Linux",
        "n": process.machine.hostname,
        "r": "6.8.0-87-generic",
        "v": "#88-Ubuntu SMP PREEMPT_DYNAMIC",
        "m": "x86_64",
        "o": "Linux",
    }
    options = "".join(word.lstrip("-") for word in process.argv[1:]) or "s"
    if "a" in options:
        options = "snrvmo"
    unknown = [letter for letter in options if letter not in values]
    if unknown:
        return await process.fail(f"unrecognized option: {unknown[0]}")
    await process.out(" ".join(values[letter] for letter in values if letter in options) + "\n")
    return 0


@program
async def uptime(process: SimulatedProcess) -> int:
    """Time of day and load, which is none."""
    await process.out(f" {process.clock.now():%H:%M:%S} up 1 day,  0 users,  load average: 0.00, 0.00, 0.00\n")
    return 0


@program
async def nproc(process: SimulatedProcess) -> int:
    """Two, like the machine most learners have at least."""
    await process.out("2\n")
    return 0


@program
async def which(process: SimulatedProcess) -> int:
    """which NAME..."""
    status = 0
    for name in process.argv[1:]:
        if process.machine.lookup(name, process.cwd) is None:
            status = 1
        else:
            await process.out(f"{name if '/' in name else '/usr/bin/' + name}\n")
    return status


@program
async def pwd(process: SimulatedProcess) -> int:
    """The working directory."""
    await process.out(process.cwd + "\n")
    return 0


@program
async def tty(process: SimulatedProcess) -> int:
    """The terminal's name."""
    await process.out("/dev/pts/0\n" if process.stdin.tty else "not a tty\n")
    return 0 if process.stdin.tty else 1


@program
async def basename(process: SimulatedProcess) -> int:
    """basename PATH [SUFFIX]"""
    if len(process.argv) < 2:
        return await process.fail("missing operand")
    name = posixpath.basename(process.argv[1].rstrip("/")) or "/"
    if len(process.argv) > 2 and name != process.argv[2]:
        name = name.removesuffix(process.argv[2])
    await process.out(name + "\n")
    return 0


@program
async def dirname(process: SimulatedProcess) -> int:
    """dirname PATH..."""
    if len(process.argv) < 2:
        return await process.fail("missing operand")
    for path in process.argv[1:]:
        parent = posixpath.dirname(path.rstrip("/") if path.strip("/") else path)
        await process.out((normalise(parent) if parent.startswith("//") else parent or ".") + "\n")
    return 0
