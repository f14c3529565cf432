"""From command line to exit status."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import TextIO

from lab_helpers.tools.executing import execute, utf8
from lab_helpers.tools.goflags import Command
from lab_helpers.tools.goflags.guarding import guard
from lab_helpers.tools.helm.errors import HelmError
from lab_helpers.tools.helm.sessions import add_options

__all__ = ["main", "root"]

_MODULES = {
    "installing": ("install", "upgrade"),
    "querying": ("list", "ls", "status", "history", "hist", "get"),
    "undoing": ("rollback", "uninstall", "del", "delete", "un"),
    "repos": ("repo", "search"),
    "showing": (
        *("show", "inspect", "version", "env", "template", "create", "dependency", "lint", "package", "plugin"),
        *("pull", "push", "registry", "test", "verify"),
    ),
}
"""Which module has which commands."""


def root(words: Sequence[str] = ()) -> Command:
    """The tree of commands; with `words`, for speed, only the part in which the first of them is a command."""
    first = words[0] if words else ""
    chosen = [module for module, names in _MODULES.items() if first in names] or list(_MODULES)
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
    for module in chosen:
        for child in importlib.import_module(f"lab_helpers.tools.helm.commands.{module}").build():
            guard(child, _ours)
            command.add(child)
    return command


def _ours(error: Exception) -> bool:
    from lab_helpers.tools.charts import ChartError
    from lab_helpers.tools.rest.errors import RestError

    return isinstance(error, (HelmError, ChartError, RestError))


def main(argv: list[str] | None = None, stdout: TextIO | None = None, stderr: TextIO | None = None) -> int:
    """Run ``helm`` with these words; returns the exit status."""
    words = sys.argv[1:] if argv is None else argv
    out, err = stdout or utf8(sys.stdout), stderr or utf8(sys.stderr)
    return execute(lambda: root(words).execute(words, out, err), out, unread=141)
