"""``python -m lab_helpers.cli`` is ``cilium-labs``."""

from __future__ import annotations

import signal

__all__ = ["main"]


def main() -> None:
    """The console script. Ctrl-C while the program is still being read ends it without a word, as any other program."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from lab_helpers.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
