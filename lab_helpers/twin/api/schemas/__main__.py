"""``python -m lab_helpers.twin.api.schemas FOLDER…``: make ``builtin.json`` again.

The folders are checkouts of k8s.io/api, k8s.io/apimachinery, k8s.io/apiextensions-apiserver and k8s.io/kube-aggregator
of one release.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lab_helpers.twin.api.schemas.generating import GenerateError, write


def main() -> int:
    """Run the generator; 0 when the file was written."""
    parser = argparse.ArgumentParser(prog="python -m lab_helpers.twin.api.schemas", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="folders with generated.proto files")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("builtin.json"))
    options = parser.parse_args()
    try:
        count = write(options.folders, options.output)
    except (GenerateError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{options.output}: {count} types\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
