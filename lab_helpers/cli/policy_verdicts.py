"""``cilium-labs policy verdicts``."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

import click

__all__ = ["verdicts"]


def _open_input(name: str) -> IO[str]:
    if name == "-":
        return sys.stdin
    try:
        if name.endswith(".gz"):
            return gzip.open(name, "rt", encoding="utf-8")
        return Path(name).open(encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{name}: {error.strerror or error}") from None


def _judged(line: str, number: int) -> tuple[dict[str, Any], str]:
    """The result of a line, and what was wrong with it ("" when nothing was)."""
    from lab_helpers.policy.cases import CaseError, judge

    name = ""
    try:
        case = json.loads(line)
        if isinstance(case, dict):
            name = str(case.get("name", ""))
        return judge(case), ""
    except json.JSONDecodeError as error:
        wrong = f"line {number}, column {error.colno}: not JSON: {error.msg}"
    except (CaseError, ValueError, TypeError, AttributeError) as error:
        wrong = f"line {number}: {name + ': ' if name else ''}{error}"
    return {"name": name, "error": wrong, "policies": [], "flows": []}, wrong


@click.command()
@click.option(
    "--input", "input_", default="-", show_default=True, help="JSON lines, one case each (- for stdin, or a .gz)."
)
@click.option("--output", default="-", show_default=True, help="Where the results go, one line each.")
def verdicts(input_: str, output: str) -> None:
    """Judge many cases: each line a cluster and flows, each result its verdicts, in order.

    A bad line gives a result with "error" and a message on stderr; the run goes on, and ends with exit code 1.

    \b
    Example:
      cilium-labs policy verdicts --input cases.jsonl --output verdicts.jsonl
    """
    bad = 0
    with _open_input(input_) as source:
        target: Any = nullcontext(sys.stdout)
        if output != "-":
            try:
                target = Path(output).open("w", encoding="utf-8")  # noqa: SIM115 - the with below closes it
            except OSError as error:
                raise click.ClickException(f"{output}: {error.strerror or error}") from None
        with target as sink, _progress() as advance:
            for number, line in enumerate(source, start=1):
                if not line.strip():
                    continue
                result, wrong = _judged(line, number)
                if wrong:
                    bad += 1
                    click.echo(f"error: {wrong}", err=True)
                sink.write(json.dumps(result, ensure_ascii=False, separators=(",", ":")) + "\n")
                advance()
            sink.flush()
    if bad:
        sys.exit(1)


class _progress:  # noqa: N801 - used as a with-statement's word
    """Counts on a terminal, says nothing elsewhere."""

    def __enter__(self) -> Callable[[], None]:
        if not sys.stderr.isatty():
            return lambda: None
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.completed} cases"), TimeElapsedColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._bar.start()
        task = self._bar.add_task("cases", total=None)
        return lambda: self._bar.advance(task)

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_bar"):
            self._bar.stop()
