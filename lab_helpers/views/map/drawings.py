"""The drawing of a map: geometry as data. The page's SVG and the widget are drawn from it, so both show the same."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

from lab_helpers.policy.identities import LOCAL_SCOPE
from lab_helpers.views.map.layouts import Box, Layout
from lab_helpers.views.map.maps import Edge, Node, ServiceMap, edge_label
from lab_helpers.views.map.places import Place, PlaceKind

__all__ = ["Drawing", "DrawnBand", "DrawnEdge", "DrawnNode", "draw", "drawing_json"]

_CHARACTER: Final = 6.4
"""Width of a label's character, in the drawing's units: enough for the fonts in use at 11 px."""
_LABEL_HEIGHT: Final = 16
_NAME_LENGTH: Final = 23
_ALONG: Final = (0.8, 0.74, 0.68, 0.62, 0.56, 0.5, 0.44, 0.38, 0.32, 0.26, 0.2)
_TRIES: Final = tuple((t, aside) for aside in (0, -13, 13) for t in _ALONG)
"""Where along a curve, and how far above or below it, a label may stand."""
_CELL: Final = 96
"""Side of the squares by which rectangles are found."""
_HEAD: Final = 9
_KINDS: Final = {
    PlaceKind.WORKLOAD: "▣",
    PlaceKind.NAME: "◇",
    PlaceKind.CIDR: "▤",
    PlaceKind.WORLD: "◯",
    PlaceKind.RESERVED: "⬢",
}


class Point(NamedTuple):
    """A point in the drawing."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class DrawnBand:
    """A group's rectangle and its name."""

    name: str
    box: Box


@dataclass(frozen=True, slots=True)
class DrawnNode:
    """``key`` is the place's text; ``label`` may be shortened, ``said`` is what a screen reader says."""

    key: str
    label: str
    below: str
    said: str
    kind: str
    box: Box


@dataclass(frozen=True, slots=True)
class DrawnEdge:
    """``path`` and ``head`` are SVG path data; ``at`` is the middle of the label."""

    key: str
    source: str
    target: str
    verdict: str
    path: str
    head: str
    label: str
    at: Point
    said: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything with its place. ``description`` is the drawing in words."""

    width: int
    height: int
    title: str
    description: str
    bands: tuple[DrawnBand, ...]
    nodes: tuple[DrawnNode, ...]
    edges: tuple[DrawnEdge, ...]


def draw(found: ServiceMap, layout: Layout) -> Drawing:
    """Nodes in reading order (by band, column, row), edges in that of their sources."""
    boxes = layout.boxes()
    order = {
        place: number
        for number, place in enumerate(
            sorted(boxes, key=lambda p: (layout.groups.index(p.group), layout.slots[p].column, layout.slots[p].row))
        )
    }
    nodes = sorted(found.nodes, key=lambda node: order[node.place])
    edges = sorted(found.edges, key=lambda edge: (order[edge.line.source], order[edge.line.target], edge.line))
    width, height = layout.size()
    return Drawing(
        width,
        height,
        found.title,
        found.summary(),
        tuple(DrawnBand(band.group, band.box) for band in layout.bands()),
        tuple(_node(node, boxes[node.place], found) for node in nodes),
        _edges(edges, boxes),
    )


def drawing_json(drawing: Drawing) -> dict[str, Any]:
    """The drawing as plain data, for the widget."""
    found = asdict(drawing)
    for item in (*found["bands"], *found["nodes"]):
        item["box"] = Box(*item["box"])._asdict()
    for edge in found["edges"]:
        edge["at"] = Point(*edge["at"])._asdict()
    return found


def _node(node: Node, box: Box, found: ServiceMap) -> DrawnNode:
    place = node.place
    inward = sum(edge.line.target == place for edge in found.edges)
    outward = sum(edge.line.source == place for edge in found.edges)
    if place.kind is PlaceKind.WORKLOAD:
        below = f"{len(node.pods)} pod{'s' if len(node.pods) != 1 else ''}"
    else:
        below = place.kind.value
    if len(node.identities) == 1 and 0 < node.identities[0] < LOCAL_SCOPE:
        below += f" · ID {node.identities[0]}"
    said = f"{place}, {place.kind}: called over {inward} edges, calls over {outward}"
    label = place.name if len(place.name) <= _NAME_LENGTH else place.name[: _NAME_LENGTH - 1] + "…"
    return DrawnNode(str(place), f"{_KINDS[place.kind]} {label}", below, said, place.kind.name.lower(), box)


def _edges(edges: Sequence[Edge], boxes: Mapping[Place, Box]) -> tuple[DrawnEdge, ...]:
    leaving = _ports(edges, boxes, outward=True)
    arriving = _ports(edges, boxes, outward=False)
    taken = _Taken(boxes.values())
    drawn = []
    for edge in edges:
        curve = _curve(edge, boxes, leaving[edge.line], arriving[edge.line])
        label = edge_label(edge)
        at, box = _label_spot(curve, len(label) * _CHARACTER + 8, taken)
        taken.add(box)
        drawn.append(
            DrawnEdge(
                edge.key,
                str(edge.line.source),
                str(edge.line.target),
                edge.line.verdict.lower(),
                "M{:.0f} {:.0f}C{:.0f} {:.0f} {:.0f} {:.0f} {:.0f} {:.0f}".format(*(n for p in curve for n in p)),
                _head(curve),
                label,
                at,
                edge.sentence(),
            )
        )
    return tuple(drawn)


def _ports(edges: Iterable[Edge], boxes: Mapping[Place, Box], *, outward: bool) -> dict[Any, float]:
    """The height at which each edge leaves or arrives: spread over the side of its box, in the order of the other
    ends, so that edges do not cross at the box.
    """
    sides: dict[Place, list[Edge]] = {}
    for edge in edges:
        sides.setdefault(edge.line.source if outward else edge.line.target, []).append(edge)
    found = {}
    for place, here in sides.items():
        box = boxes[place]

        def other(edge: Edge) -> tuple[int, object]:
            far = boxes[edge.line.target if outward else edge.line.source]
            return far.y, edge.line

        here.sort(key=other)
        for number, edge in enumerate(here):
            found[edge.line] = box.y + box.height * (number + 1) / (len(here) + 1)
    return found


Curve = tuple[Point, Point, Point, Point]


def _curve(edge: Edge, boxes: Mapping[Place, Box], leaves: float, arrives: float) -> Curve:
    source, target = boxes[edge.line.source], boxes[edge.line.target]
    begin = Point(source.x + source.width, leaves)
    if target.x <= source.x:  # to the same column, or back: around the right side
        end = Point(target.x + target.width, arrives)
        out = max(begin.x, end.x) + 62 + abs(begin.y - end.y) * 0.06
        return begin, Point(out, begin.y), Point(out, end.y if end.y != begin.y else end.y + 26), end
    end = Point(target.x, arrives)
    bend = (end.x - begin.x) * 0.5
    return begin, Point(begin.x + bend, begin.y), Point(end.x - bend, end.y), end


def _on(curve: Curve, t: float) -> Point:
    weights = ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3)
    return Point(
        sum(w * p.x for w, p in zip(weights, curve, strict=True)),
        sum(w * p.y for w, p in zip(weights, curve, strict=True)),
    )


class _Taken:
    """Rectangles that labels should not cover, found by where they are."""

    def __init__(self, boxes: Iterable[Box]) -> None:
        self._cells: dict[tuple[int, int], list[Box]] = {}
        for box in boxes:
            self.add(box)

    def add(self, box: Box) -> None:
        """One more."""
        for cell in _cells(box):
            self._cells.setdefault(cell, []).append(box)

    def covered(self, box: Box) -> int:
        """How much of a rectangle is taken; what lies in several cells counts in each."""
        return sum(_overlap(box, other) for cell in _cells(box) for other in self._cells.get(cell, ()))


def _cells(box: Box) -> Iterator[tuple[int, int]]:
    for column in range(box.x // _CELL, (box.x + box.width) // _CELL + 1):
        for row in range(box.y // _CELL, (box.y + box.height) // _CELL + 1):
            yield column, row


def _label_spot(curve: Curve, width: float, taken: _Taken) -> tuple[Point, Box]:
    """The first spot on the curve that covers nothing; the one that covers least when there is none."""
    best: tuple[float, Point, Box] | None = None
    for t, aside in _TRIES:
        spot = _on(curve, t)
        at = Point(round(spot.x), round(spot.y) + aside)
        box = Box(int(at.x - width / 2), int(at.y - _LABEL_HEIGHT / 2), int(width), _LABEL_HEIGHT)
        covered = taken.covered(box)
        if best is None or covered < best[0]:
            best = (covered, at, box)
        if not covered:
            break
    assert best is not None
    return best[1], best[2]


def _overlap(one: Box, other: Box) -> int:
    wide = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    high = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    return max(0, wide) * max(0, high)


def _head(curve: Curve) -> str:
    """An arrowhead at the end, in the direction of the curve."""
    before, end = _on(curve, 0.94), curve[3]
    angle = math.atan2(end.y - before.y, end.x - before.x)
    wings = [
        Point(end.x - _HEAD * math.cos(angle + turn), end.y - _HEAD * math.sin(angle + turn)) for turn in (0.42, -0.42)
    ]
    return "M{:.1f} {:.1f}L{:.1f} {:.1f}L{:.1f} {:.1f}Z".format(*(n for p in (end, *wings) for n in p))
