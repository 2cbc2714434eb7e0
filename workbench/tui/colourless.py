"""The screen under NO_COLOR: no colour at all, and what was bright behind its text is reversed, so that it shows."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.color import Color
from textual.filter import LineFilter, Monochrome

_BRIGHT = 0.3
"""Brightness from which a background stands out of a dark theme's; the same distance from white in a light one."""


class Colourless(LineFilter):
    """Takes segments without a style, too, at which Textual's own filter (8.2) raises AttributeError."""

    def __init__(self, app: App[Any]) -> None:
        super().__init__()
        self._app = app

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        dark = self._app.current_theme.dark
        return [Segment(text, style and _without_colour(style, dark), control) for text, style, control in segments]


def use(app: App[Any]) -> None:
    """Puts it in the place of Textual's filter, where NO_COLOR asked for one."""
    app._filters[:] = [Colourless(app) if isinstance(each, Monochrome) else each for each in app._filters]


@lru_cache(4096)
def _without_colour(style: Style, dark: bool) -> Style:
    behind = style.bgcolor
    plain = style.without_color
    if behind is None or behind.triplet is None:
        return plain
    brightness = Color(*behind.triplet).brightness
    stands_out = brightness > _BRIGHT if dark else brightness < 1 - _BRIGHT
    return plain + Style(reverse=True) if stands_out else plain
