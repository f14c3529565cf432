"""``python3``: plays scripts that say what they are, and no others."""

from lab_helpers.twin.containers.programs.python.running import PYTHON_VERSION, python3

__all__ = ["PYTHON_VERSION", "python3"]
