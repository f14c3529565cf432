"""Help pages in kubectl's layout (k8s.io/kubectl pkg/util/templates)."""

from collections.abc import Iterable

from lab_helpers.tools.goflags import Command, Flag
from lab_helpers.tools.kubectl.verbs import GROUPS, OTHER, VERBS

_ABOUT = """kubectl controls a Kubernetes cluster.

 This is the small kubectl bundled with cilium-labs; CILIUM_LABS_TOOLS=system uses the real one instead.
"""


def flag_list(flags: Iterable[Flag]) -> str:
    """Each flag with its default, and below it what it does."""
    out = []
    for flag in sorted(flags, key=lambda flag: flag.name):
        if flag.hidden or flag.name == "help":
            continue
        default = flag.default
        if flag.value.type == "string":
            default = f"'{default}'"
        short = f"-{flag.shorthand}, " if flag.shorthand else "    "
        out.append(f"    {short}--{flag.name}={default}:\n\t{flag.usage}\n")
    return "\n".join(out)


def _examples(text: str) -> str:
    lines = [f"  {line}".rstrip() if line else "  " for line in text.strip("\n").splitlines()]
    return "Examples:\n" + "\n".join(lines) + "\n"


def command_page(command: Command) -> str:
    """The page of one command."""
    parts = [
        (command.long or command.short).strip() + ("" if (command.long or command.short).endswith(".") else ".") + "\n"
    ]
    if command.aliases:
        parts.append(f"Aliases:\n{', '.join([command.name, *command.aliases])}\n")
    if command.example:
        parts.append(_examples(command.example))
    if command.visible_commands:
        width = max(len(child.name) for child in command.visible_commands) + 2
        rows = "".join(f"  {child.name.ljust(width)} {child.short}\n" for child in command.visible_commands)
        parts.append(f"Available Commands:\n{rows}")
    flags = flag_list(flag for flag in command.flags if flag.name != "help")
    if flags:
        parts.append(f"Options:\n{flags}")
    use = command.use_line.replace(" [flags]", "")
    if command.runnable:
        parts.append(f"Usage:\n  {use} [options]\n")
    else:
        parts.append(f"Usage:\n  {command.path} SUBCOMMAND [options]\n")
    last = ""
    if command.visible_commands:
        last = f'Use "{command.path} <command> --help" for more information about a given command.\n'
    parts.append(last + 'Use "kubectl options" for a list of global command-line options (applies to all commands).\n')
    return "\n".join(parts)


def root_page() -> str:
    """The page of kubectl itself."""
    width = max(len(verb.name) for verb in VERBS) + 2
    parts = [_ABOUT]
    for group in GROUPS:
        rows = "".join(
            f"  {verb.name.ljust(width)} {verb.short}\n"
            for verb in VERBS
            if verb.group == group and verb.name != "options"
        )
        parts.append(f"{group}:\n{rows}")
        if group == OTHER:
            break
    parts.append("Usage:\n  kubectl [flags] [options]\n")
    parts.append(
        'Use "kubectl <command> --help" for more information about a given command.\n'
        'Use "kubectl options" for a list of global command-line options (applies to all commands).\n'
    )
    return "\n".join(parts)
