"""``python -m lab_helpers.cli.opening``: JupyterLab, with its own options, seconds sooner (see ``course.sparing``)."""

from __future__ import annotations

from lab_helpers.course.sparing import spare_address_parsers

__all__ = ["main"]


def main() -> None:
    """Run JupyterLab; ends with its exit code."""
    spare_address_parsers()
    from jupyterlab.labapp import main as run_jupyterlab

    run_jupyterlab()


if __name__ == "__main__":
    main()
