"""A drawing as one ``<svg>`` element.

The verdict of an edge shows in its dash pattern, in the icon of its label and in its title, and in its colour. No ids:
many drawings may stand on one page.
"""

from __future__ import annotations

from lab_helpers.views.display import escape
from lab_helpers.views.map.drawings import Drawing, DrawnBand, DrawnEdge, DrawnNode
from lab_helpers.views.map.layouts import Box
from lab_helpers.views.map.maps import verdict_word

__all__ = ["svg"]


def svg(drawing: Drawing) -> str:
    """The picture as one ``<svg>`` element, the same bytes for the same drawing."""
    head = (
        f'<svg class="cl-map" role="img" viewBox="0 0 {drawing.width} {drawing.height}" '
        f'style="max-width:{drawing.width}px" aria-label="{escape(drawing.title)}: {escape(drawing.description)}">'
        f"<title>{escape(drawing.title)}</title><desc>{escape(_described(drawing))}</desc>"
    )
    parts = [
        head,
        *map(_band_svg, drawing.bands),
        *map(_edge_svg, drawing.edges),
        *map(_node_svg, drawing.nodes),
        *map(_label_svg, drawing.edges),
        "</svg>",
    ]
    return "".join(parts)


def _band_svg(band: DrawnBand) -> str:
    return (
        f'<g class="cl-map-band"><rect {_rect(band.box)} rx="6"/>'
        f'<text x="{band.box.x + 10}" y="{band.box.y + 18}">{escape(band.name)}</text></g>'
    )


def _edge_svg(edge: DrawnEdge) -> str:
    return (
        f'<g class="cl-map-edge cl-map-{edge.verdict}"><title>{escape(edge.said)}</title>'
        f'<path class="cl-map-line" d="{edge.path}"/><path class="cl-map-head" d="{edge.head}"/></g>'
    )


def _node_svg(node: DrawnNode) -> str:
    x, y = node.box.x + 10, node.box.y
    return (
        f'<g class="cl-map-node cl-map-{node.kind}"><title>{escape(node.said)}</title><rect {_rect(node.box)} '
        f'rx="4"/><text x="{x}" y="{y + 22}">{escape(node.label)}</text>'
        f'<text class="cl-map-below" x="{x}" y="{y + 40}">{escape(node.below)}</text></g>'
    )


def _label_svg(edge: DrawnEdge) -> str:
    return (
        f'<text class="cl-map-label cl-map-{edge.verdict}" x="{edge.at.x:.0f}" y="{edge.at.y + 4:.0f}">'
        f"{escape(edge.label)}</text>"
    )


def _rect(box: Box) -> str:
    return f'x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}"'


def _described(drawing: Drawing) -> str:
    lines = (f"{e.source} to {e.target}: {e.label}, {verdict_word(e.verdict.upper())}." for e in drawing.edges)
    return " ".join([drawing.description, *lines])
