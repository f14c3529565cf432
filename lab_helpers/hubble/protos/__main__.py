"""``python -m lab_helpers.hubble.protos``: regenerate the committed stubs, or write the schema in another form."""

import argparse
import sys
from pathlib import Path

from lab_helpers.hubble.protos.generating import GeneratingError, descriptor_set, package_stubs, plain_stubs


def main(argv: list[str]) -> int:
    """Exit status 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="python -m lab_helpers.hubble.protos", description=__doc__)
    parser.add_argument("--descriptor-set", type=Path, metavar="FILE", help="write a FileDescriptorSet instead")
    parser.add_argument(
        "--plain", type=Path, metavar="DIR", help="write stubs in protoc's own layout below DIR instead"
    )
    options = parser.parse_args(argv)
    try:
        if options.descriptor_set:
            descriptor_set(options.descriptor_set)
        if options.plain:
            options.plain.mkdir(parents=True, exist_ok=True)
            plain_stubs(options.plain)
        if not options.descriptor_set and not options.plain:
            for path in package_stubs():
                print(path.name)
    except GeneratingError as error:
        print(f"protos: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
