"""``hubble completion``, the hidden command its scripts call, and ``hubble help``."""

from collections.abc import Callable

from lab_helpers.tools.goflags import Command, Invocation, no_args

_BASH = """\
# bash completion for hubble
_hubble() {
    local IFS=$'\\n'
    COMPREPLY=($(hubble __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -o default -F _hubble hubble
"""
_ZSH = """\
#compdef hubble
_hubble() {
    local -a found
    local name about
    while IFS=$'\\t' read -r name about; do found+=("${name//:/\\\\:}:$about"); done \\
        < <(hubble __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    _describe hubble found
}
compdef _hubble hubble
"""
_FISH = """\
# fish completion for hubble
function __hubble_complete
    set -l words (commandline -opc) (commandline -ct)
    hubble __complete $words[2..-1] 2>/dev/null
end
complete -c hubble -f -a '(__hubble_complete)'
"""
_POWERSHELL = """\
# PowerShell completion for hubble
Register-ArgumentCompleter -Native -CommandName hubble -ScriptBlock {
    param($word, $ast, $position)
    $words = @($ast.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
    if (-not $word) { $words += '' }
    hubble __complete @words 2>$null | ForEach-Object {
        $name, $about = $_ -split "`t", 2
        [System.Management.Automation.CompletionResult]::new($name, $name, 'ParameterValue', ($about ? $about : $name))
    }
}
"""
_SCRIPTS = {"bash": _BASH, "fish": _FISH, "powershell": _POWERSHELL, "zsh": _ZSH}


def completion_command() -> Command:
    """``completion`` with one sub-command per shell."""
    command = Command("completion", short="Print the completion script of a shell")
    for shell, script in _SCRIPTS.items():
        command.add(
            Command(
                shell,
                short=f"Print the completion script of {shell}",
                run=_printer(script),
                args=no_args,
                plain_use_line=True,
            )
        )
    return command


def _printer(script: str) -> Callable[[Invocation], int]:
    def run(invocation: Invocation) -> int:
        invocation.stdout.write(script)
        return 0

    return run


def complete_command(root: Command) -> Command:
    """The hidden ``__complete WORDS… PREFIX``: candidates, a tab and what they are, one per line."""

    def run(invocation: Invocation) -> int:
        for name, about in candidates(root, invocation.args):
            invocation.stdout.write(f"{name}\t{about.splitlines()[0] if about else ''}\n")
        return 0

    return Command("__complete", hidden=True, run=run, keep_words=True)


def candidates(root: Command, words: list[str]) -> list[tuple[str, str]]:
    """What the last of `words` may become."""
    prefix = words[-1] if words else ""
    command, _ = root._descend(words[:-1])
    if prefix.startswith("-"):
        found = [(f"--{flag.name}", flag.usage) for flag in command.all_flags() if not flag.hidden]
    else:
        found = [(child.name, child.short) for child in command.visible_commands]
    return sorted((name, about) for name, about in found if name.startswith(prefix))


def help_command(root: Command) -> Command:
    """``help [COMMAND]``."""

    def run(invocation: Invocation) -> int:
        from lab_helpers.tools.goflags.helping import help_page

        command: Command | None = root
        for word in invocation.args:
            command = command.child(word) if command else None
        if command is None:
            # as cobra does it: no failure
            invocation.stderr.write(f"Unknown help topic [{' '.join(f'`{word}`' for word in invocation.args)}]\n")
            invocation.stderr.write(root.usage())
            return 0
        invocation.stdout.write(help_page(command))
        return 0

    return Command("help [command]", short="Show the help page of a command", run=run)
