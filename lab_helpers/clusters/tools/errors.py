"""What can go wrong with a tool.

::

    ClusterError
    └── ToolError
        ├── FetchError       the file did not arrive
        ├── WrongSum         it arrived, and it is not the one that was meant
        └── UnsafeArchive    an archive tries to write where it must not
"""

from __future__ import annotations

from lab_helpers.clusters.errors import ClusterError

__all__ = ["FetchError", "ToolError", "UnsafeArchive", "WrongSum"]


class ToolError(ClusterError):
    """A tool cannot be installed."""


class FetchError(ToolError):
    """The file did not arrive whole. What arrived is kept and continued with next time."""


class WrongSum(ToolError):
    """The file is not the one that was meant; it is not kept."""


class UnsafeArchive(ToolError):
    """An archive with absolute names, ``..``, links or devices where a plain file is expected."""
