"""``cilium-labs env``: exports for a shell."""

from __future__ import annotations

import os
import shlex

import click

from lab_helpers.clusters import connect

__all__ = ["env"]

SHELLS = ("sh", "fish", "powershell", "cmd")


@click.command()
@click.option(
    "--shell",
    type=click.Choice(SHELLS),
    default="powershell" if os.name == "nt" else "sh",
    show_default=True,
    help="Syntax to print.",
)
@click.option("--unset", is_flag=True, help="Print what takes the variables away again (PATH is left alone).")
def env(shell: str, unset: bool) -> None:
    """Print what a shell needs so that kubectl, helm, cilium and hubble meet the cluster in use.

    \b
    Examples:
      eval "$(cilium-labs env)"                          sh, bash, zsh
      cilium-labs env --shell fish | source
      cilium-labs env --shell powershell | Invoke-Expression
      eval "$(cilium-labs env --unset)"
    """
    variables = connect().environment()
    for name, value in variables.items():
        if unset and name == "PATH":
            continue
        click.echo(_unset(shell, name) if unset else _set(shell, name, value))


def _set(shell: str, name: str, value: str) -> str:
    match shell:
        case "fish":
            quoted = value.replace("\\", "\\\\").replace("'", "\\'")
            return f"set -gx {name} '{quoted}'"
        case "powershell":
            quoted = value.replace("'", "''")
            return f"$env:{name} = '{quoted}'"
        case "cmd":
            return f'set "{name}={value}"'
        case _:
            return f"export {name}={shlex.quote(value)}"


def _unset(shell: str, name: str) -> str:
    return {
        "fish": f"set -e {name}",
        "powershell": f"Remove-Item Env:{name} -ErrorAction SilentlyContinue",
        "cmd": f'set "{name}="',
    }.get(shell, f"unset {name}")
