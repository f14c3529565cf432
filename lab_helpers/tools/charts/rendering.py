"""What a chart is for the tools that install it: metadata, default values, and a function from values to manifests."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

__all__ = ["Chart", "Lookup", "Manifest", "Rendered", "find_chart"]

Values = Mapping[str, Any]

Lookup = Callable[[str, str, str], "dict[str, Any] | None"]
"""``lookup(kind, namespace, name)``: an object of the cluster as it is now (Secrets that are kept over an upgrade)."""


class Manifest(NamedTuple):
    """One object to install. ``source`` is the template of the real chart it corresponds to."""

    source: str
    body: dict[str, Any]


class Rendered(NamedTuple):
    """The outcome of rendering."""

    manifests: list[Manifest]
    notes: str


class Chart(Protocol):
    """One version of a chart."""

    name: str
    version: str
    app_version: str
    description: str

    def metadata(self) -> dict[str, Any]:
        """``Chart.yaml`` as far as helm shows it."""

    def defaults(self) -> dict[str, Any]:
        """The chart's ``values.yaml``; a fresh copy."""

    def render(self, values: Values, *, namespace: str, lookup: Lookup) -> Rendered:
        """All objects for complete values (defaults and the user's merged). Raises ChartError."""


def find_chart(name: str, version: str = "") -> Chart | None:
    """The chart ``cilium`` in a version (the newest stable one when empty; ``1.19`` means its newest patch), or
    None.

    Raises OutOfScopeError where a real cluster is in use: the chart is the twin's.
    """
    if name != "cilium":
        return None
    from lab_helpers.tools.charts.cilium import CiliumChart, resolve_version
    from lab_helpers.tools.charts.errors import OutOfScopeError

    if (os.environ.get("CILIUM_LABS_BACKEND") or "twin") != "twin":
        raise OutOfScopeError(
            "the bundled chart of Cilium is the twin's, and a real cluster is in use; install the real programs: "
            "cilium-labs tools install helm cilium"
        )

    found = resolve_version(version)
    return None if found is None else CiliumChart(found)
