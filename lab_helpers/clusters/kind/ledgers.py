"""What was made for a kind cluster, written down before and after it is made, so that it can be removed, and only that.

The file is ``kind/made.json`` in the home. ``state`` is "creating" from before the first node until the cluster is
whole: a cluster found in that state was interrupted, and is made again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from lab_helpers.clusters.homes import Home, read_json, write_json

__all__ = ["Ledger", "Made"]


@dataclass(frozen=True, slots=True)
class Made:
    """``nodes`` maps containers' names to ids; ``network_made`` tells whether the engine's network was not there
    before.
    """

    state: str
    engine: str
    network: str
    network_made: bool
    image: str
    nodes: Mapping[str, str] = field(default_factory=dict)
    outside: str = ""
    outside_sum: str = ""


class Ledger:
    """The file of one home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.path = home.kind / "made.json"

    def read(self) -> Made | None:
        """None when nothing was made."""
        found = read_json(self.path)
        if found is None:
            return None
        known = {one.name for one in dataclasses.fields(Made)}
        try:
            return Made(**{key: value for key, value in found.items() if key in known})
        except TypeError:
            return None

    def write(self, made: Made) -> Made:
        """Remember it. Raises ClusterError when the disk refuses."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(self.path, dataclasses.asdict(made))
        return made

    def change(self, made: Made, **fields: object) -> Made:
        """Remember it with other fields."""
        return self.write(dataclasses.replace(made, **fields))  # type: ignore[arg-type]
