"""``cilium-labs``: the cluster, the labs, and their execution.

Each command lives in a module of this package that is imported only when it is used.
"""

from __future__ import annotations

import importlib
import signal
import sys

import click

__all__ = ["cli", "main"]

_COMMANDS = {
    "up": ("lab_helpers.cli.lifecycle", "Start the cluster the labs run on."),
    "down": ("lab_helpers.cli.lifecycle", "Stop it; its state is kept."),
    "status": ("lab_helpers.cli.status", "Show which cluster is in use and how it is."),
    "reset": ("lab_helpers.cli.lifecycle", "Start over with a fresh cluster."),
    "lab": ("lab_helpers.cli.jupyter", "Open the labs in JupyterLab."),
    "run": ("lab_helpers.cli.run", "Execute labs by papermill and report."),
    "env": ("lab_helpers.cli.env", "Print what a shell needs to reach the cluster."),
    "doctor": ("lab_helpers.cli.doctor", "Check this machine, and say how to cure what is wrong."),
    "clock": ("lab_helpers.cli.clock", "Show the twin's clock, or move it forward."),
    "tools": ("lab_helpers.cli.tools", "Install the real kind, kubectl, helm, cilium and hubble."),
    "bundle": ("lab_helpers.cli.bundle", "Pack everything a room without internet needs."),
    "policy": ("lab_helpers.cli.policy", "Ask the policy engine: verdicts, reasons, what would change."),
}


class _Lazy(click.Group):
    """Finds commands by name in ``_COMMANDS`` and imports only the one that runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order a learner meets them."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, from its module's attribute of the same name."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(importlib.import_module(_COMMANDS[cmd_name][0]), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list for ``--help``, without importing anything."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cilium-labs", prog_name="cilium-labs")
def cli() -> None:
    """Kubernetes networking with Cilium, learned in notebooks.

    \b
    Examples:
      cilium-labs lab                  start the embedded cluster and open the labs
      cilium-labs up                   only start the cluster
      eval "$(cilium-labs env)"        point kubectl, helm, cilium and hubble at it
      cilium-labs run 04               execute a lab as CI does
    """


def main() -> None:
    """The console script: errors of ours in plain words on stderr, exit code 1; Ctrl-C is 130."""
    from lab_helpers.clusters import ClusterError
    from lab_helpers.tools.executing import utf8

    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # until here Ctrl-C ended us, see __main__
        signal.signal(signal.SIGINT, signal.default_int_handler)
    utf8(sys.stdout)
    utf8(sys.stderr)
    try:
        code = cli.main(standalone_mode=False)
        # click returns the code of ctx.exit() here instead of raising
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.UsageError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        click.echo(f"error: {error.format_message()}", err=True)
        sys.exit(error.exit_code)
    except ClusterError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
