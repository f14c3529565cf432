"""``python -m lab_helpers.tools.hubble``: the bundled ``hubble``."""

import sys

from lab_helpers.tools.hubble.running import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
