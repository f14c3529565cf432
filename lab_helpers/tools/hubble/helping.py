"""The layout of hubble's help pages: flags in named groups instead of local and inherited ones."""

from lab_helpers.tools.goflags import Command, FlagSet
from lab_helpers.tools.goflags.helping import command_table, flag_table

GROUPS: dict[int, list[FlagSet]] = {}
"""Groups of flags by command (its id): those of the command itself; the global group is on every page."""


def register(command: Command, *groups: FlagSet) -> None:
    """Show these groups on the command's page."""
    GROUPS[id(command)] = list(groups)


def page(command: Command) -> str:
    """The usage page of a command."""
    lines = ["Usage:"]
    if command.runnable:
        lines.append(f"  {command.use_line}")
    visible = command.visible_commands
    if visible:
        lines.append(f"  {command.path} [command]")
    text = "\n".join(lines) + "\n"
    if command.aliases:
        text += f"\nAliases:\n  {', '.join([command.name, *command.aliases])}\n"
    if command.example:
        text += f"\nExamples:\n{command.example}\n"
    if visible:
        text += "\nAvailable Commands:\n" + command_table(visible)
    text += "\n"
    root = command
    while root.parent:
        root = root.parent
    for group in [*GROUPS.get(id(command), []), *GROUPS.get(id(root), [])]:
        text += f"{group.name} Flags:\n{flag_table(group)}\n"
    text += "Get help:\n  -h, --help\tHelp for any command or subcommand\n"
    if visible:
        text += f'\nUse "{command.path} [command] --help" for more information about a command.\n'
    return text
