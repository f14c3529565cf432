"""``python -m lab_helpers.tools.helm``."""

import sys

from lab_helpers.tools.helm.launching import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
