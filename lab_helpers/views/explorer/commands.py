"""``hubble observe`` as a value: read from a line, checked by the flags of our own hubble, written back.

A line may begin with ``hubble observe`` or be flags alone. All filter flags mean what they mean there. Flags about
position and time (``--last``, ``--since``, ``--until``) choose among the flows that are there; flags about the form of
the output and the server change nothing in a table, and are said to.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from lab_helpers.hubble.errors import HubbleError
from lab_helpers.hubble.filters import Predicate, compile_filters
from lab_helpers.tools.goflags import ExitError, FlagSet, UsageError
from lab_helpers.tools.goflags.errors import HelpRequested
from lab_helpers.tools.hubble import filterflags, selectorflags
from lab_helpers.tools.hubble.filtertable import FILTERS
from lab_helpers.tools.hubble.flags import formatting_flags, other_flags, server_flags
from lab_helpers.views.explorer.words import Fault, Word, split

if TYPE_CHECKING:
    from lab_helpers.hubble.protos.flow_pb2 import FlowFilter

__all__ = ["Command", "Condition", "everything", "read_command"]

_PREFIX: Final = ("hubble", "observe", "flows")
_SWITCHES: Final = frozenset(name for name, _, implied, _ in FILTERS if implied)
_IGNORED: Final = frozenset(
    flag.name for group in (formatting_flags(), server_flags(), other_flags()) for flag in group
) | {"ip-translation", "color", "numeric", "print-policy-names"}


@dataclass(frozen=True, slots=True)
class Condition:
    """One filter flag, with the ``--not`` before it; ``start`` and ``end`` are its place in the line."""

    name: str
    value: str
    negated: bool
    start: int
    end: int

    @property
    def words(self) -> tuple[str, ...]:
        """As it is typed."""
        flag = (f"--{self.name}",) if self.name in _SWITCHES else (f"--{self.name}", self.value)
        return ("--not", *flag) if self.negated else flag

    def __str__(self) -> str:
        return shlex.join(self.words)


@dataclass(frozen=True, slots=True)
class Command:
    """``line`` is what was typed. With a ``fault`` the rest is that of the words before it."""

    line: str
    conditions: tuple[Condition, ...] = ()
    allow: tuple[FlowFilter, ...] = field(default=(), hash=False)
    deny: tuple[FlowFilter, ...] = field(default=(), hash=False)
    last: int = 0
    since: int | None = None
    until: int | None = None
    positions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    fault: Fault | None = None

    @property
    def shell(self) -> str:
        """The equivalent command for a terminal. Following is what a live table does."""
        words = [word for condition in self.conditions for word in condition.words]
        follow = () if self.until is not None else ("--follow",)
        return shlex.join(("hubble", "observe", *words, *self.positions, *follow))

    def predicate(self) -> Predicate:
        """Does a record pass filters and times?"""
        passes = compile_filters(self.allow, self.deny)
        since, until = self.since, self.until
        if since is None and until is None:
            return passes
        low, high = since or 0, until if until is not None else 1 << 63
        return lambda record: low <= record.time <= high and passes(record)


def everything() -> Command:
    """No filter."""
    return Command("")


def read_command(line: str) -> Command:
    """Read a line; what is wrong with it is in ``fault``, with its place."""
    words, fault = split(line)
    skipped = 0
    while skipped < len(words) and skipped < len(_PREFIX) and words[skipped].text == _PREFIX[skipped]:
        skipped += 1
    if skipped == 1:
        word = words[0]
        return Command(line, fault=Fault("of hubble's commands only `hubble observe` filters flows", 0, word.end))
    words = words[skipped:]
    try:
        found = _parse(line, words)
    except _RefusedError as error:
        if fault is not None:
            return _with_fault(_longest(line, words), fault)
        return _up_to_the_fault(line, words, str(error))
    return found if fault is None else _with_fault(found, fault)


class _RefusedError(ValueError):
    """A word is wrong."""


def _with_fault(command: Command, fault: Fault) -> Command:
    return replace(command, fault=fault)


def _up_to_the_fault(line: str, words: Sequence[Word], what: str) -> Command:
    """The fault lies where the words first fail as all of them do."""
    for length in range(1, len(words) + 1):
        try:
            _parse(line, words[:length])
        except _RefusedError as error:
            if str(error) != what:
                continue
            begin = length - 1
            if begin and not words[begin].text.startswith("-") and words[begin - 1].text.startswith("-"):
                begin -= 1
            fault = Fault(what, words[begin].start, words[length - 1].end)
            return _with_fault(_longest(line, words[:begin]), fault)
    return Command(line, fault=Fault(what, 0, len(line)))


def _longest(line: str, words: Sequence[Word]) -> Command:
    for length in range(len(words), 0, -1):
        try:
            return _parse(line, words[:length])
        except _RefusedError:
            continue
    return Command(line)


def _parse(line: str, words: Sequence[Word]) -> Command:
    """Raises _RefusedError."""
    occurrences: list[tuple[str, str]] = []
    filters = filterflags.FilterFlags()
    flags = _flags(filters, occurrences)
    try:
        spans = _parse_words(flags, words, occurrences)
        if filters.dangling:
            raise _RefusedError("--not needs a filter after it")
        selectorflags.check_combinations(flags)
        allow = (*filters.allow.filters(), *_raw(flags["allowlist"], "allowlist"))
        deny = (*filters.deny.filters(), *_raw(flags["denylist"], "denylist"))
        compile_filters(allow, deny)
        since = selectorflags.moment(flags["since"], "since") if flags["since"] else None
        until = selectorflags.moment(flags["until"], "until") if flags["until"] else None
    except HelpRequested:
        raise _RefusedError("no help here: `hubble observe --help` in a terminal") from None
    except (UsageError, ExitError, HubbleError) as error:
        raise _RefusedError(_plain(str(error))) from None
    if flags["first"]:
        raise _RefusedError("--first is for what is over; a live table shows the newest (--last)")
    return Command(
        line,
        tuple(_conditions(spans)),
        allow,
        deny,
        flags["last"],
        since,
        until,
        tuple(_positions(flags)),
        tuple(_notes(flags)),
    )


def _flags(filters: filterflags.FilterFlags, occurrences: list[tuple[str, str]]) -> FlagSet:
    flags = FlagSet("observe")

    def setter(name: str) -> Callable[[str], None]:
        def take(value: str) -> None:
            filters.set(name, value)
            occurrences.append((name, value))

        return take

    for name, shorthand, implied, usage in FILTERS:
        flags.callback(name, setter(name), usage, shorthand, kind="filter", implied=implied)
    for group in (selectorflags.selector_flags(), formatting_flags(), server_flags(), other_flags()):
        flags.add_all(group)
    flags.array("allowlist", [])
    flags.array("denylist", [])
    flags.bool("ip-translation", True)
    flags.string("color", "auto")
    flags.bool("numeric", False)
    flags.bool("print-policy-names", False)
    return flags


def _parse_words(
    flags: FlagSet, words: Sequence[Word], occurrences: list[tuple[str, str]]
) -> list[tuple[str, str, int, int]]:
    """Each filter flag with its place: words go in flag by flag, so that it is known which word gave which."""
    spans: list[tuple[str, str, int, int]] = []
    index = 0
    while index < len(words):
        taken = 1
        try:
            loose = flags.parse([words[index].text])
        except UsageError as error:
            if not str(error).startswith("flag needs an argument") or index + 1 == len(words):
                raise
            taken = 2
            loose = flags.parse([word.text for word in words[index : index + 2]])
        if loose:
            raise _RefusedError(f"“{loose[0]}” is no flag: filters begin with --")
        end = words[index + taken - 1].end
        spans += [(name, value, words[index].start, end) for name, value in occurrences[len(spans) :]]
        index += taken
    return spans


def _conditions(spans: Sequence[tuple[str, str, int, int]]) -> list[Condition]:
    found: list[Condition] = []
    negated = -1
    for name, value, start, end in spans:
        if name == "not":
            negated = start
            continue
        found.append(Condition(name, value, negated >= 0, negated if negated >= 0 else start, end))
        negated = -1
    return found


def _positions(flags: FlagSet) -> list[str]:
    words: list[str] = []
    for name in ("last", "since", "until"):
        if flags.changed(name):
            words += [f"--{name}", str(flags[name])]
    for name in ("allowlist", "denylist"):
        for document in flags[name]:
            words += [f"--{name}", document]
    return words


def _notes(flags: FlagSet) -> list[str]:
    ignored = [f"--{flag.name}" for flag in flags if flag.changed and flag.name in _IGNORED]
    return [f"{', '.join(ignored)}: no meaning in this table"] if ignored else []


def _raw(documents: Sequence[str], name: str) -> list[Any]:
    from lab_helpers.hubble import jsonpb
    from lab_helpers.hubble.errors import JsonError
    from lab_helpers.hubble.protos import flow_pb2

    try:
        return [
            jsonpb.loads(part, flow_pb2.FlowFilter()) for document in documents for part in jsonpb.documents(document)
        ]
    except JsonError as error:
        raise _RefusedError(f"--{name}: no FlowFilter in JSON: {error}") from None


def _plain(text: str) -> str:
    return text.splitlines()[0]
