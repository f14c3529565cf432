"""How many words a command takes, in helm's words (pkg/cmd/require), and flags that several commands share."""

from __future__ import annotations

from collections.abc import Callable

from lab_helpers.tools.goflags import Command, ExitError, FlagSet, Invocation
from lab_helpers.tools.helm.errors import HelmError
from lab_helpers.tools.helm.settings import user_values

__all__ = ["at_least", "dry_run_of", "exactly", "nothing", "value_flags", "values_of", "wait_flags"]

Check = Callable[[Command, list[str]], None]
FIVE_MINUTES = 300 * 10**9


def _complaint(command: Command, what: str) -> ExitError:
    return ExitError(f'"{command.path}" {what}\n\nUsage:  {command.use_line}')


def _plural(count: int) -> str:
    return f"{count} argument" if count == 1 else f"{count} arguments"


def exactly(count: int) -> Check:
    """Exactly ``count`` words."""

    def check(command: Command, words: list[str]) -> None:
        if len(words) != count:
            raise _complaint(command, f"requires {_plural(count)}")

    return check


def at_least(count: int) -> Check:
    """``count`` words or more."""

    def check(command: Command, words: list[str]) -> None:
        if len(words) < count:
            raise _complaint(command, f"requires at least {_plural(count)}")

    return check


def nothing(command: Command, words: list[str]) -> None:
    """No words."""
    if words:
        raise _complaint(command, "accepts no arguments")


def value_flags(flags: FlagSet) -> None:
    """Flags that name a chart's version and give it values."""
    flags.strings("values", [], "specify values in a YAML file or a URL (can specify multiple)", "f")
    flags.array("set", [], "set values on the command line (can specify multiple or separate values with commas)")
    flags.array("set-string", [], "set STRING values on the command line")
    flags.array("set-json", [], "set JSON values on the command line")
    flags.array("set-file", [], "set values from respective files specified via the command line")
    flags.string("version", "", "specify a version constraint for the chart version to use")
    flags.string("repo", "", "chart repository url where to locate the requested chart")
    flags.bool("devel", False, "use development versions, too")


def values_of(call: Invocation) -> dict[str, object]:
    """The values that the flags give. Raises HelmError."""
    flags = call.flags
    text = ""
    if "-" in flags["values"]:
        import sys

        text = sys.stdin.read()
    return user_values(
        flags["values"],
        json_settings=flags["set-json"],
        settings=flags["set"],
        strings=flags["set-string"],
        file_settings=flags["set-file"],
        standard_input=text,
    )


def wait_flags(flags: FlagSet, *, atomic: bool = False) -> None:
    """``--wait`` and ``--timeout``, and ``--atomic`` where a command has it."""
    flags.bool("wait", False, "wait until all resources are in a ready state; for as long as --timeout")
    flags.duration("timeout", FIVE_MINUTES, "time to wait for any individual Kubernetes operation")
    if atomic:
        flags.bool("atomic", False, "on failure, undo what was done; sets --wait")


def dry_run_of(call: Invocation) -> bool:
    """``--dry-run``, with helm's modes ``none``, ``client``, ``server``. Raises HelmError for others."""
    mode = call.flags["dry-run"]
    if mode not in ("", "none", "client", "server", "true", "false"):
        raise HelmError("invalid dry-run flag. Flag must one of the following: false, true, none, client, server")
    return mode not in ("", "none", "false")
