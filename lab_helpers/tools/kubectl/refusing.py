"""Sub-commands that only the real kubectl has."""

from lab_helpers.tools.goflags import Command, Invocation
from lab_helpers.tools.kubectl.errors import not_bundled

__all__ = ["refused"]


def refused(path: str, instead: str) -> Command:
    """A hidden command that says so, whatever its flags; ``path`` is all of it, as in ``kubectl create quota``."""

    def refuse(_invocation: Invocation) -> int:
        raise not_bundled(path, instead)

    child = Command(path.rpartition(" ")[2], short="(not bundled)", run=refuse, hidden=True)
    child.flags.ignore_unknown = True
    return child
