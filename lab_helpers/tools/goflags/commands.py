"""Trees of commands: which command a command line means, and running it (cobra's Command)."""

import sys
from collections.abc import Callable, Iterator
from typing import TextIO

from lab_helpers.tools.goflags.errors import ExitError, FlagError, HelpRequested, UsageError
from lab_helpers.tools.goflags.flagsets import Flag, FlagSet
from lab_helpers.tools.goflags.helping import help_page, usage_page
from lab_helpers.tools.goflags.quoting import go_quote

ArgsCheck = Callable[["Command", list[str]], None]


class Invocation:
    """A command line understood: the command, its words that are no flags, all its flags, and where to write."""

    __slots__ = ("args", "command", "flags", "stderr", "stdout")

    def __init__(self, command: "Command", args: list[str], flags: FlagSet, stdout: TextIO, stderr: TextIO) -> None:
        self.command = command
        self.args = args
        self.flags = flags
        self.stdout = stdout
        self.stderr = stderr


class Command:
    """A command. `use` is its name and what follows it on the usage line; flags belong to it or to all below it.

    `run` returns an exit status (None: 0) or raises FlagError; `args` checks the words that are no flags; `before` runs
    ahead of `run` for this command and all below it (the innermost one defined wins). `groups` are named sets of its
    flags, for a `page` that shows flags in groups. A plain class: importing dataclasses costs a small tool a quarter of
    its start.
    """

    def __init__(
        self,
        use: str,
        short: str = "",
        long: str = "",
        example: str = "",
        aliases: tuple[str, ...] = (),
        run: Callable[[Invocation], int | None] | None = None,
        args: ArgsCheck | None = None,
        before: Callable[[Invocation], None] | None = None,
        hidden: bool = False,
        silent_errors: bool = False,
        silent_usage: bool = False,
        plain_use_line: bool = False,
        keep_words: bool = False,
        page: "Callable[[Command], str] | None" = None,
        flags: FlagSet | None = None,
        persistent: FlagSet | None = None,
    ) -> None:
        self.use = use
        self.short = short
        self.long = long
        self.example = example
        self.aliases = aliases
        self.run = run
        self.args = args
        self.before = before
        self.hidden = hidden
        self.silent_errors = silent_errors
        self.silent_usage = silent_usage
        self.plain_use_line = plain_use_line
        self.keep_words = keep_words
        self.page = page
        self.flags = flags if flags is not None else FlagSet()
        self.persistent = persistent if persistent is not None else FlagSet()
        self.groups: tuple[FlagSet, ...] = ()
        self.commands: list[Command] = []
        self.parent: Command | None = None

    @property
    def name(self) -> str:
        """The first word of `use`."""
        return self.use.split(" ", 1)[0]

    @property
    def path(self) -> str:
        """Names from the root to here."""
        return f"{self.parent.path} {self.name}" if self.parent else self.name

    @property
    def use_line(self) -> str:
        """The whole usage line."""
        line = f"{self.parent.path} {self.use}" if self.parent else self.use
        return line if self.plain_use_line or "[flags]" in line else f"{line} [flags]"

    @property
    def runnable(self) -> bool:
        """Whether the command does something by itself."""
        return self.run is not None

    @property
    def visible_commands(self) -> list["Command"]:
        """Sub-commands a help page lists, by name."""
        return sorted((command for command in self.commands if not command.hidden), key=lambda command: command.name)

    @property
    def local_flags(self) -> list[Flag]:
        """Own flags, those handed down to sub-commands included, and help."""
        return [*self.flags, *self.persistent, *([] if "help" in self.flags else [_help_flag(self)])]

    @property
    def inherited_flags(self) -> list[Flag]:
        """Flags handed down from above."""
        own = {flag.name for flag in self.local_flags}
        return [flag for command in self.ancestors() for flag in command.persistent if flag.name not in own]

    def ancestors(self) -> Iterator["Command"]:
        """The parent, its parent, and so on."""
        command = self.parent
        while command:
            yield command
            command = command.parent

    def add(self, *commands: "Command") -> None:
        """Add sub-commands."""
        for command in commands:
            command.parent = self
            self.commands.append(command)

    def child(self, word: str) -> "Command | None":
        """The sub-command with this name or alias."""
        return next((command for command in self.commands if word == command.name or word in command.aliases), None)

    def usage(self) -> str:
        """The usage page, in the layout of the nearest command that defines one."""
        command: Command | None = self
        while command:
            if command.page:
                return command.page(self)
            command = command.parent
        return usage_page(self)

    def all_flags(self) -> FlagSet:
        """Every flag this command accepts."""
        flags = FlagSet(interspersed=self.flags.interspersed)
        flags.ignore_unknown = self.flags.ignore_unknown
        flags.normalize = self.flags.normalize
        flags.add_all(self.flags)
        flags.add_all(self.persistent)
        for command in self.ancestors():
            flags.add_all(command.persistent)
        return flags

    def find(self, words: list[str]) -> tuple["Command", list[str]]:
        """The command that `words` name and the words left for it; UsageError for an unknown one."""
        command, rest = self._descend(words)
        if command.parent is None and command.args is None and command.commands:
            positional = _strip_flags(rest, command.all_flags())
            if positional:
                message = f"unknown command {go_quote(positional[0])} for {go_quote(command.path)}"
                raise UsageError(message + _suggestion_text(command.suggestions(positional[0])))
        return command, rest

    def _descend(self, words: list[str]) -> tuple["Command", list[str]]:
        flags = self.all_flags()
        positional = _strip_flags(words, flags)
        child = self.child(positional[0]) if positional else None
        if child is None:
            return self, words
        return child._descend(_without_first(words, positional[0], flags))

    def suggestions(self, typed: str) -> list[str]:
        """Visible sub-commands that `typed` may mean: at most two edits away, or beginning like it."""
        return [
            command.name
            for command in self.visible_commands
            if _distance(typed.lower(), command.name.lower()) <= 2 or command.name.lower().startswith(typed.lower())
        ]

    def execute(self, words: list[str], stdout: TextIO | None = None, stderr: TextIO | None = None) -> int:
        """Run what `words` say and return the exit status. Errors are printed as cobra and its callers print them."""
        out, err = stdout or sys.stdout, stderr or sys.stderr
        command = self
        try:
            command, rest = self.find(words)
        except FlagError as error:
            self._complain(self, str(error), err, usage=False)
            if not self.silent_errors:
                err.write(f"Run '{self.path} --help' for usage.\n")
            return 1
        try:
            return command._invoke(rest, out, err)
        except HelpRequested:
            out.write(help_page(command))
            return 0
        except ExitError as error:
            if str(error):
                self._complain(command, str(error), err, usage=False)
            return error.status
        except FlagError as error:
            self._complain(command, str(error), err, usage=isinstance(error, UsageError))
            return 1

    def _complain(self, command: "Command", message: str, err: TextIO, *, usage: bool) -> None:
        silent = self.silent_errors or command.silent_errors
        err.write(f"{message}\n" if silent else f"Error: {message}\n")
        if usage and not (self.silent_usage or command.silent_usage):
            err.write(command.usage() + "\n")

    def _invoke(self, words: list[str], out: TextIO, err: TextIO) -> int:
        flags = self.all_flags()
        if self.keep_words:
            args = words
        else:
            helping = flags.add(_help_flag(self))
            args = flags.parse(words)
            if helping.value.value:
                raise HelpRequested
        if self.run is None:
            raise HelpRequested
        if self.args:
            self.args(self, args)
        invocation = Invocation(self, args, flags, out, err)
        before = next((command.before for command in (self, *self.ancestors()) if command.before), None)
        if before:
            before(invocation)
        return self.run(invocation) or 0


def _help_flag(command: Command) -> Flag:
    from lab_helpers.tools.goflags.values import BoolValue

    return Flag("help", BoolValue(False), f"help for {command.name}", "h", implied="true")


def _takes_next(word: str, flags: FlagSet) -> bool:
    """Whether the flag `word` takes the next word as its value (unknown flags count as taking one)."""
    if "=" in word:
        return False
    if word.startswith("--"):
        flag = flags.get(word[2:])
        return flag is None or not flag.implied
    if len(word) == 2:
        flag = flags.short(word[1])
        return flag is None or not flag.implied
    return False


def _strip_flags(words: list[str], flags: FlagSet) -> list[str]:
    """`words` without flags and their values, up to ``--``."""
    out, index = [], 0
    while index < len(words):
        word = words[index]
        index += 1
        if word == "--":
            break
        if word.startswith("-"):
            if _takes_next(word, flags):
                if len(words) - index <= 1:
                    break
                index += 1
        elif word:
            out.append(word)
    return out


def _without_first(words: list[str], name: str, flags: FlagSet) -> list[str]:
    """`words` without the first one that is `name` and no flag's value."""
    index = 0
    while index < len(words):
        word = words[index]
        if word == "--":
            break
        if word.startswith("-") and word != "-":
            index += 2 if _takes_next(word, flags) else 1
            continue
        if word == name:
            return words[:index] + words[index + 1 :]
        index += 1
    return words


def _suggestion_text(names: list[str]) -> str:
    if not names:
        return ""
    return "\n\nDid you mean this?\n" + "".join(f"\t{name}\n" for name in names)


def _distance(left: str, right: str) -> int:
    """Levenshtein's edit distance."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        previous, row = row, [i]
        for j, b in enumerate(right, 1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (a != b)))
    return row[-1]


def no_args(command: Command, args: list[str]) -> None:
    """The command takes no words."""
    if args:
        raise UsageError(f"unknown command {go_quote(args[0])} for {go_quote(command.path)}")


def exact_args(count: int) -> ArgsCheck:
    """Exactly `count` words."""

    def check(_command: Command, args: list[str]) -> None:
        if len(args) != count:
            raise UsageError(f"accepts {count} arg(s), received {len(args)}")

    return check
