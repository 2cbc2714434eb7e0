"""Without colour: nothing but attributes, and what stood out by its background is reversed."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from tests.tui.stage import make_app, make_context
from workbench.tui.colourless import Colourless


def test_no_colour_is_left_and_a_cursor_shows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = make_app(make_context(tmp_path / "context"))
    (only,) = [each for each in app._filters if isinstance(each, Colourless)]
    styles = [Style.parse("bold red on #1e1e1e"), Style.parse("white on #0178d4"), None]
    seen = only.apply([Segment("x", style) for style in styles], Color(0, 0, 0))
    assert [segment.style for segment in seen] == [Style(bold=True), Style(reverse=True), None]
