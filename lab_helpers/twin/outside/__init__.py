"""The "internet" of the twin: names, addresses and servers outside the cluster, from a small data file."""

from __future__ import annotations

from lab_helpers.twin.outside.hosts import CONFIG_MAP, Outside
from lab_helpers.twin.outside.names import Internet, OutsideError, Server, load_internet, parse_internet

__all__ = ["CONFIG_MAP", "Internet", "Outside", "OutsideError", "Server", "load_internet", "parse_internet"]
