"""A log of any length: only the visible lines are cleaned and drawn, and it follows its end until one scrolls up."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text
from textual.binding import Binding
from textual.cache import LRUCache
from textual.message import Message
from textual.selection import Selection
from textual.strip import Strip

from workbench.tui.widgets.log_finder import LogFinder
from workbench.tui.widgets.log_lines import DRAWN, Match
from workbench.tui.widgets.log_window import SIDEWAYS

CLIPBOARD = 100_000
"""Characters that are copied at most: terminals and tmux drop longer OSC 52 sequences without a word."""


class LogView(LogFinder, can_focus=True):
    """The text given to `append`, or that of `use`, by the line. Text is a stranger's: no markup, and of control
    sequences only colours.

    `search` finds literal text; the hits are marked with the component classes `log--match` and `log--current`.
    """

    DEFAULT_CSS = """
    LogView {
        background: $surface;
        color: $foreground;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        & > .log--match { background: $warning 40%; }
        & > .log--current { background: $warning; color: $background; text-style: bold; }
        & > .log--marked { background: $block-cursor-blurred-background; }
        & > .log--empty { color: $text-muted; text-style: italic; }
    }
    """
    COMPONENT_CLASSES = {"log--match", "log--current", "log--marked", "log--empty"}
    BINDINGS = [
        Binding("v", "mark", "Mark lines", show=False, id="log.mark"),
        Binding("y", "copy", "Copy", show=False, id="log.copy"),
        Binding("slash", "ask_search", "Search", id="log.search"),
        Binding("n", "next_match(True)", "Next match", show=False, id="log.next"),
        Binding("N", "next_match(False)", "Previous match", show=False, id="log.previous"),
    ]

    class SearchRequested(Message):
        """`/` was pressed: whoever holds the log asks for the text and calls `search`."""

        def __init__(self, log: LogView) -> None:
            super().__init__()
            self.log = log

        @property
        def control(self) -> LogView:
            return self.log

    class StatusChanged(Message):
        """`status` says something else now."""

        def __init__(self, log: LogView) -> None:
            super().__init__()
            self.log = log

        @property
        def control(self) -> LogView:
            return self.log

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._strips: LRUCache[int, Strip] = LRUCache(512)
        self._empty_text = ""
        self._told = ""
        self._marked: tuple[int, int] | None = None  # where the marking began, and where it is

    @property
    def status(self) -> str:
        """`1,234 lines · follow`, in our own words: also the border's subtitle."""
        parts = [f"{self.line_count:,} line{'' if self.line_count == 1 else 's'}"]
        parts += self._finder_status()
        if self._following:
            parts.append("follow")
        if self._wrapped:
            parts.append("wrap")
        if self._marked is not None:
            parts.append(f"{abs(self._marked[1] - self._marked[0]) + 1:,} marked")
        return " · ".join(parts)

    @property
    def empty_text(self) -> str:
        """Shown where there is no line, such as why there is none."""
        return self._empty_text

    @empty_text.setter
    def empty_text(self, text: str) -> None:
        if text != self._empty_text:
            self._empty_text = text
            if not self.line_count:
                self.refresh()

    def _came(self, before: int) -> None:
        super()._came(before)
        self._strips.discard(before - 1)
        self._resize()
        if before <= self.scroll_offset.y + self.size.height:
            self.refresh()
        self._tell()

    def clear(self) -> None:
        super().clear()
        self._marked = None
        self._resize()
        self.scroll_to(x=0, y=0, animate=False, force=True, immediate=True)
        self._redraw()

    def _refiltered(self) -> None:
        self._marked = None
        self._resize()
        self._redraw()

    def action_mark(self) -> None:
        """Begins to mark lines, which moving goes on with; again ends it."""
        if self._marked is None and self.line_count:
            last = min(self._top + max(1, self.size.height), self.line_count) - 1
            line = last if self._following else self._top
            self._marked = (line, line)
        else:
            self._marked = None
        self._redraw()

    @property
    def marking(self) -> bool:
        """Whether lines are being marked."""
        return self._marked is not None

    def action_copy(self) -> None:
        """The marked lines, else all that are shown."""
        first, last = sorted(self._marked) if self._marked is not None else (0, self.line_count - 1)
        lines = last - first + 1
        if self._lines.size(first, last + 1) > CLIPBOARD:
            self.notify(
                f"{lines:,} lines are more than terminals take. v marks some of them; a file takes all.",
                title="Not copied",
                severity="warning",
            )
            return
        if lines > 0:
            self.app.copy_to_clipboard("".join(f"{self._lines.plain(line)}\n" for line in range(first, last + 1)))
            self.notify(f"{lines:,} line{'' if lines == 1 else 's'} copied")
        if self._marked is not None:
            self.action_mark()

    def _redraw(self) -> None:
        self._strips.clear()
        self.refresh()
        self._tell()

    def action_ask_search(self) -> None:
        self.post_message(self.SearchRequested(self))

    def _move(self, by: int) -> None:
        """Scrolls; while lines are marked, moves the end of the marking and keeps it on the screen."""
        if self._marked is None:
            super()._move(by)
            return
        line = max(0, min(self._marked[1] + by, self.line_count - 1))
        self._marked = (self._marked[0], line)
        if not self._top <= line < self._top + self.size.height:
            self._go(line if line < self._top else line - self.size.height + 1)
        self._redraw()

    def _show(self, match: Match) -> None:
        height, top = self.size.height, self.scroll_offset.y
        left, width = self.scroll_offset.x, self.scrollable_content_region.width
        y = top if top <= match.line < top + height else match.line - height // 2
        x = left if left <= match.start and match.end <= left + width else max(0, match.end - width + SIDEWAYS)
        if match.end <= width or self._wrapped:
            x = 0
        if self._wrapped:
            y = match.line
        self._following = self._following and y == top and not self._wrapped
        self.scroll_to(x=x, y=y, animate=False, force=True, immediate=True)
        self._tell()

    def _tell(self) -> None:
        status = self.status
        if status != self._told:
            self._told = status
            self.border_subtitle = status
            self.post_message(self.StatusChanged(self))

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()

    def selection_updated(self, selection: Selection | None) -> None:
        self._strips.clear()
        self.refresh()

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text as it is drawn, without colours."""
        first = selection.start.y if selection.start else 0
        last = min(selection.end.y, self.line_count - 1) if selection.end else self.line_count - 1
        lines = [self._lines.plain(line) for line in range(first, last + 1)]
        if lines and selection.end and selection.end.y == last:
            lines[-1] = lines[-1][: selection.end.x]
        if lines and selection.start:
            lines[0] = lines[0][selection.start.x :]
        return "\n".join(lines), "\n"

    def render_line(self, y: int) -> Strip:
        width, base = self.scrollable_content_region.width, self.rich_style
        left, top = self.scroll_offset
        line, end = top + y, left + width
        if self._wrapped:
            rows = self._rows()
            line, left, end = (
                (rows[y].line, rows[y].start, rows[y].end) if y < len(rows) else (max(y, self.line_count), 0, 0)
            )
        if line >= self.line_count:
            if y == 0 and self._empty_text:
                style = self.get_component_rich_style("log--empty")
                text = Text(self._empty_text, style, no_wrap=True, end="")
                return Strip(text.render(self.app.console)).crop_extend(0, width, base)
            return Strip.blank(width, base)
        strip = self._strips.get(line)
        if strip is None:
            strip = self._strips[line] = self._draw(line, base)
        return strip.crop(left, end).crop_extend(0, width, base).apply_offsets(left, line)

    def _draw(self, line: int, base: Style) -> Strip:
        drawn = self._lines.line(line)
        text = Text.from_ansi(drawn, end="") if "\x1b" in drawn else Text(drawn, end="")
        text.no_wrap = True
        text.truncate(DRAWN)
        text.stylize_before(base)
        if self._pattern is not None:
            for hit in self._lines.matches(self._pattern, line):
                name = "log--current" if hit == self._current else "log--match"
                text.stylize(self.get_component_rich_style(name), hit.start, hit.end)
        if self._marked is not None and min(self._marked) <= line <= max(self._marked):
            text.pad_right(max(0, self.size.width - text.cell_len))
            text.stylize(self.get_component_rich_style("log--marked"))
        self._select(text, line)
        return Strip(text.render(self.app.console))

    def _select(self, text: Text, line: int) -> None:
        selection = self.text_selection
        span = selection.get_span(line) if selection is not None else None
        if span is not None:
            start, end = span
            style = self.screen.get_component_rich_style("screen--selection")
            text.stylize(style, start, len(text) if end == -1 else end)
