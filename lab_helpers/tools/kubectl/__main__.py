"""``python -m lab_helpers.tools.kubectl``."""

import sys

from lab_helpers.tools.kubectl.launching import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
