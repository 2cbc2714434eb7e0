"""The table of `docker images`, of any length: sorted, filtered, marked with space; the trash is a view of it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual import events
from textual.binding import Binding
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from workbench.build.format import human_size
from workbench.build.images import Image
from workbench.build.trash import is_hidden
from workbench.tui.widgets.image_columns import Column, age_of, column_at, columns_for, draw, head
from workbench.tui.widgets.image_rows import (
    ORDERS,
    VIEWS,
    Facts,
    ImageRow,
    Order,
    View,
    filtered,
    ordered,
    rows_of,
)
from workbench.tui.widgets.row_view import Piece, RowView

_PAGE = 100
"""More rows than a screen has."""
_EMPTY = {
    "images": "no images yet",
    "all": "no images yet",
    "dangling": "no image is without a name · v shows others",
    "trash": "the trash is empty · v shows the images",
}
_HELD = "no images but in the trash · u takes back what was deleted last"


class ImagesPanel(RowView):
    """Shows what `show` was given. What a person asks is a message with the rows it is asked of: those that are marked,
    else the one under the cursor."""

    DEFAULT_CSS = """
    ImagesPanel {
        & > .images--head { color: $foreground-muted; text-style: bold; }
        & > .images--id { color: $text-accent; }
        & > .images--none { color: $foreground-disabled; }
        & > .images--age { color: $foreground-muted; }
        & > .images--mark { color: $text-warning; text-style: bold; }
    }
    """
    COMPONENT_CLASSES = {"images--head", "images--id", "images--none", "images--age", "images--mark"}
    BINDINGS = [
        Binding("enter,i", "ask('details')", "Details", id="images.details"),
        Binding("d,delete", "ask('delete')", "Delete", id="images.delete"),
        Binding("t", "ask('tag')", "Tag", id="images.tag"),
        Binding("m", "ask('menu')", "Menu", id="images.menu"),
        Binding("u", "ask('undo')", "Undo delete", id="images.undo", show=False),
        Binding("T", "ask('untag')", "Untag", id="images.untag", show=False),
        Binding("y", "ask('copy')", "Copy ID", id="images.copy", show=False),
        Binding("slash", "ask_search", "Filter", id="images.filter"),
        Binding("space", "mark", "Mark", id="images.mark", show=False),
        Binding("asterisk", "mark_all", "Mark all shown", id="images.mark_all", show=False),
        Binding("v", "view", "Images, all, dangling, trash", id="images.view", show=False),
        Binding("o", "sort", "Sort by age, size, name", id="images.sort", show=False),
        Binding("O", "reverse", "Reverse the order", id="images.reverse", show=False),
        Binding("p", "ask('pull')", "Pull", id="images.pull", show=False),
        Binding("P", "ask('push')", "Push", id="images.push", show=False),
        Binding("S", "ask('save')", "Save to a file", id="images.save", show=False),
        Binding("L", "ask('load')", "Load from a file", id="images.load", show=False),
        Binding("I", "ask('import')", "Import a file system", id="images.import", show=False),
        Binding("C", "ask('commit')", "Commit a container", id="images.commit", show=False),
        Binding("x", "ask('prune')", "Prune", id="images.prune", show=False),
        Binding("X", "ask('empty')", "Empty the trash", id="images.empty_trash", show=False),
        Binding("escape", "back", "Show all, unmark, end a transfer", show=False, id="images.show_all"),
    ]

    empty_text = "looking for images"

    class Asked(Message):
        """What a person wants (`delete`, `tag`, ...), and of which rows."""

        def __init__(self, what: str, rows: Sequence[ImageRow]) -> None:
            super().__init__()
            self.what = what
            self.rows = rows

    class Changed(Message):
        """The view, the filter, the marks or the images are others: `summary` says so."""

        def __init__(self, summary: str) -> None:
            super().__init__()
            self.summary = summary

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._images: Sequence[Image] = ()
        self._built = ""
        self._led: tuple[str, str] | None = None  # where the cursor went by itself
        self._listed = False
        self._held = 0
        self._all: list[ImageRow] = []
        self._rows: list[ImageRow] = []
        self._marked: set[tuple[str, str]] = set()
        self._facts = Facts()
        self._now = 0.0
        self._columns: tuple[int, list[Column]] | None = None
        self.view: View = "images"
        self.order: Order = "created"
        self.backwards = False

    @property
    def row_count(self) -> int:
        """The first row is the table's head."""
        return len(self._rows) + 1 if self._rows else 0

    @property
    def row(self) -> ImageRow | None:
        """The row under the cursor."""
        return self._rows[self.cursor - 1] if 0 < self.cursor <= len(self._rows) else None

    @property
    def shown(self) -> Sequence[ImageRow]:
        return self._rows

    @property
    def references(self) -> list[str]:
        """The names of all images, filtered or not; those of the trash are no names."""
        return [tag for image in self._images for tag in image.tags if not is_hidden(tag)]

    @property
    def marked(self) -> list[ImageRow]:
        """What is marked, also where the filter hides it."""
        return [row for row in self._all if row.key in self._marked] if self._marked else []

    @property
    def chosen(self) -> list[ImageRow]:
        """What is marked, else the row under the cursor."""
        return self.marked or ([] if self.row is None else [self.row])

    @property
    def roomy(self) -> bool:
        """Whether there may be room for what images share."""
        return self.size.width >= 100

    def show(self, images: Sequence[Image], now: float, *, built: str = "") -> None:
        """Replaces the rows; the cursor stays on its image and tag, and where nobody has moved it, it goes to the image
        that was `built` last, an ID. Ages are those of `now`. The names of the trash are among the images, and shown in
        its view alone."""
        first, self._listed = not self._listed, True
        self._images, self._now, self._built = images, now, built
        if first and len(images) > _PAGE:  # they come newest first: the first page does not wait for the thousands
            self._all = self._rows = rows_of(images[:_PAGE], self.view)
            self._columns = None
            self.rows_changed()
            self.call_after_refresh(self._arrange)
            return
        self._arrange()

    def know(self, facts: Facts) -> None:
        """What else is known of the images."""
        if facts != self._facts:
            self._facts, self._columns = facts, None
            self.refresh()

    def unmark(self) -> None:
        """Takes all marks away."""
        if self._marked:
            self._marked.clear()
            self._looks_otherwise()

    def grow_older(self, now: float) -> None:
        """The ages are those of `now`; draws only where one that is on the screen reads otherwise."""
        first = self.scroll_offset.y
        seen = self._rows[max(0, first - 1) : first + self.size.height]
        before = [age_of(row, self._now) for row in seen]
        self._now = now
        if self.view == "trash" or before != [age_of(row, now) for row in seen]:
            self._columns = None
            self.refresh()

    def typed(self, text: str) -> None:
        """The filter: rows that have the text in any of their columns."""
        self.needle = text
        self._filter()

    # -- which rows, in which order

    def action_back(self) -> None:
        """One thing at a time: the filter goes, then the marks, then the view; last a transfer is ended."""
        if self.needle:
            self.typed("")
        elif self._marked:
            self.unmark()
        elif self.view != "images":
            self._look_at("images")
        else:
            self.post_message(self.Asked("stop", ()))

    def action_view(self) -> None:
        self._look_at(VIEWS[(VIEWS.index(self.view) + 1) % len(VIEWS)])

    def _look_at(self, view: View) -> None:
        """Also asks for the list anew: steps between are listed only where they are shown."""
        self.view = view
        self._marked.clear()
        self._arrange()
        self.post_message(self.Asked("list", ()))

    def action_sort(self) -> None:
        self.sort_by(ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)], backwards=False)

    def action_reverse(self) -> None:
        self.sort_by(self.order, backwards=not self.backwards)

    def sort_by(self, order: Order, *, backwards: bool) -> None:
        self.order, self.backwards = order, backwards
        self._arrange()

    def action_mark(self) -> None:
        """Marks the row, or takes the mark away, and goes to the next."""
        if (row := self.row) is not None:
            self._marked ^= {row.key}
            self.cursor += 1
            self._looks_otherwise()

    def action_mark_all(self) -> None:
        """All that are shown; where all are marked already, none."""
        keys = {row.key for row in self._rows}
        self._marked = self._marked - keys if keys <= self._marked else self._marked | keys
        self._looks_otherwise()

    def action_first(self) -> None:
        self.cursor = 1

    def validate_cursor(self, row: int) -> int:
        return max(1 if self._rows else 0, min(row, len(self._rows)))

    def _arrange(self) -> None:
        self._held = sum(is_hidden(tag) for image in self._images for tag in image.tags)
        self._all = ordered(rows_of(self._images, self.view), self.order, backwards=self.backwards)
        if self._marked:
            self._marked &= {row.key for row in self._all}
        self._filter()

    def _filter(self) -> None:
        before, place = self.row, self.cursor
        self._rows = filtered(self._all, self.needle)
        self._columns = None
        empty = _HELD if self._held and self.view == "images" else _EMPTY[self.view]
        self.empty_text = f"no image has “{self.needle}” · escape shows all" if self._all else empty
        nobodys = not self.has_focus and (before is None or place <= 1 or before.key == self._led)
        if nobodys:
            place = next((at for at, row in enumerate(self._rows, 1) if row.image.id == self._built), 1)
        elif before is not None:
            place = self._place_of(before) or place
        self.rows_changed()
        self.cursor = place
        if nobodys:
            self._led = self.row.key if self.row is not None else None
        self._looks_otherwise()

    def _place_of(self, before: ImageRow) -> int | None:
        """Where that row is now: the image by that name, else the name, where a build gave it to another image."""
        place = next((at for at, row in enumerate(self._rows, 1) if row.key == before.key), None)
        if place is None and before.name:
            place = next((at for at, row in enumerate(self._rows, 1) if row.name == before.name), None)
        return place

    def _looks_otherwise(self) -> None:
        self.refresh()
        if self._listed:
            self.post_message(self.Changed(self.summary()))

    def summary(self) -> str:
        """`3 of 10,000 · 3.4MB · filter “gen” · 2 marked`."""
        mine = {row.image.id: row.image.size for row in self._all}
        shown = {row.image.id: row.image.size for row in self._rows} if self.needle else mine
        count = f"{len(shown):,} of {len(mine):,}" if self.needle else f"{len(mine):,}"
        words = [f"{count} · {human_size(sum(shown.values()))}"]
        if self.view != "images":
            words.insert(0, {"all": "all", "dangling": "dangling", "trash": "trash"}[self.view])
        if self.needle:
            words.append(f"filter “{self.needle}”")
        if self._marked:
            words.append(f"{len(self._marked)} marked")
        if self._held and self.view != "trash":
            words.append(f"{self._held} in the trash")
        return " · ".join(words)

    def row_text(self, row: int) -> str:
        return self._rows[row - 1].text if row > 0 else ""

    # -- the head stays where it is

    def _into_view(self) -> None:
        if self.size.height:
            two = Region(0, self.cursor - 1, 1, 2)
            self.scroll_to_region(two, animate=False, force=True, immediate=True)

    def render_line(self, y: int) -> Strip:
        if y == 0 and self._rows and self.size.height > 1:
            line = [Segment(text, self.get_component_rich_style(name)) for text, name in self.draw(0, self.size.width)]
            return Strip(line).crop_extend(0, self.size.width, self.rich_style)
        return super().render_line(y)

    def _widths(self, width: int) -> list[Column]:
        """Measured once for what is shown and not at each row drawn."""
        if self._columns is None or self._columns[0] != width:
            trash = self.view == "trash"
            self._columns = width, columns_for(self._all, width, self._now, self._facts, trash=trash)
        return self._columns[1]

    def draw(self, row: int, width: int) -> list[Piece]:
        columns = self._widths(width)
        if row == 0:
            return [(head(columns, self.order, self.backwards), "images--head")]
        it = self._rows[row - 1]
        return draw(columns, it, "●" if it.key in self._marked else " ")

    # -- what a person asks

    def action_ask(self, what: str) -> None:
        self.post_message(self.Asked(what, self.chosen))

    def on_click(self, event: events.Click) -> None:
        if event.y != 0:
            return
        event.prevent_default()  # the head is no row
        column = column_at(self._widths(self.size.width), event.x)
        if self._rows and column is not None and column.order is not None:
            self.sort_by(column.order, backwards=column.order == self.order and not self.backwards)

    def clicked(self, row: int, x: int, *, again: bool) -> None:
        if again:
            self.action_ask("details")
