"""A log of any length: only the visible lines are cleaned and drawn, and it follows its end until one scrolls up."""

from __future__ import annotations

import re

from rich.style import Style
from rich.text import Text
from textual.binding import Binding
from textual.cache import LRUCache
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from workbench.tui.widgets.log_lines import DRAWN, LogLines, Match, compile_search

_SIDEWAYS = 8


class LogView(ScrollView, can_focus=True):
    """The text given to `append`, by the line. Text is a stranger's: no markup, no control sequence but colours.

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
        & > .log--empty { color: $text-muted; text-style: italic; }
    }
    """
    COMPONENT_CLASSES = {"log--match", "log--current", "log--empty"}
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
        self._lines = LogLines()
        self._strips: LRUCache[int, Strip] = LRUCache(512)
        self._pattern: re.Pattern[str] | None = None
        self._needle = ""
        self._current: Match | None = None
        self._following = True
        self._empty_text = ""
        self._missed = False
        self._told = ""

    @property
    def text(self) -> str:
        """All that was appended since `clear`, as it came."""
        return self._lines.text

    @property
    def line_count(self) -> int:
        return len(self._lines)

    @property
    def following(self) -> bool:
        """Whether new lines scroll the view to its end."""
        return self._following

    @property
    def status(self) -> str:
        """`1,234 lines · follow`, in our own words: also the border's subtitle."""
        parts = [f"{self.line_count:,} line{'' if self.line_count == 1 else 's'}"]
        if self._following:
            parts.append("follow")
        if self._missed:
            parts.append("not found")
        return " · ".join(parts)

    @property
    def match(self) -> Match | None:
        """The hit that `search` went to last."""
        return self._current

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

    def append(self, text: str) -> None:
        """Adds a piece of text, whole lines or not; costs its length and at most one refresh."""
        if not text:
            return
        before = self.line_count
        self._lines.append(text)
        self._strips.discard(before - 1)
        self._resize()
        if before <= self.scroll_offset.y + self.size.height:
            self.refresh()
        self._tell()

    def clear(self) -> None:
        """Empty again, and following; the search stays for `n`."""
        self._lines = LogLines()
        self._strips.clear()
        self._current = None
        self._following, self._missed = True, False
        self._resize()
        self.scroll_to(x=0, y=0, animate=False, force=True, immediate=True)
        self.refresh()
        self._tell()

    def search(self, pattern: str, forward: bool = True) -> bool:
        """Goes to the next line that has the text `pattern` and marks it, around the end. False where none has it.

        Case counts where `pattern` has a capital letter. An empty pattern ends the search.
        """
        if pattern != self._needle:
            self._needle = pattern
            self._pattern = compile_search(pattern) if pattern else None
            self._current = None
        self._strips.clear()
        self.refresh()
        found = None
        if pattern and self.line_count:
            top = min(self.scroll_offset.y, self.line_count - 1)
            found = self._lines.find(pattern, after=self._current or Match(top, 0, 0), forward=forward)
        self._current = found
        self._missed = bool(pattern) and found is None
        if found is not None:
            self._show(found)
        self._tell()
        return found is not None

    def action_next_match(self, forward: bool) -> None:
        if self._needle:
            self.search(self._needle, forward)
        else:
            self.action_ask_search()

    def action_ask_search(self) -> None:
        self.post_message(self.SearchRequested(self))

    def action_follow(self, follow: bool | None = None) -> None:
        """Turns following on or off; on goes to the end."""
        self._following = not self._following if follow is None else follow
        self._to_end()
        self._tell()

    def action_sideways(self, direction: int) -> None:
        self.scroll_to(x=self.scroll_offset.x + direction * _SIDEWAYS, animate=False, force=True)

    def action_scroll_down(self) -> None:
        self._go(self.scroll_offset.y + 1)

    def action_scroll_up(self) -> None:
        self._go(self.scroll_offset.y - 1)

    def action_page_down(self) -> None:
        self._go(self.scroll_offset.y + max(1, self.size.height - 1))

    def action_page_up(self) -> None:
        self._go(self.scroll_offset.y - max(1, self.size.height - 1))

    def action_scroll_home(self) -> None:
        self._go(0)

    def _go(self, y: int) -> None:
        self.scroll_to(y=y, animate=False, force=True, immediate=True)

    def _show(self, match: Match) -> None:
        height, top = self.size.height, self.scroll_offset.y
        left, width = self.scroll_offset.x, self.scrollable_content_region.width
        y = top if top <= match.line < top + height else match.line - height // 2
        x = left if left <= match.start and match.end <= left + width else max(0, match.end - width + _SIDEWAYS)
        if match.end <= width:
            x = 0
        self._following = self._following and y == top
        self.scroll_to(x=x, y=y, animate=False, force=True, immediate=True)
        self._tell()

    def _resize(self) -> None:
        size = Size(self._lines.width, self.line_count)
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
        self._to_end()

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
        line = top + y
        if line >= self.line_count:
            if line == 0 and self._empty_text:
                style = self.get_component_rich_style("log--empty")
                text = Text(self._empty_text, style, no_wrap=True, end="")
                return Strip(text.render(self.app.console)).crop_extend(0, width, base)
            return Strip.blank(width, base)
        strip = self._strips.get(line)
        if strip is None:
            strip = self._strips[line] = self._draw(line, base)
        return strip.crop_extend(left, left + width, base).apply_offsets(left, line)

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
        self._select(text, line)
        return Strip(text.render(self.app.console))

    def _select(self, text: Text, line: int) -> None:
        selection = self.text_selection
        span = selection.get_span(line) if selection is not None else None
        if span is not None:
            start, end = span
            style = self.screen.get_component_rich_style("screen--selection")
            text.stylize(style, start, len(text) if end == -1 else end)
