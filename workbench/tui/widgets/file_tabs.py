"""The row of open files above the editor: which is shown, which are unsaved; a click shows one, or closes it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from workbench.build.text import one_line

_LONGEST = 24
_CLOSE = "×"


class FileTabs(Widget):
    """Shows what `show` was given; hides itself where there is only one file, which cannot be closed."""

    DEFAULT_CSS = """
    FileTabs {
        height: 1;
        display: none;
        background: $boost;
        &.-several { display: block; }
        & > .tabs--file { color: $foreground-muted; }
        & > .tabs--shown { color: $text-primary; text-style: bold reverse; }
    }
    """
    COMPONENT_CLASSES = {"tabs--file", "tabs--shown"}

    class Chosen(Message):
        """The file at that place should be shown, or closed."""

        def __init__(self, index: int, *, close: bool) -> None:
            super().__init__()
            self.index = index
            self.close = close

    def __init__(self) -> None:
        super().__init__()
        self._labels: list[str] = []
        self._shown = 0

    def show(self, names: Sequence[str], unsaved: Sequence[bool], shown: int) -> None:
        """The names of the open files; the first of them has no mark to close it with."""
        labels = []
        for at, (name, dirty) in enumerate(zip(names, unsaved, strict=True)):
            label = one_line(name)
            if cell_len(label) > _LONGEST:
                label = "…" + label[-_LONGEST + 1 :]
            labels.append(f" {label}{' •' if dirty else ''} {f'{_CLOSE} ' if at else ''}")
        self._labels, self._shown = labels, shown
        self.set_class(len(labels) > 1, "-several")
        self.refresh()

    def _first(self) -> int:
        """The first one that is drawn, so that the shown one has room."""
        first, width = 0, self.size.width
        while first < self._shown and sum(map(cell_len, self._labels[first : self._shown + 1])) > width:
            first += 1
        return first

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        segments = []
        for at, label in enumerate(self._labels[self._first() :], self._first()):
            name = "tabs--shown" if at == self._shown else "tabs--file"
            segments.append(Segment(label, base + self.get_component_rich_style(name, partial=True)))
        width = self.size.width
        strip = Strip(segments)
        return strip.crop(0, width).extend_cell_length(width, base) if segments else Strip.blank(width, base)

    def on_click(self, event: events.Click) -> None:
        event.stop()
        x = event.x
        for at, label in enumerate(self._labels[self._first() :], self._first()):
            width = cell_len(label)
            if x < width:
                on_close = at > 0 and x >= width - 2
                self.post_message(self.Chosen(at, close=on_close or event.button == 2))
                return
            x -= width
