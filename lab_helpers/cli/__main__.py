"""``python -m lab_helpers.cli`` is ``cilium-labs``."""

from lab_helpers.cli.main import main

main()
