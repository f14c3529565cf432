"""From command line to exit status."""

import importlib
import sys
from typing import TextIO

from lab_helpers.tools.executing import execute, utf8
from lab_helpers.tools.goflags import Command, ExitError, Flag, FlagError, FlagSet, Invocation, UsageError, go_quote
from lab_helpers.tools.goflags.values import BoolValue
from lab_helpers.tools.kubectl.errors import KubectlError, not_bundled
from lab_helpers.tools.kubectl.options import add_options
from lab_helpers.tools.kubectl.sessions import close_all
from lab_helpers.tools.kubectl.verbs import VERBS, Verb, verb
from lab_helpers.tools.rest.errors import RestError, kubectl_text


def _first_word(words: list[str], flags: FlagSet) -> int:
    """Where the first word that is no flag and no flag's value stands (-1: there is none)."""
    index = 0
    while index < len(words):
        word = words[index]
        if word == "--":
            return -1
        if not word.startswith("-") or word == "-":
            return index
        flag = flags.get(word[2:]) if word.startswith("--") else flags.short(word[1:2])
        takes_next = (
            "=" not in word and flag is not None and not flag.implied and (word.startswith("--") or len(word) == 2)
        )
        index += 2 if takes_next else 1
    return -1


def _build(chosen: Verb) -> Command:
    module = importlib.import_module(f"lab_helpers.tools.kubectl.commands.{chosen.module}")
    command: Command = module.build(chosen.name)
    return command


def _descend(command: Command, words: list[str]) -> tuple[Command, list[str]]:
    """Follow sub-commands: the first word that is no flag names one, if there is one of that name."""
    while command.commands:
        at = _first_word(words, command.all_flags())
        child = command.child(words[at]) if at >= 0 else None
        if child is None:
            break
        command, words = child, words[:at] + words[at + 1 :]
    return command, words


def _unknown(root: Command, word: str) -> str:
    for entry in VERBS:
        root.add(Command(entry.name))
    alike = set(root.suggestions(word))
    names = [entry.name for entry in VERBS if entry.name in alike]
    text = f"error: unknown command {go_quote(word)} for {go_quote(root.name)}"
    if names:
        text += "\n\nDid you mean this?\n" + "".join(f"\t{name}\n" for name in names)
    return text


def _run(words: list[str], out: TextIO, err: TextIO) -> int:
    from lab_helpers.tools.kubectl import helping

    root = Command("kubectl")
    add_options(root.persistent)
    at = _first_word(words, root.persistent)
    if at < 0:
        helper = root.all_flags()
        helper.add(Flag("help", BoolValue(False), "", "h", implied="true"))
        _parsed(helper, words, root)
        out.write(helping.root_page())
        return 0
    name = words[at]
    if name == "help":
        rest = words[at + 1 :]
        if not rest:
            out.write(helping.root_page())
            return 0
        return _run([*rest, "--help"], out, err)
    chosen = verb(name)
    if chosen is None:
        err.write(_unknown(root, name) + "\n")
        return 1
    if not chosen.module:
        raise not_bundled(f"kubectl {chosen.name}", chosen.refused)
    command = _build(chosen)
    root.add(command)
    command, rest = _descend(command, words[:at] + words[at + 1 :])
    flags = command.all_flags()
    asked = flags.add(Flag("help", BoolValue(False), "", "h", implied="true"))
    args = _parsed(flags, rest, command)
    if asked.value.value:
        out.write(helping.command_page(command))
        return 0
    if command.run is None:
        out.write(helping.command_page(command))
        return 1 if not args else _unknown_child(command, args[0], err)
    if command.args:
        command.args(command, args)
    return command.run(Invocation(command, args, flags, out, err)) or 0


def _unknown_child(command: Command, word: str, err: TextIO) -> int:
    err.write(f"error: unknown command {go_quote(word)} for {go_quote(command.path)}\n")
    return 1


def _parsed(flags: FlagSet, words: list[str], command: Command) -> list[str]:
    try:
        return flags.parse(words)
    except UsageError as error:
        raise KubectlError(f"{error}\nSee '{command.path} --help' for usage.") from error


def run(words: list[str], out: TextIO | None = None, err: TextIO | None = None) -> int:
    """Run one command and return its exit status; errors are printed as kubectl prints them."""
    out, err = out or sys.stdout, err or sys.stderr
    try:
        return _run(words, out, err)
    except KubectlError as error:
        out.flush()
        if error.line:
            err.write(error.line + "\n")
        return error.status
    except RestError as error:
        out.flush()
        err.write(kubectl_text(error) + "\n")
        return 1
    except ExitError as error:
        if str(error):
            err.write(f"error: {error}\n")
        return error.status
    except FlagError as error:
        err.write(f"error: {error}\n")
        return 1
    finally:
        close_all()


def main(words: list[str]) -> int:
    """The program: Ctrl-C ends with 130, a closed pipe quietly."""
    utf8(sys.stderr)
    return execute(lambda: run(words), utf8(sys.stdout), unread=1)
