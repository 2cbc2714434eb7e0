"""The keys, as the bindings themselves have them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen

from workbench.tui.widgets.reader import Reader, Row, heading, named

Section = tuple[str, Sequence[tuple[str, str]]]


def rows_of(sections: Sequence[Section], width: int) -> Iterator[Row]:
    """A heading for each section, and a line for each action: its keys, and what it does."""
    column = max([10, *(len(keys) for _, rows in sections for keys, _ in rows)]) + 2
    for at, (title, rows) in enumerate(sections):
        if at:
            yield []
        yield heading(title)
        for keys, does in rows:
            yield from named(keys, does, width, column=min(column, 34))


class HelpScreen(ModalScreen[None]):
    """`escape` closes it; the keys of every list move and search."""

    DEFAULT_CSS = """
    HelpScreen {
        align: center middle;
        & > Vertical { width: 80; max-width: 96%; height: 90%; border: round $primary; background: $surface; }
        & Reader { height: 1fr; }
    }
    """
    BINDINGS = [Binding("escape,q,question_mark", "dismiss", "Close")]

    def __init__(self, sections: Sequence[Section]) -> None:
        super().__init__()
        self._sections = sections

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Reader(lambda width: list(rows_of(self._sections, width)))

    def on_mount(self) -> None:
        box = self.query_one(Vertical)
        box.border_title = "Keys"
        box.border_subtitle = "/ search · escape close"
        self.query_one(Reader).focus()
