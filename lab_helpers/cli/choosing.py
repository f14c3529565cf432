"""The options that say which kind of cluster a command is about, and the question before it is changed for good."""

import sys
from collections.abc import Callable
from typing import Any

import click

__all__ = ["cluster_options", "confirm"]

_BACKENDS = ("twin", "kind", "existing")


def cluster_options(purpose: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--backend`` (with the help text ``purpose``), ``--context`` and ``--kubeconfig``."""
    options = (
        click.option("--backend", type=click.Choice(_BACKENDS), default="twin", show_default=True, help=purpose),
        click.option("--context", default="", help="Context of your kubeconfig, for --backend existing."),
        click.option(
            "--kubeconfig", default="", help="File to find it in, for --backend existing (default: as kubectl)."
        ),
    )

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def confirm(question: str) -> None:
    """Return after a yes. Raises ClickException after a no, and where nobody is there to ask."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.ClickException(f"{question} Nobody is here to say so, and nothing was changed.\ntry:   --yes")
    if not click.confirm(question, err=True):
        raise click.ClickException("nothing was changed")
