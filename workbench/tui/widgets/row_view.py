"""A list of any length of which only the visible rows are drawn: a cursor, the keys of every list, search.

Search is asked for in the list's own last line, so that a list needs nobody else for it.
"""

from __future__ import annotations

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

Piece = tuple[str, str]
"""Text, and the component class it is drawn in ("" for the widget's own look)."""


class RowView(ScrollView, can_focus=True):
    """Subclasses say how many rows there are (`row_count`), what stands in one (`draw`), and what a search reads
    (`row_text`). `cursor` is the row that the keys act on."""

    DEFAULT_CSS = """
    RowView {
        background: $surface;
        color: $foreground;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        & > .rows--cursor {
            background: $block-cursor-blurred-background;
            text-style: $block-cursor-blurred-text-style;
        }
        &:focus > .rows--cursor {
            background: $block-cursor-background;
            color: $block-cursor-foreground;
            text-style: bold;
        }
        & > .rows--match { text-style: underline; }
        & > .rows--prompt { background: $primary-muted; color: $foreground; }
        & > .rows--empty { color: $foreground-muted; text-style: italic; }
    }
    """
    COMPONENT_CLASSES = {"rows--cursor", "rows--match", "rows--empty", "rows--prompt"}
    BINDINGS = [
        Binding("down,j", "move(1)", "Down", show=False, id="list.down"),
        Binding("up,k", "move(-1)", "Up", show=False, id="list.up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="list.page_down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="list.page_up"),
        Binding("g,home", "first", "First", show=False, id="list.first"),
        Binding("G,end", "last", "Last", show=False, id="list.last"),
        Binding("slash", "ask_search", "Search", id="list.search"),
        Binding("n", "next_match(True)", "Next match", show=False, id="list.next"),
        Binding("N", "next_match(False)", "Previous match", show=False, id="list.previous"),
    ]

    cursor: reactive[int] = reactive(0, repaint=False)

    class Moved(Message):
        """The cursor is on another row, or the row under it says something else."""

        def __init__(self, view: RowView) -> None:
            super().__init__()
            self.view = view

        @property
        def control(self) -> RowView:
            return self.view

    empty_text = ""
    """Shown where there is no row, such as why there is none."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.needle = ""
        self._typed: str | None = None  # what stands behind the / while it is typed

    @property
    def row_count(self) -> int:
        raise NotImplementedError

    def draw(self, row: int, width: int) -> list[Piece]:
        """The row in pieces, at most `width` cells. Text is clean: no control characters."""
        raise NotImplementedError

    def row_text(self, row: int) -> str:
        """What a search looks at."""
        return "".join(text for text, _ in self.draw(row, 200))

    def rows_changed(self) -> None:
        """Call when rows came, went or look different."""
        self.virtual_size = Size(0, self.row_count)
        self.cursor = self.validate_cursor(self.cursor)
        self.refresh()

    def validate_cursor(self, row: int) -> int:
        return max(0, min(row, self.row_count - 1))

    def watch_cursor(self, before: int, now: int) -> None:
        self.refresh_line(before)
        self.refresh_line(now)
        if self._typed is not None:
            self.refresh()
        self._into_view()
        self.post_message(self.Moved(self))

    def _into_view(self) -> None:
        if self.size.height:
            self.scroll_to_region(Region(0, self.cursor, 1, 1), animate=False, force=True, immediate=True)

    def on_resize(self) -> None:
        self._into_view()

    def watch_show_vertical_scrollbar(self, shown: bool) -> None:
        """Textual (8.2) does not tell a scrollbar that comes later how far the view is scrolled already."""
        if shown:
            self.vertical_scrollbar.position = self.scroll_y

    def action_move(self, by: int) -> None:
        self.cursor += by

    def action_page(self, by: int) -> None:
        self.cursor += by * max(1, self.size.height - 1)

    def action_first(self) -> None:
        self.cursor = 0

    def action_last(self) -> None:
        self.cursor = self.row_count - 1

    def search(self, needle: str, *, forward: bool = True, here: bool = False) -> bool:
        """Goes to the next row that has the text, around the end; with `here` the row under the cursor counts.
        Case counts where `needle` has a capital letter. False where no row has it."""
        self.needle = needle
        self.refresh()
        if not needle:
            return False
        found = self.find(needle, forward=forward, here=here)
        if found is not None:
            self.cursor = found
        return found is not None

    def find(self, needle: str, *, forward: bool, here: bool) -> int | None:
        """The row that `search` goes to."""
        count, step = self.row_count, 1 if forward else -1
        start = 0 if here else 1
        for distance in range(start, count + start):
            row = (self.cursor + step * distance) % count
            if found_in(needle, self.row_text(row)):
                return row
        return None

    def action_next_match(self, forward: bool) -> None:
        if self.needle and not self.search(self.needle, forward=forward):
            self.app.bell()

    # -- the line that is typed behind /

    def action_ask_search(self) -> None:
        self._typed = ""
        self.refresh()

    def typed(self, text: str) -> None:
        """Another letter behind the `/`: goes to the first row that has the text."""
        self.search(text, here=True)

    def check_consume_key(self, key: str, character: str | None) -> bool:
        return self._typed is not None and character is not None and character.isprintable()

    def on_key(self, event: events.Key) -> None:
        if self._typed is None:
            if any(it.action == "ask_search" for it in self._bindings.key_to_bindings.get(event.key, ())):
                event.stop()  # here and not by the binding: the next letter may be there before that is run
                event.prevent_default()
                self.action_ask_search()
            return
        before, text = self._typed, self._typed
        if event.key == "enter":
            self._typed = None
        elif event.key == "escape":
            self._typed = None
            self.typed("")
        elif event.key == "ctrl+u":
            text = ""
        elif event.key == "backspace":
            text = text[:-1]
        elif event.character is not None and event.character.isprintable():
            text += event.character
        else:
            return
        event.stop()
        event.prevent_default()
        if text != before:
            self._typed = text
            self.typed(text)
        self.refresh()

    def on_paste(self, event: events.Paste) -> None:
        if self._typed is not None:
            event.stop()
            self._typed += "".join(character for character in event.text if character.isprintable())
            self.typed(self._typed)

    def on_blur(self) -> None:
        if self._typed is not None:
            self._typed = None
            self.refresh()

    def on_click(self, event: events.Click) -> None:
        row = event.y + self.scroll_offset.y
        if row < self.row_count:
            again = row == self.cursor
            self.cursor = row
            self.clicked(row, event.x, again=again or event.chain > 1)

    def clicked(self, row: int, x: int, *, again: bool) -> None:
        """A row was clicked; `again` where the cursor was on it already."""

    def _prompt_line(self) -> int:
        """The last line, or the one above where the cursor's row is the last: what was found is not covered."""
        last = self.size.height - 1
        return last - 1 if last > 0 and self.cursor - self.scroll_offset.y == last else last

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        if self._typed is not None and y == self._prompt_line():
            style = base + self.get_component_rich_style("rows--prompt")
            return Strip([Segment(set_cell_size(f"/{self._typed}▏", width), style)], width)
        row = y + self.scroll_offset.y
        if row >= self.row_count:
            if row == 0 and self.empty_text:
                style = base + self.get_component_rich_style("rows--empty", partial=True)
                return Strip([Segment(self.empty_text, style)]).crop_extend(0, width, base)
            return Strip.blank(width, base)
        over = Style.null()
        if self.needle and found_in(self.needle, self.row_text(row)):
            over = self.get_component_rich_style("rows--match", partial=True)
        if row == self.cursor:
            over += self.get_component_rich_style("rows--cursor")
        segments = []
        for text, name in self.draw(row, width):
            style = base + self.get_component_rich_style(name, partial=True) if name else base
            segments.append(Segment(text, style + over))
        return Strip(segments).crop_extend(0, width, base + over)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.refresh()


def found_in(needle: str, text: str) -> bool:
    """Whether the text has it; case counts where the needle has a capital letter."""
    return needle in (text if needle != needle.lower() else text.lower())
