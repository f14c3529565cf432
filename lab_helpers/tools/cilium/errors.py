"""What the bundled cilium refuses or fails at."""


class CiliumError(Exception):
    """Root of this package's errors; the text stands after ``Error: ``."""


def not_bundled(what: str, instead: str) -> CiliumError:
    """The refusal of something only the real cilium has."""
    return CiliumError(
        f"{what} is not part of the bundled cilium; {instead}, or use the real one (CILIUM_LABS_TOOLS=system)"
    )
