"""The real kind, kubectl, helm, cilium and hubble: where they come from, and how they get onto this machine.

::

    catalogues      which versions, from environment/tools.toml
    fetching        a file over HTTP, resumed where it stopped
    checksums       publishers' files of sums
    locks           the sums that were seen; later installations must match
    unpacking       one program out of an archive
    installing      all of it together
    linking         which program a command on PATH is
"""

from lab_helpers.clusters.tools.catalogues import Catalogue, Platform, Tool, load_catalogue, this_platform
from lab_helpers.clusters.tools.errors import ToolError
from lab_helpers.clusters.tools.installing import Installer, Report
from lab_helpers.clusters.tools.linking import link_tools

__all__ = [
    "Catalogue",
    "Installer",
    "Platform",
    "Report",
    "Tool",
    "ToolError",
    "link_tools",
    "load_catalogue",
    "this_platform",
]
