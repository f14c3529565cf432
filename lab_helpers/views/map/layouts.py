"""Where every place of a map stands: bands of rows by group, columns by who calls whom.

The column of a place is its layer: callers stand left of what they call (the longest way from a place nobody calls,
cycles as one). Layers and cycles are networkx's; rows within a band follow the mean row of the callers, ties the name.
The same graph always gives the same layout. Given the layout before, known places keep column and row, whatever edges
arrive; new ones take the next free row of their column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from lab_helpers.views.map.maps import ServiceMap
from lab_helpers.views.map.places import CLUSTER, OUTSIDE, Place

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["BAND_HEAD", "NODE_HEIGHT", "NODE_WIDTH", "Band", "Box", "Layout", "Slot", "arrange"]

NODE_WIDTH: Final = 168
NODE_HEIGHT: Final = 52
_COLUMN: Final = 400
_ROW: Final = 84
BAND_HEAD: Final = 26
_BAND_GAP: Final = 14
_MARGIN: Final = 16
_FEWEST_COLUMNS: Final = 2


class Slot(NamedTuple):
    """A place's column, and its row within the band of its group."""

    column: int
    row: int


class Box(NamedTuple):
    """A rectangle in the drawing's units; ``x`` and ``y`` are its upper left corner."""

    x: int
    y: int
    width: int
    height: int


class Band(NamedTuple):
    """The rectangle of a group."""

    group: str
    box: Box


@dataclass(frozen=True, slots=True)
class Layout:
    """Slots by place, and the groups from top to bottom."""

    slots: Mapping[Place, Slot]
    groups: tuple[str, ...]

    @property
    def columns(self) -> int:
        """How many columns there are."""
        return max([_FEWEST_COLUMNS, *(slot.column + 1 for slot in self.slots.values())])

    def _rows(self, group: str) -> int:
        return max([1, *(slot.row + 1 for place, slot in self.slots.items() if place.group == group)])

    def bands(self) -> tuple[Band, ...]:
        """One below the other."""
        found = []
        y = _MARGIN
        wide = (self.columns - 1) * _COLUMN + NODE_WIDTH + 2 * _MARGIN
        for group in self.groups:
            height = BAND_HEAD + self._rows(group) * _ROW
            found.append(Band(group, Box(_MARGIN, y, wide, height)))
            y += height + _BAND_GAP
        return tuple(found)

    def boxes(self) -> dict[Place, Box]:
        """The rectangle of every place."""
        tops = {band.group: band.box.y for band in self.bands()}
        return {
            place: Box(
                2 * _MARGIN + slot.column * _COLUMN,
                tops[place.group] + BAND_HEAD + slot.row * _ROW + (_ROW - NODE_HEIGHT) // 2 - 4,
                NODE_WIDTH,
                NODE_HEIGHT,
            )
            for place, slot in self.slots.items()
        }

    def size(self) -> tuple[int, int]:
        """Width and height of the drawing."""
        bands = self.bands()
        if not bands:
            return 2 * _MARGIN, 2 * _MARGIN
        last = bands[-1].box
        return last.x + last.width + _MARGIN, last.y + last.height + _MARGIN


def arrange(found: ServiceMap, before: Layout | None = None) -> Layout:
    """Give every place a slot; the slot of a place that is gone is not given away at once."""
    layers = _layers(found)
    known = dict(before.slots) if before is not None else {}
    kept = {place: slot for place, slot in known.items() if place in layers}
    groups = _groups(found, before)
    callers = _callers(found)
    slots = dict(kept)
    for column in range(max(layers.values(), default=-1) + 1):
        for group in groups:
            fresh = [p for p, layer in layers.items() if layer == column and p.group == group and p not in slots]
            order = {place: _weight(place, callers, slots, groups) for place in fresh}
            for place in sorted(fresh, key=lambda place: (order[place], place)):
                slots[place] = Slot(column, _free_row(slots, known, group, column))
    return Layout(slots, groups)


def _graph(found: ServiceMap) -> nx.DiGraph[Place]:
    import networkx as nx

    graph: nx.DiGraph[Place] = nx.DiGraph()
    graph.add_nodes_from(sorted(node.place for node in found.nodes))
    graph.add_edges_from(sorted({(edge.line.source, edge.line.target) for edge in found.edges}))
    return graph


def _layers(found: ServiceMap) -> dict[Place, int]:
    """Layer by place; the places of a cycle share one."""
    import networkx as nx

    graph = _graph(found)
    condensed = nx.condensation(graph)
    layers = {}
    for number, generation in enumerate(nx.topological_generations(condensed)):
        for component in generation:
            for place in condensed.nodes[component]["members"]:
                layers[place] = number
    return dict(sorted(layers.items()))


def _groups(found: ServiceMap, before: Layout | None) -> tuple[str, ...]:
    """Groups of the layout before keep their order; new namespaces come after them, above nodes and outside."""
    now = found.groups()
    if before is None:
        return now
    last = (CLUSTER, OUTSIDE)
    kept = [group for group in before.groups if group in now]
    named = [group for group in kept if group not in last] + [g for g in now if g not in kept and g not in last]
    return (*named, *(group for group in last if group in now))


def _callers(found: ServiceMap) -> dict[Place, set[Place]]:
    callers: dict[Place, set[Place]] = {}
    for edge in found.edges:
        callers.setdefault(edge.line.target, set()).add(edge.line.source)
    return callers


def _weight(
    place: Place, callers: Mapping[Place, set[Place]], slots: Mapping[Place, Slot], groups: tuple[str, ...]
) -> float:
    """Mean height of the callers that stand already; those without come first."""
    heights = [groups.index(c.group) * 100 + slots[c].row for c in callers.get(place, ()) if c in slots]
    return sum(heights) / len(heights) if heights else -1.0


def _free_row(slots: Mapping[Place, Slot], known: Mapping[Place, Slot], group: str, column: int) -> int:
    """The first row of a column that nobody has, and nobody had a moment ago."""
    taken = {
        slot.row
        for held in (slots, known)
        for place, slot in held.items()
        if place.group == group and slot.column == column
    }
    return next(row for row in range(len(taken) + 1) if row not in taken)
