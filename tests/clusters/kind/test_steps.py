"""Steps as lines and as a living line."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from lab_helpers.clusters.kind.steps import Lines, _Live, reporting


def test_lines() -> None:
    said: list[str] = []
    with reporting(Lines(said.append), "nodes") as noted:
        noted.text = "there already"
    with pytest.raises(KeyboardInterrupt), reporting(Lines(said.append), "outside"):
        raise KeyboardInterrupt
    assert said[0] == "… nodes"
    assert said[1].startswith("✔ nodes (0.")
    assert said[1].endswith(" s): there already")
    assert said[3].startswith("✖ outside (after 0.")


def test_on_a_terminal() -> None:
    screen = io.StringIO()
    live = _Live(Console(file=screen, force_terminal=True, width=100))
    with reporting(live, "nodes"):
        live.detail("Preparing nodes")
    with pytest.raises(ValueError, match="no"), reporting(live, "outside"):
        raise ValueError("no")
    live.detail("after the end nobody listens")
    assert "✔ nodes (0." in screen.getvalue()
    assert "Preparing nodes" in screen.getvalue()
    assert "✖ outside (after 0." in screen.getvalue()
