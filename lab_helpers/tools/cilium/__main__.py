"""``python -m lab_helpers.tools.cilium``."""

import sys

from lab_helpers.tools.cilium.launching import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
