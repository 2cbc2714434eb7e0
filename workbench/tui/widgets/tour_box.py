"""The tour's lines between the panels and the footer, and the one line that offers the tour."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from workbench.tui.widgets.note import Note


class TourBox(Vertical):
    """A box of two or three lines; the panels stay to be seen above it. It takes no focus."""

    DEFAULT_CSS = """
    TourBox {
        height: auto;
        max-height: 6;
        padding: 0 1;
        border: round $accent;
        border-title-color: $text-accent;
        border-title-style: bold;
        border-subtitle-color: $text-muted;
    }
    """

    def compose(self) -> ComposeResult:
        yield Note()

    def say(self, title: str, text: str, foot: str) -> None:
        """Shows a step: its title and foot in the border, its text between."""
        self.border_title, self.border_subtitle = Content(title), Content(foot)
        self.query_one(Note).say(text)


class TourOffer(Note):
    """One line. It goes with `escape`, or when the tour is taken."""

    DEFAULT_CSS = "TourOffer { height: 1; padding: 0 1; background: $primary-muted; text-wrap: nowrap; }"
