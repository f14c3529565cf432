"""The "internet" of the twin: names, addresses and servers outside the cluster, from a small data file."""

from __future__ import annotations

from lab_helpers.twin.outside.hosts import Outside
from lab_helpers.twin.outside.names import Internet, OutsideError, load_internet

__all__ = ["Internet", "Outside", "OutsideError", "load_internet"]
