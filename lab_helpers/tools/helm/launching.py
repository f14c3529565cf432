"""From command line to exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TextIO

from lab_helpers.tools.goflags import Command, ExitError, Invocation
from lab_helpers.tools.helm.errors import HelmError
from lab_helpers.tools.helm.sessions import add_options

__all__ = ["main", "root"]


def root() -> Command:
    """The whole tree of commands."""
    from lab_helpers.tools.helm.commands import installing, querying, repos, showing, undoing

    command = Command(
        "helm",
        short="The Helm package manager for Kubernetes.",
        long=(
            "The Kubernetes package manager\n\n"
            "This helm is bundled with cilium-labs: it installs cilium/cilium and keeps releases as Helm v3 does.\n\n"
            "Common actions for Helm:\n\n"
            "- helm repo add:    add a chart repository\n"
            "- helm search repo: search for charts\n- helm install:     install the chart to Kubernetes\n"
            "- helm list:        list releases of charts"
        ),
    )
    command.silent_usage = True
    add_options(command.persistent)
    for module in (installing, querying, undoing, repos, showing):
        for child in module.build():
            _guard(child)
            command.add(child)
    return command


def _guard(command: Command) -> None:
    """What goes wrong inside a command ends it with one line and status 1."""
    for child in command.commands:
        _guard(child)
    if command.run is not None:
        command.run = _guarded(command.run)


def _guarded(run: Callable[[Invocation], int | None]) -> Callable[[Invocation], int | None]:
    def guarded(call: Invocation) -> int | None:
        from lab_helpers.tools.charts import ChartError
        from lab_helpers.tools.rest.errors import RestError

        try:
            return run(call)
        except (HelmError, ChartError, RestError) as error:
            raise ExitError(str(error)) from error

    return guarded


def main(argv: list[str] | None = None, stdout: TextIO | None = None, stderr: TextIO | None = None) -> int:
    """Run ``helm`` with these words; returns the exit status."""
    words = sys.argv[1:] if argv is None else argv
    try:
        return root().execute(words, stdout, stderr)
    except BrokenPipeError:
        return 141
    except KeyboardInterrupt:
        return 130
