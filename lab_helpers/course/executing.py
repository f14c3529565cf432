"""One notebook by papermill, in a process of its own: ``python -m lab_helpers.course.executing``.

Prints one JSON object per line on standard output: ``{"cells": n}`` at the start, ``{"start": index}`` and
``{"done": index, "seconds": s}`` for each cell, and at the end ``{"end": true}`` or ``{"failed": index, "count": …,
"error": …, "message": …}``. Kernels talk over Unix sockets where there are any: in parallel runs TCP ports clash now
and then.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any, TextIO

__all__ = ["main"]

KERNEL = "python3"
SAVE_EVERY = 10.0
"""Seconds between two writings of the notebook. Papermill's own way is twice for each cell, which takes longer than
many a cell, and more with everything that was printed before.
"""


class _Reporter:
    """Writes events as they happen."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._began = 0.0

    def event(self, **fields: object) -> None:
        """One line."""
        self._stream.write(json.dumps(fields) + "\n")
        self._stream.flush()

    def started(self, index: int) -> None:
        """A cell starts."""
        self._began = time.monotonic()
        self.event(start=index)

    def ended(self, index: int) -> None:
        """A cell ended, well or not."""
        self.event(done=index, seconds=round(time.monotonic() - self._began, 3))


def main(arguments: list[str] | None = None) -> int:
    """Run one notebook; 0 when no cell raised."""
    parser = argparse.ArgumentParser(prog="python -m lab_helpers.course.executing")
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--solved", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--timeout", type=int, default=600, help="seconds for one cell")
    options = parser.parse_args(arguments)
    stream, sys.stdout = sys.stdout, sys.stderr
    reporter = _Reporter(stream)
    try:
        return _execute(options, reporter)
    finally:
        sys.stdout = stream


def _execute(options: argparse.Namespace, reporter: _Reporter) -> int:
    import logging

    from lab_helpers.course.sparing import spare_address_parsers

    spare_address_parsers()
    import papermill
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    logging.getLogger("papermill").setLevel(logging.ERROR)
    _register(reporter)
    config = Config()
    if os.name == "posix":
        config.KernelManager.transport = "ipc"
    try:
        papermill.execute_notebook(
            options.input,
            options.output,
            parameters={"solved": options.solved},
            engine_name="cilium-labs",
            kernel_name=KERNEL,
            progress_bar=False,
            autosave_cell_every=0,
            execution_timeout=options.timeout,
            config=config,
        )
    except PapermillExecutionError as error:
        reporter.event(failed=error.cell_index, count=error.exec_count, error=error.ename, message=error.evalue)
        return 1
    except Exception as error:  # noqa: BLE001 - a kernel that died or a cell that took too long: told to the runner
        reporter.event(failed=-1, count=0, error=type(error).__name__, message=str(error).strip()[:2000])
        return 1
    reporter.event(end=True)
    return 0


def _register(reporter: _Reporter) -> None:
    from papermill.engines import NBClientEngine, papermill_engines

    class Engine(NBClientEngine):  # type: ignore[misc]
        """Papermill's own engine that tells about each cell, and writes the notebook now and then and at the end."""

        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> Any:
            reporter.event(cells=len(nb_man.nb.cells))
            start, complete, finish, save = (
                nb_man.cell_start,
                nb_man.cell_complete,
                nb_man.notebook_complete,
                nb_man.save,
            )
            saved = [-SAVE_EVERY]

            def cell_start(cell: Any, cell_index: int | None = None, **rest: Any) -> None:
                reporter.started(cell_index or 0)
                start(cell, cell_index, **rest)

            def cell_complete(cell: Any, cell_index: int | None = None, **rest: Any) -> None:
                complete(cell, cell_index, **rest)
                reporter.ended(cell_index or 0)

            def save_now_and_then(**rest: Any) -> None:
                if time.monotonic() - saved[0] >= SAVE_EVERY:
                    save(**rest)
                    saved[0] = time.monotonic()

            def notebook_complete(**rest: Any) -> None:
                nb_man.save = save
                finish(**rest)

            nb_man.cell_start, nb_man.cell_complete = cell_start, cell_complete
            nb_man.save, nb_man.notebook_complete = save_now_and_then, notebook_complete
            return super().execute_managed_notebook(nb_man, kernel_name, **options)

    papermill_engines.register("cilium-labs", Engine)


if __name__ == "__main__":
    raise SystemExit(main())
