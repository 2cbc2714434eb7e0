"""What may stand at the cursor, in a box beside the line that is typed: never over it. The editor keeps the focus."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual import events
from textual.geometry import Offset, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from workbench.build.text import one_line
from workbench.dockerfile.complete import Candidate

_MOST_ROWS = 8
_WIDEST = 46
_FEWEST_ROWS = 2


class Completion(Widget, can_focus=False):
    """Shows what `offer` was given. `touched`: the person asked for it or moved in it, so that `enter` takes one."""

    DEFAULT_CSS = """
    Completion {
        display: none;
        position: absolute;
        overlay: screen;
        constrain: none inside;
        background: $panel;
        color: $foreground;
        &.-open { display: block; }
        & > .completion--chosen { text-style: reverse; }
        & > .completion--kind { color: $foreground-muted; }
    }
    """
    COMPONENT_CLASSES = {"completion--chosen", "completion--kind"}

    class Taken(Message):
        """A click took that candidate."""

        def __init__(self, candidate: Candidate) -> None:
            super().__init__()
            self.candidate = candidate

    def __init__(self) -> None:
        super().__init__()
        self._candidates: Sequence[Candidate] = ()
        self._cursor = 0
        self._top = 0
        self.touched = False

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    @property
    def chosen(self) -> Candidate | None:
        """The candidate under the cursor, None while closed."""
        return self._candidates[self._cursor] if self.is_open else None

    @property
    def taken_by_enter(self) -> bool:
        """Whether `enter` means this box: it may also just end the line."""
        chosen = self.chosen
        return chosen is not None and (self.touched or chosen.kind in ("instruction", "flag"))

    def offer(self, candidates: Sequence[Candidate], cursor: Offset, room: Size, *, touched: bool) -> None:
        """Opens beside `cursor` (a cell of the screen), below it where there is more room than above; closes where
        there is nothing to offer."""
        if not candidates:
            self.close()
            return
        below, above = room.height - cursor.y - 1, cursor.y
        rows = min(len(candidates), _MOST_ROWS)
        under = below >= rows or below >= above
        rows = min(rows, below if under else above)
        if rows < min(_FEWEST_ROWS, len(candidates)):
            self.close()
            return
        widest = max(cell_len(one_line(it.text)) + cell_len(it.kind) for it in candidates[:200]) + 4
        width = max(8, min(widest, _WIDEST, room.width))
        self._candidates, self._cursor, self._top = candidates, 0, 0
        self.touched = touched
        self.styles.width, self.styles.height = width, rows
        x = max(0, min(cursor.x - candidates[0].replaces - 1, room.width - width))
        self.absolute_offset = Offset(x, cursor.y + 1 if under else cursor.y - rows)
        self.add_class("-open")
        self.refresh(layout=True)

    def close(self) -> None:
        self.remove_class("-open")
        self._candidates = ()

    def move(self, step: int) -> None:
        """To the next candidates; round the ends by single steps."""
        count, rows = len(self._candidates), self.size.height
        if not count:
            return
        target = self._cursor + step
        self._cursor = target % count if abs(step) == 1 else max(0, min(target, count - 1))
        self._top = max(self._cursor - rows + 1, min(self._top, self._cursor))
        self.touched = True
        self.refresh()

    def render_line(self, y: int) -> Strip:
        at, width = self._top + y, self.size.width
        if at >= len(self._candidates):
            return Strip.blank(width, self.rich_style)
        it = self._candidates[at]
        base = self.rich_style
        if at == self._cursor:
            base += self.get_component_rich_style("completion--chosen", partial=True)
        kind = f" {it.kind} "
        text = set_cell_size(f" {one_line(it.text)}", max(0, width - cell_len(kind)))
        muted = base + self.get_component_rich_style("completion--kind", partial=True)
        return Strip([Segment(text, base), Segment(kind, muted)]).crop(0, width)

    def on_click(self, event: events.Click) -> None:
        event.stop()
        at = self._top + event.y
        if at < len(self._candidates):
            self.post_message(self.Taken(self._candidates[at]))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.move(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.move(-1)
