"""Help pages: tables of flags (pflag's FlagUsages) and cobra's page layout."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from lab_helpers.tools.goflags.flagsets import Flag
from lab_helpers.tools.goflags.quoting import go_quote

if TYPE_CHECKING:
    from lab_helpers.tools.goflags.commands import Command

_SHOWN_TYPES = {
    "bool": "",
    "float64": "float",
    "int64": "int",
    "uint64": "uint",
    "stringSlice": "strings",
    "intSlice": "ints",
    "count": "count",
}
_ZERO_TEXTS = {"", "false", "<nil>", "0", "0s", "[]"}


def unquoted(flag: Flag) -> tuple[str, str]:
    """The word for the flag's value and its description: a back-quoted word in the description names the value."""
    match = re.search(r"`([^`]*)`", flag.usage)
    if match:
        return match.group(1), flag.usage[: match.start()] + match.group(1) + flag.usage[match.end() :]
    return _SHOWN_TYPES.get(flag.value.type, flag.value.type), flag.usage


def _implied(flag: Flag) -> str:
    kind = flag.value.type
    if not flag.implied or (kind == "bool" and flag.implied == "true") or (kind == "count" and flag.implied == "+1"):
        return ""
    return f'[="{flag.implied}"]' if kind == "string" else f"[={flag.implied}]"


def flag_table(flags: Iterable[Flag]) -> str:
    """One line per visible flag, sorted by name, descriptions aligned; continued lines are indented."""
    rows = []
    for flag in sorted((flag for flag in flags if not flag.hidden and not flag.deprecated), key=lambda flag: flag.name):
        word, usage = unquoted(flag)
        head = f"  -{flag.shorthand}, --{flag.name}" if flag.shorthand else f"      --{flag.name}"
        if word:
            head += f" {word}"
        head += _implied(flag)
        if flag.default not in _ZERO_TEXTS:
            default = go_quote(flag.default) if flag.value.type == "string" else flag.default
            usage += f" (default {default})"
        rows.append((head, usage))
    width = max((len(head) for head, _ in rows), default=0)
    indent = "\n" + " " * (width + 3)
    return "".join(f"{head.ljust(width)}   {usage.replace(chr(10), indent)}\n" for head, usage in rows)


def command_table(commands: Iterable["Command"]) -> str:
    """Names padded, with their short descriptions."""
    shown = list(commands)
    width = max([11, *(len(command.name) for command in shown)])
    return "".join(f"  {command.name.ljust(width)} {command.short}\n" for command in shown)


def usage_head(command: "Command") -> str:
    """The sections of a usage page that come before the flags."""
    lines = ["Usage:"]
    if command.runnable:
        lines.append(f"  {command.use_line}")
    visible = command.visible_commands
    if visible:
        lines.append(f"  {command.path} [command]")
    page = "\n".join(lines) + "\n"
    if command.aliases:
        page += f"\nAliases:\n  {', '.join([command.name, *command.aliases])}\n"
    if command.example:
        page += f"\nExamples:\n{command.example}\n"
    if visible:
        page += "\nAvailable Commands:\n" + command_table(visible)
    return page


def usage_foot(command: "Command") -> str:
    """The last line of a usage page, where there are commands below."""
    if not command.visible_commands:
        return ""
    return f'\nUse "{command.path} [command] --help" for more information about a command.\n'


def usage_page(command: "Command") -> str:
    """Cobra's default usage page."""
    page = usage_head(command)
    local = flag_table(command.local_flags)
    if local:
        page += "\nFlags:\n" + local
    inherited = flag_table(command.inherited_flags)
    if inherited:
        page += "\nGlobal Flags:\n" + inherited
    return page + usage_foot(command)


def help_page(command: "Command") -> str:
    """The long (or short) description and the usage page."""
    about = (command.long or command.short).rstrip()
    page = f"{about}\n\n" if about else ""
    if command.runnable or command.commands:
        page += command.usage()
    return page
