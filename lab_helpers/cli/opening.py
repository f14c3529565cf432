"""``python -m lab_helpers.cli.opening``: JupyterLab, with its own options, seconds sooner (see ``course.sparing``)."""

from __future__ import annotations

import sys

from lab_helpers.course.sparing import spare_address_parsers

__all__ = ["main"]


def main() -> None:
    """Run JupyterLab; ends with its exit code, and with 130 when Ctrl-C comes before it serves."""
    try:
        spare_address_parsers()
        from jupyterlab.labapp import main as run_jupyterlab

        run_jupyterlab()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
