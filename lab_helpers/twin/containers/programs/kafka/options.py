"""The options of Kafka's command line programs, as joptsimple reads them: long, with or without ``=``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lab_helpers.twin.containers.errors import ProgramExit
from lab_helpers.twin.containers.processes import SimulatedProcess

__all__ = ["Option", "Options", "read_options"]


class Option(NamedTuple):
    """One option. ``value`` is how help calls its value; empty for a flag."""

    about: str
    value: str = ""
    required: bool = False


class Options:
    """What was given."""

    def __init__(self, given: Mapping[str, list[str]]) -> None:
        self._given = given

    def __contains__(self, name: str) -> bool:
        """Was it given?"""
        return name in self._given

    def text(self, name: str, default: str = "") -> str:
        """The last value."""
        return self._given.get(name, [default])[-1]

    def all(self, name: str) -> list[str]:
        """Every value, in order."""
        return list(self._given.get(name, ()))

    def number(self, name: str, default: int) -> int:
        """The last value as an integer. Raises ProgramExit."""
        text = self.text(name, str(default))
        if not text.lstrip("-").isdigit():
            raise ProgramExit(1, f"Cannot parse argument '{text}' of option {name}\n")
        return int(text)

    def pairs(self, name: str) -> dict[str, str]:
        """Values of the form ``key=value``."""
        return dict(part.partition("=")[::2] for part in self.all(name))


def read_options(process: SimulatedProcess, about: str, known: Mapping[str, Option]) -> Options:
    """The program's options. Raises ProgramExit with the program's usage."""
    given: dict[str, list[str]] = {}
    arguments = list(process.argv[1:])
    while arguments:
        word = arguments.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in (*known, "help", "version"):
            raise ProgramExit(
                1, f"{name if word.startswith('--') else word} is not a recognized option\n{usage(about, known)}"
            )
        if name == "help":
            raise ProgramExit(0, usage(about, known))
        if name == "version":
            raise ProgramExit(0, "3.9.1\n")
        if not known[name].value:
            given.setdefault(name, []).append("")
            continue
        if not equals:
            if not arguments:
                raise ProgramExit(1, f"Option {name} requires an argument\n{usage(about, known)}")
            value = arguments.pop(0)
        given.setdefault(name, []).append(value)
    for name, option in known.items():
        if option.required and name not in given:
            raise ProgramExit(1, f'Missing required argument "[{name}]"\n{usage(about, known)}')
    return Options(given)


def usage(about: str, known: Mapping[str, Option]) -> str:
    """The help page."""
    rows = [(f"--{name}" + (f" <{option.value}>" if option.value else ""), option) for name, option in known.items()]
    rows.append(("--help", Option("Print usage information.")))
    rows.append(("--version", Option("Display Kafka version.")))
    width = max(len(left) for left, _ in rows) + 2
    lines = [f"{left:<{width}}{'REQUIRED: ' if option.required else ''}{option.about}" for left, option in rows]
    title = f"{'Option':<{width}}Description\n{'------':<{width}}-----------\n"
    return f"{about}\n{title}" + "\n".join(lines) + "\n"
