"""Sets of flags and how a list of words is parsed by them (pflag's FlagSet)."""

from collections.abc import Callable, Iterator
from typing import Any

from lab_helpers.tools.goflags.errors import HelpRequested, UsageError
from lab_helpers.tools.goflags.quoting import go_quote, go_quote_rune
from lab_helpers.tools.goflags.values import (
    BoolValue,
    CallbackValue,
    CountValue,
    DurationValue,
    NumberValue,
    StringArrayValue,
    StringSliceValue,
    Value,
)


class Flag:
    """One flag. `implied` is its value when given without one (pflag's NoOptDefVal), "" when it needs one."""

    __slots__ = ("changed", "default", "deprecated", "hidden", "implied", "name", "shorthand", "usage", "value")

    def __init__(
        self,
        name: str,
        value: Value,
        usage: str = "",
        shorthand: str = "",
        implied: str = "",
        hidden: bool = False,
        deprecated: str = "",
        changed: bool = False,
    ) -> None:
        self.name = name
        self.value = value
        self.usage = usage
        self.shorthand = shorthand
        self.implied = implied
        self.hidden = hidden
        self.deprecated = deprecated
        self.changed = changed
        self.default = value.text()

    @property
    def shown(self) -> str:
        """How errors name the flag: ``-t, --type`` or ``--type``."""
        return f"-{self.shorthand}, --{self.name}" if self.shorthand else f"--{self.name}"

    def set(self, text: str) -> None:
        """Set the value; UsageError says flag, value and reason."""
        try:
            self.value.set(text)
        except ValueError as error:
            raise UsageError(f"invalid argument {go_quote(text)} for {go_quote(self.shown)} flag: {error}") from error
        self.changed = True


class FlagSet:
    """Flags by name and shorthand, in the order of their definition.

    `parse` returns the words that are no flags; `dash` is the number of such words before ``--`` (-1: there was none).
    """

    def __init__(self, name: str = "", *, interspersed: bool = True) -> None:
        self.name = name
        self.interspersed = interspersed
        self.ignore_unknown = False
        self.dash = -1
        self.normalize: Callable[[str], str] | None = None
        self._flags: dict[str, Flag] = {}
        self._short: dict[str, Flag] = {}

    def __iter__(self) -> Iterator[Flag]:
        return iter(self._flags.values())

    def __len__(self) -> int:
        return len(self._flags)

    def __contains__(self, name: object) -> bool:
        return name in self._flags

    def __getitem__(self, name: str) -> Any:
        """The value of a flag."""
        return self._flags[name].value.value

    def get(self, name: str) -> Flag | None:
        """The flag called `name`, long."""
        return self._flags.get(self.normalize(name) if self.normalize else name)

    def short(self, letter: str) -> Flag | None:
        """The flag with this shorthand."""
        return self._short.get(letter)

    def changed(self, name: str) -> bool:
        """Whether the flag was given."""
        flag = self._flags.get(name)
        return flag is not None and flag.changed

    def add(self, flag: Flag) -> Flag:
        """Add a flag; the first definition of a name stays."""
        if flag.name not in self._flags:
            self._flags[flag.name] = flag
            if flag.shorthand:
                self._short.setdefault(flag.shorthand, flag)
        return self._flags[flag.name]

    def add_all(self, other: "FlagSet") -> None:
        """Add the flags of another set (the same objects)."""
        for flag in other:
            self.add(flag)

    def bool(self, name: str, default: bool, usage: str = "", shorthand: str = "", **more: Any) -> Flag:
        """A switch: ``--name``, ``--name=false``."""
        return self.add(Flag(name, BoolValue(default), usage, shorthand, implied="true", **more))

    def string(self, name: str, default: str, usage: str = "", shorthand: str = "", **more: Any) -> Flag:
        """A word."""
        return self.add(Flag(name, Value(default), usage, shorthand, **more))

    def number(
        self, name: str, default: int, usage: str = "", shorthand: str = "", kind: str = "int", **more: Any
    ) -> Flag:
        """An integer of the Go type `kind`."""
        return self.add(Flag(name, NumberValue(default, kind), usage, shorthand, **more))

    def duration(self, name: str, default: int, usage: str = "", shorthand: str = "", **more: Any) -> Flag:
        """A duration in nanoseconds."""
        return self.add(Flag(name, DurationValue(default), usage, shorthand, **more))

    def strings(self, name: str, default: list[str], usage: str = "", shorthand: str = "", **more: Any) -> Flag:
        """A list, comma-separated and repeatable (stringSlice)."""
        return self.add(Flag(name, StringSliceValue(default), usage, shorthand, **more))

    def array(self, name: str, default: list[str], usage: str = "", shorthand: str = "", **more: Any) -> Flag:
        """A list, one element per occurrence (stringArray)."""
        return self.add(Flag(name, StringArrayValue(default), usage, shorthand, **more))

    def count(self, name: str, usage: str = "", shorthand: str = "", **more: Any) -> Flag:
        """How often the flag was given."""
        return self.add(Flag(name, CountValue(0), usage, shorthand, implied="+1", **more))

    def callback(
        self,
        name: str,
        function: Callable[[str], None],
        usage: str = "",
        shorthand: str = "",
        kind: str = "string",
        implied: str = "",
        **more: Any,
    ) -> Flag:
        """Each occurrence calls `function`."""
        return self.add(Flag(name, CallbackValue(function, kind), usage, shorthand, implied=implied, **more))

    def parse(self, words: list[str]) -> list[str]:
        """Set flags from `words` and return the others. Raises UsageError at the first bad one, or HelpRequested."""
        left, positional = list(words), []
        self.dash = -1
        while left:
            word = left.pop(0)
            if len(word) < 2 or word[0] != "-":
                positional.append(word)
                if not self.interspersed:
                    return positional + left
            elif word == "--":
                self.dash = len(positional)
                return positional + left
            elif word[1] == "-":
                self._long(word, left)
            else:
                self._shorts(word, left)
        return positional

    def _long(self, word: str, left: list[str]) -> None:
        body = word[2:]
        if not body or body[0] in "-=":
            raise UsageError(f"bad flag syntax: {word}")
        name, equals, value = body.partition("=")
        flag = self.get(name)
        if flag is None:
            if name == "help":
                raise HelpRequested
            if self.ignore_unknown:
                if not equals and left and not left[0].startswith("-"):
                    left.pop(0)
                return
            raise UsageError(f"unknown flag: --{name}")
        if equals:
            flag.set(value)
        elif flag.implied:
            flag.set(flag.implied)
        elif left:
            flag.set(left.pop(0))
        else:
            raise UsageError(f"flag needs an argument: --{name}")

    def _shorts(self, word: str, left: list[str]) -> None:
        letters = word[1:]
        while letters:
            letter = letters[0]
            flag = self._short.get(letter)
            if flag is None:
                if letter == "h":
                    raise HelpRequested
                if self.ignore_unknown:
                    return
                raise UsageError(f"unknown shorthand flag: {go_quote_rune(letter)} in -{letters}")
            if len(letters) > 2 and letters[1] == "=":
                flag.set(letters[2:])
                return
            if flag.implied:
                flag.set(flag.implied)
                letters = letters[1:]
                continue
            if len(letters) > 1:
                flag.set(letters[1:])
            elif left:
                flag.set(left.pop(0))
            else:
                raise UsageError(f"flag needs an argument: {go_quote_rune(letter)} in -{letters}")
            return
