"""Flags are parsed as pflag parses them, with its errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_helpers.tools.goflags import FlagSet, HelpRequested, UsageError, duration_text, go_quote, parse_duration


def flags() -> FlagSet:
    made = FlagSet()
    made.bool("all", False, "everything", shorthand="a")
    made.bool("follow", False, "go on", shorthand="f")
    made.string("output", "compact", "form", shorthand="o")
    made.number("last", 0, "how many", kind="uint64")
    made.number("port", 4245, "port", kind="uint16")
    made.duration("timeout", 5_000_000_000, "how long")
    made.strings("names", ["x"], "names")
    made.array("list", [], "documents", shorthand="l")
    made.count("verbose", "more", shorthand="v")
    return made


@pytest.mark.parametrize(
    ("words", "name", "value", "rest"),
    [
        (["--output=json"], "output", "json", []),
        (["--output", "json"], "output", "json", []),
        (["-ojson"], "output", "json", []),
        (["-o=json"], "output", "json", []),
        (["-o", "json"], "output", "json", []),
        (["--output="], "output", "", []),
        (["-afo", "dict"], "output", "dict", []),
        (["-af"], "follow", True, []),
        (["--all=false"], "all", False, []),
        (["--all", "false"], "all", True, ["false"]),
        (["--last", "0x10"], "last", 16, []),
        (["--last=18446744073709551615"], "last", (1 << 64) - 1, []),
        (["--timeout", "1m30s"], "timeout", 90_000_000_000, []),
        (["--names", "a,b", "--names=c"], "names", ["a", "b", "c"], []),
        (["--names", '"a,b",c'], "names", ["a,b", "c"], []),
        (["--list", "a,b", "-l", "c"], "list", ["a,b", "c"], []),
        (["-vvv"], "verbose", 3, []),
        (["one", "-a", "two"], "all", True, ["one", "two"]),
        (["one", "--", "-a"], "all", False, ["one", "-a"]),
        (["-"], "all", False, ["-"]),
        (["-l", "-a"], "list", ["-a"], []),
    ],
)
def test_parsed(words: list[str], name: str, value: object, rest: list[str]) -> None:
    made = flags()
    assert made.parse(words) == rest
    assert made[name] == value


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--nope"], "unknown flag: --nope"),
        (["--nope=1"], "unknown flag: --nope"),
        (["-x"], "unknown shorthand flag: 'x' in -x"),
        (["-axf"], "unknown shorthand flag: 'x' in -xf"),
        (["--output"], "flag needs an argument: --output"),
        (["-ao"], "flag needs an argument: 'o' in -o"),
        (["---x"], "bad flag syntax: ---x"),
        (["--=x"], "bad flag syntax: --=x"),
        (
            ["--all=maybe"],
            'invalid argument "maybe" for "-a, --all" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
        ),
        (["--last", "-1"], 'invalid argument "-1" for "--last" flag: strconv.ParseUint: parsing "-1": invalid syntax'),
        (
            ["--port", "65536"],
            'invalid argument "65536" for "--port" flag: strconv.ParseUint: parsing "65536": value out of range',
        ),
        (["--timeout", "5"], 'invalid argument "5" for "--timeout" flag: time: missing unit in duration "5"'),
        (["--timeout", "x"], 'invalid argument "x" for "--timeout" flag: time: invalid duration "x"'),
        (["--timeout", "5y"], 'invalid argument "5y" for "--timeout" flag: time: unknown unit "y" in duration "5y"'),
    ],
)
def test_refused(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        flags().parse(words)
    assert str(caught.value) == message


@pytest.mark.parametrize("word", ["--help", "-h", "-ah"])
def test_help(word: str) -> None:
    with pytest.raises(HelpRequested):
        flags().parse([word])


def test_words_after_the_first_are_kept_when_not_interspersed() -> None:
    made = flags()
    made.interspersed = False
    assert made.parse(["-a", "run", "-f"]) == ["run", "-f"]
    assert not made["follow"]


def test_dash_is_remembered() -> None:
    made = flags()
    assert made.parse(["one", "--", "two"]) == ["one", "two"]
    assert made.dash == 1


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5µs"),
        (2_000_000, "2ms"),
        (1_500_000_000, "1.5s"),
        (90_000_000_000, "1m30s"),
        (3_600_000_000_000, "1h0m0s"),
        (-90_000_000_000, "-1m30s"),
    ],
)
def test_durations(nanoseconds: int, text: str) -> None:
    assert duration_text(nanoseconds) == text
    assert parse_duration(text) == nanoseconds


@given(st.integers(-(1 << 63) + 1, (1 << 63) - 1))
def test_durations_survive(nanoseconds: int) -> None:
    assert parse_duration(duration_text(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("a", '"a"'),
        ('"', '"\\""'),
        ("a\tb\n", '"a\\tb\\n"'),
        ("\x1b", '"\\x1b"'),
        ("é", '"é"'),
        ("\u2028", '"\\u2028"'),
    ],
)
def test_quoting(text: str, quoted: str) -> None:
    assert go_quote(text) == quoted


@given(st.lists(st.text(alphabet="abc -=,", max_size=5)))
def test_words_without_flags_come_back(words: list[str]) -> None:
    plain = [word for word in words if not word.startswith("-")]
    assert flags().parse(plain) == plain
    assert flags().parse(["--", *words]) == words
