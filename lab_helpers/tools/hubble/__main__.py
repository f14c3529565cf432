"""``python -m lab_helpers.tools.hubble``: the bundled ``hubble``."""

import gc
import sys

from lab_helpers.tools.hubble.running import main

__all__ = ["main"]

if __name__ == "__main__":
    # a short life with many small objects and no cycles: collecting garbage would take a third of the time
    gc.set_threshold(100_000, 50, 100)
    sys.exit(main(sys.argv[1:]))
