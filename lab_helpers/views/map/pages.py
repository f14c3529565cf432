"""The map as a page shows it: drawing, legend, and the table that says the same."""

from __future__ import annotations

from dataclasses import dataclass

from lab_helpers.views.display import View, badge, cell_text
from lab_helpers.views.map.drawings import draw
from lab_helpers.views.map.layouts import Layout, arrange
from lab_helpers.views.map.maps import ServiceMap, verdict_word
from lab_helpers.views.map.rendering import svg
from lab_helpers.views.style import asset
from lab_helpers.views.verdicts import flow_tone

__all__ = ["MapPage", "legend"]


@dataclass(frozen=True, slots=True)
class MapPage(View):
    """A service map. ``layout``: where places stood before, None to place them anew."""

    map: ServiceMap
    layout: Layout | None = None

    def text(self) -> str:
        """The table of edges, complete."""
        return self.map.text()

    def body(self) -> str:
        """Drawing and legend, with the table folded below."""
        found = self.map
        if not found.edges:
            return found.table().body()
        shown = found.drawable()
        drawing = draw(shown, arrange(shown, self.layout))
        note = f"<p>{cell_text(shown.note)}</p>" if shown.note else ""
        return (
            f'<style>{asset("map/map.css")}</style><figure style="margin:0">{svg(drawing)}<figcaption>{legend(found)}'
            f'<p class="cl-faint">{cell_text(found.summary())}</p></figcaption></figure>{note}'
            f"<details><summary>The same as a table ({len(found.edges)} edges)</summary>"
            f"{found.table().body()}</details>"
        )


def legend(found: ServiceMap) -> str:
    """The verdicts that occur, each with its dash pattern, icon and word."""
    verdicts = sorted({edge.line.verdict for edge in found.edges})
    keys = []
    for verdict in verdicts:
        tone = flow_tone(verdict)
        key = f'<span class="cl-map-key cl-map-{verdict.lower()}" aria-hidden="true"></span>'
        keys.append(f'<span style="margin-right:1.2em">{key}{badge(tone, verdict_word(verdict))}</span>')
    return f"<p>{''.join(keys)}<span>arrows lead from caller to called</span></p>"
