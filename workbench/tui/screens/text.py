"""Lines to read, on a screen of their own: moved through and searched like every list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import chop_cells
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from workbench.tui.widgets.reader import Reader, Row

_NAMES = {"+": "reader--added", "-": "reader--gone", "@": "reader--muted"}


def rows_of(lines: Sequence[str], width: int, *, diff: bool = False) -> Iterator[Row]:
    """Lines that are too long go on below themselves; in a diff what came and what went is told apart."""
    for line in lines:
        name = _NAMES.get(line[:1], "") if diff else ""
        for piece in chop_cells(line.expandtabs(8), width) or [""]:
            yield [(piece, name)]


class TextScreen(ModalScreen[None]):
    """Shows `lines`, which are clean text. `escape` closes it."""

    DEFAULT_CSS = """
    TextScreen {
        align: center middle;
        & > Vertical { width: 96%; height: 94%; border: round $primary; background: $surface; }
        & Reader { height: 1fr; }
    }
    """
    BINDINGS = [Binding("escape,q", "dismiss", "Close")]

    def __init__(self, title: str, lines: Sequence[str], *, diff: bool = False) -> None:
        super().__init__()
        self._diff = diff
        self._title = title
        self._lines = lines

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Reader(lambda width: list(rows_of(self._lines, width, diff=self._diff)))

    def on_mount(self) -> None:
        box = self.query_one(Vertical)
        box.border_title = Content(self._title)
        box.border_subtitle = "/ search · escape close"
        self.query_one(Reader).focus()
