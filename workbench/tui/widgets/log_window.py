"""The window on a log's lines: it scrolls, wraps long lines, and follows the end until one scrolls up."""

from __future__ import annotations

from textual.binding import Binding
from textual.geometry import Size
from textual.scroll_view import ScrollView

from workbench.tui.widgets import log_wrap
from workbench.tui.widgets.log_lines import LogLines
from workbench.tui.widgets.log_wrap import WrappedRow

SIDEWAYS = 8
"""Columns of one step to the side."""


class LogWindow(ScrollView, can_focus=True):
    """Where one is in a log. Whoever draws it asks `_rows` while long lines are wrapped."""

    BINDINGS = [
        Binding("down,j", "scroll_down", "Down", show=False, id="log.down"),
        Binding("up,k", "scroll_up", "Up", show=False, id="log.up"),
        Binding("left,h", "sideways(-1)", "Left", show=False, id="log.left"),
        Binding("right", "sideways(1)", "Right", show=False, id="log.right"),
        Binding("pagedown,space", "page_down", "Page down", show=False, id="log.page_down"),
        Binding("pageup", "page_up", "Page up", show=False, id="log.page_up"),
        Binding("g,home", "scroll_home", "Start", show=False, id="log.start"),
        Binding("G,end", "follow(True)", "End, and follow", show=False, id="log.end"),
        Binding("f", "follow", "Follow", id="log.follow"),
        Binding("w", "wrap", "Wrap long lines", show=False, id="log.wrap"),
    ]

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._lines = LogLines()
        self._following = True
        self._wrapped = False
        self._layout: tuple[object, list[WrappedRow]] = (None, [])

    @property
    def line_count(self) -> int:
        return len(self._lines)

    @property
    def following(self) -> bool:
        """Whether new lines scroll the view to its end."""
        return self._following

    def action_wrap(self) -> None:
        """Long lines over several rows, or cut at the edge."""
        top = self._top
        self._wrapped = not self._wrapped
        self._resize()
        if not self._following:
            self._go(top)
        self.scroll_to(x=0, animate=False, force=True, immediate=True)
        self.refresh()
        self._tell()

    @property
    def _top(self) -> int:
        """The first line on the screen."""
        rows = self._rows() if self._wrapped else []
        return rows[0].line if rows else self.scroll_offset.y

    def _rows(self) -> list[WrappedRow]:
        """Wrapped: what stands on each row of the screen. Who follows sees the end of the log, whole."""
        width, height = self.scrollable_content_region.width, self.size.height
        top, count = self.scroll_offset.y, self.line_count
        key = (self._lines, top, count, width, height, self._following, self._lines.length)
        if self._layout[0] != key:

            def of(line: int) -> list[WrappedRow]:
                return log_wrap.rows_of(line, self._lines.plain(line), width)

            end = log_wrap.to_end(count, height, of) if self._following else []
            self._layout = (key, end or log_wrap.from_top(top, count, height, of))
        return self._layout[1]

    def action_follow(self, follow: bool | None = None) -> None:
        """Turns following on or off; on goes to the end."""
        self._following = not self._following if follow is None else follow
        self._to_end()
        self._tell()

    def action_sideways(self, direction: int) -> None:
        self.scroll_to(x=self.scroll_offset.x + direction * SIDEWAYS, animate=False, force=True)

    def action_scroll_down(self) -> None:
        self._move(1)

    def action_scroll_up(self) -> None:
        self._move(-1)

    def action_page_down(self) -> None:
        self._move(max(1, self.size.height - 1))

    def action_page_up(self) -> None:
        self._move(-max(1, self.size.height - 1))

    def action_scroll_home(self) -> None:
        self._move(-self.line_count)

    def _go(self, y: int) -> None:
        self.scroll_to(y=y, animate=False, force=True, immediate=True)

    def _resize(self) -> None:
        # Wrapped, the last line can come to the top: what is below a line may need the whole screen.
        below = max(0, self.size.height - 1) if self._wrapped and self.line_count else 0
        size = Size(0 if self._wrapped else self._lines.width, self.line_count + below)
        if size != self.virtual_size:
            self.virtual_size = size
        self._to_end()

    def _to_end(self) -> None:
        if self._following and self.scroll_y != self.max_scroll_y:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True, immediate=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self._following = round(new_value) >= self.max_scroll_y
            self._tell()

    def on_resize(self) -> None:
        if self._wrapped:
            self._resize()
        self._to_end()

    def _move(self, by: int) -> None:
        self._go(self._top + by)

    def _tell(self) -> None:
        """What one sees is another."""
