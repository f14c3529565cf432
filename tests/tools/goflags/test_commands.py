"""Commands are found, run and explained as cobra does it."""

from __future__ import annotations

import io

import pytest

from lab_helpers.tools.goflags import Command, ExitError, Invocation, exact_args, no_args


def tool(seen: list[tuple[str, list[str], bool]]) -> Command:
    def run(invocation: Invocation) -> int:
        seen.append((invocation.command.path, invocation.args, invocation.flags["debug"]))
        return 3 if "fail" in invocation.args else 0

    def broken(_invocation: Invocation) -> int:
        raise ExitError("it broke", 4)

    root = Command("tool", short="A tool", silent_usage=True)
    root.persistent.bool("debug", False, "Print more", shorthand="D")
    root.persistent.string("server", "here:1", "Where the `ADDRESS` is\nand more")
    get = Command("get NAME", short="Get one", run=run, aliases=("g",), example="  tool get x")
    get.flags.bool("watch", False, "Go on", shorthand="w")
    get.flags.number("port", 80, "A port", kind="uint16")
    many = Command("many", short="Several things")
    many.add(Command("things", short="Things", run=run), Command("gone", hidden=True, run=run))
    root.add(get, many, Command("broken", short="Breaks", run=broken), Command("none", run=run, args=no_args))
    root.add(Command("one", run=run, args=exact_args(1), short="One"))
    return root


def execute(words: list[str]) -> tuple[int, str, str, list[tuple[str, list[str], bool]]]:
    seen: list[tuple[str, list[str], bool]] = []
    out, err = io.StringIO(), io.StringIO()
    status = tool(seen).execute(words, out, err)
    return status, out.getvalue(), err.getvalue(), seen


@pytest.mark.parametrize(
    ("words", "path", "args", "debug"),
    [
        (["get", "x"], "tool get", ["x"], False),
        (["-D", "get", "x"], "tool get", ["x"], True),
        (["g", "x", "-Dw"], "tool get", ["x"], True),
        (["--server", "get", "get", "x"], "tool get", ["x"], False),
        (["--server=a", "many", "--debug", "things"], "tool many things", [], True),
        (["many", "gone"], "tool many gone", [], False),
        (["get", "--", "-D"], "tool get", ["-D"], False),
    ],
)
def test_found(words: list[str], path: str, args: list[str], debug: bool) -> None:
    status, out, err, seen = execute(words)
    assert (status, out, err, seen) == (0, "", "", [(path, args, debug)])


def test_status_is_that_of_the_command() -> None:
    assert execute(["get", "fail"])[0] == 3


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (
            ["gett"],
            1,
            'Error: unknown command "gett" for "tool"\n\nDid you mean this?\n\tget\n\nRun \'tool --help\' for usage.\n',
        ),
        (["zzzzzz"], 1, 'Error: unknown command "zzzzzz" for "tool"\nRun \'tool --help\' for usage.\n'),
        (["none", "x"], 1, 'Error: unknown command "x" for "tool none"\n'),
        (["one"], 1, "Error: accepts 1 arg(s), received 0\n"),
        (["get", "--nope"], 1, "Error: unknown flag: --nope\n"),
        (["broken"], 4, "Error: it broke\n"),
    ],
)
def test_refused(words: list[str], status: int, message: str) -> None:
    got = execute(words)
    assert (got[0], got[1], got[2], got[3]) == (status, "", message, [])


def test_help_of_a_command() -> None:
    page = """\
Get one

Usage:
  tool get NAME [flags]

Aliases:
  get, g

Examples:
  tool get x

Flags:
  -h, --help          help for get
      --port uint16   A port (default 80)
  -w, --watch         Go on

Global Flags:
  -D, --debug            Print more
      --server ADDRESS   Where the ADDRESS is
                         and more (default "here:1")
"""
    assert execute(["get", "--help"]) == (0, page, "", [])


def test_help_of_a_group() -> None:
    status, page, _, _ = execute(["many"])
    assert status == 0
    assert "  tool many [command]\n" in page
    assert "  things      Things\n" in page
    assert "gone" not in page
    assert page.endswith('Use "tool many [command] --help" for more information about a command.\n')


def test_usage_follows_an_error_unless_silenced() -> None:
    loud = Command("loud", run=lambda _invocation: 0)
    err = io.StringIO()
    assert loud.execute(["--nope"], io.StringIO(), err) == 1
    assert (
        err.getvalue()
        == "Error: unknown flag: --nope\nUsage:\n  loud [flags]\n\nFlags:\n  -h, --help   help for loud\n\n"
    )
