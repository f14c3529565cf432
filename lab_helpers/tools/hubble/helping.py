"""The layout of hubble's help pages: flags in named groups instead of local and inherited ones."""

from lab_helpers.tools.goflags import Command, FlagSet
from lab_helpers.tools.goflags.helping import flag_table, usage_foot, usage_head


def register(command: Command, *groups: FlagSet) -> None:
    """Show these groups on the command's page; the root's are on every page."""
    command.groups = groups


def page(command: Command) -> str:
    """The usage page of a command."""
    root = command
    while root.parent:
        root = root.parent
    text = usage_head(command) + "\n"
    groups = () if command is root else command.groups
    for group in (*groups, *root.groups):
        text += f"{group.name} Flags:\n{flag_table(group)}\n"
    text += "Get help:\n  -h, --help\tHelp for any command or subcommand\n"
    return text + usage_foot(command)
