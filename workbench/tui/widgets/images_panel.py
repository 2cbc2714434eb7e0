"""The table of `docker images`: newest first, a row for each tag, filtered by `/`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual import events
from textual.binding import Binding
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from workbench.build.format import human_age, human_size
from workbench.build.images import Image
from workbench.build.text import one_line
from workbench.tui.widgets.row_view import Piece, RowView, found_in

NONE = "<none>"
_HEAD = ("REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE")
_ID = 12
_SIZE = 8


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One line: a tag of an image, or an image without one."""

    image: Image
    reference: str
    """What an action is done to: the tag, else the image's ID."""
    repository: str
    tag: str

    @property
    def key(self) -> tuple[str, str]:
        return self.image.id, self.reference


def rows_of(images: Sequence[Image]) -> list[ImageRow]:
    """`docker images` has a line for each tag; newest first, the tags of one image by name."""
    rows = []
    for image in sorted(images, key=lambda it: -it.created):
        for reference in sorted(image.tags):
            repository, _, tag = reference.rpartition(":")
            rows.append(ImageRow(image, reference, one_line(repository), one_line(tag)))
        if not image.tags:
            rows.append(ImageRow(image, image.id, NONE, NONE))
    return rows


class ImagesPanel(RowView):
    """Shows what `show` was given. Every action is a message with the image and the reference of the row."""

    DEFAULT_CSS = """
    ImagesPanel {
        & > .images--head { color: $foreground-muted; text-style: bold; }
        & > .images--id { color: $text-accent; }
        & > .images--none { color: $foreground-disabled; }
        & > .images--age { color: $foreground-muted; }
    }
    """
    COMPONENT_CLASSES = {"images--head", "images--id", "images--none", "images--age"}
    BINDINGS = [
        Binding("enter,i", "inspect", "Details", id="images.details"),
        Binding("d,delete", "delete", "Delete", id="images.delete"),
        Binding("t", "tag", "Tag", id="images.tag"),
        Binding("y", "copy", "Copy ID", id="images.copy"),
        Binding("slash", "ask_search", "Filter", id="images.filter"),
        Binding("escape", "clear_filter", "Show all", show=False, id="images.show_all"),
    ]

    empty_text = "looking for images"

    class _Asked(Message):
        """What a person wants of the row under the cursor."""

        def __init__(self, image: Image, reference: str) -> None:
            super().__init__()
            self.image = image
            self.reference = reference

    class DetailsRequested(_Asked):
        """`i` or `enter`."""

    class DeleteRequested(_Asked):
        """`d`."""

    class TagRequested(_Asked):
        """`t`."""

    class CopyRequested(_Asked):
        """`y`."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._all: list[ImageRow] = []
        self._rows: list[ImageRow] = []
        self._now = 0.0
        self._measured: tuple[int, tuple[int, int, int]] | None = None

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
        """The names of all images, filtered or not."""
        return [row.reference for row in self._all if row.reference != row.image.id]

    def show(self, images: Sequence[Image], now: float) -> None:
        """Replaces the rows; the cursor stays on its image and tag. Ages are those of `now`."""
        self._all, self._now = rows_of(images), now
        self._filter()

    def grow_older(self, now: float) -> None:
        """The ages are those of `now`; draws only where one of them reads otherwise."""
        before = [self._age(row) for row in self._rows]
        self._now = now
        if before != [self._age(row) for row in self._rows]:
            self._measured = None
            self.refresh()

    def typed(self, text: str) -> None:
        """The filter: rows that have the text in any of their columns."""
        self.needle = text
        self._filter()

    def action_clear_filter(self) -> None:
        self.typed("")

    def action_first(self) -> None:
        self.cursor = 1

    def validate_cursor(self, row: int) -> int:
        return max(1 if self._rows else 0, min(row, len(self._rows)))

    # -- the head stays where it is

    def _into_view(self) -> None:
        if self.size.height:
            two = Region(0, self.cursor - 1, 1, 2)
            self.scroll_to_region(two, animate=False, force=True, immediate=True)

    def render_line(self, y: int) -> Strip:
        if y == 0 and self._rows and self.size.height > 1:
            head = [Segment(text, self.get_component_rich_style(name)) for text, name in self.draw(0, self.size.width)]
            return Strip(head).crop_extend(0, self.size.width, self.rich_style)
        return super().render_line(y)

    def _filter(self) -> None:
        before, place = self.row, self.cursor
        words = self.needle.split()
        self._rows = [row for row in self._all if all(found_in(word, self._text(row)) for word in words)]
        self._measured = None
        self.empty_text = f"no image has “{self.needle}” · escape shows all" if self._all else "no images yet"
        keys = [row.key for row in self._rows]
        following = place <= 1 and not self.has_focus  # nobody has chosen: the newest image is the one of interest
        if before is not None and before.key in keys and not following:
            place = keys.index(before.key) + 1
        self.rows_changed()
        self.cursor = place

    def _text(self, row: ImageRow) -> str:
        return f"{row.repository}:{row.tag} {row.image.short}"

    def row_text(self, row: int) -> str:
        return self._text(self._rows[row - 1]) if row > 0 else ""

    # -- what is drawn

    def _widths(self, width: int) -> tuple[int, int, int]:
        """Of repository, tag and age. Looks at every row, so once for what is shown and not at each row drawn."""
        if self._measured is None or self._measured[0] != width:
            self._measured = width, self._measure(width)
        return self._measured[1]

    def _measure(self, width: int) -> tuple[int, int, int]:
        """As wide as what is in them, the repository cut first, the age left out last."""
        age = max([len(_HEAD[3]), *(len(self._age(row)) for row in self._rows)])
        tag = max([len(_HEAD[1]), *(cell_len(row.tag) for row in self._rows)])
        repository = max([len(_HEAD[0]), *(cell_len(row.repository) for row in self._rows)])
        room = width - _ID - _SIZE - 10
        if repository + tag + age > room and room < 44:
            age = 0
        tag = min(tag, max(8, (room - age) // 3))
        return min(repository, max(8, room - age - tag)), tag, age

    def _age(self, row: ImageRow) -> str:
        return human_age(max(0.0, self._now - row.image.created)) if row.image.created > 0 else "N/A"

    def draw(self, row: int, width: int) -> list[Piece]:
        repository, tag, age = self._widths(width)
        if row == 0:
            name, label, identifier, when, size = _HEAD
            line = f" {name:<{repository}}  {label:<{tag}}  {identifier:<{_ID}}  "
            return [(f"{line}{f'{when:<{age}}  ' if age else ''}{size:>{_SIZE}}", "images--head")]
        it = self._rows[row - 1]
        none = "images--none" if it.repository == NONE else ""
        pieces = [
            (f" {_cut(it.repository, repository)}  ", none),
            (f"{_cut(it.tag, tag)}  ", none),
            (f"{it.image.short:<{_ID}}  ", "images--id"),
        ]
        if age:
            pieces.append((f"{self._age(it):<{age}}  ", "images--age"))
        return [*pieces, (f"{human_size(it.image.size):>{_SIZE}}", "")]

    # -- what a person asks

    def _ask(self, message: type[_Asked]) -> None:
        if (row := self.row) is not None:
            self.post_message(message(row.image, row.reference))

    def action_inspect(self) -> None:
        self._ask(self.DetailsRequested)

    def action_delete(self) -> None:
        self._ask(self.DeleteRequested)

    def action_tag(self) -> None:
        self._ask(self.TagRequested)

    def action_copy(self) -> None:
        self._ask(self.CopyRequested)

    def on_click(self, event: events.Click) -> None:
        if event.y == 0:
            event.prevent_default()  # the head is no row

    def clicked(self, row: int, x: int, *, again: bool) -> None:
        if again:
            self.action_inspect()


def _cut(text: str, width: int) -> str:
    """Exactly `width` cells, with `…` where something is missing."""
    if cell_len(text) <= width:
        return text + " " * (width - cell_len(text))
    return f"{set_cell_size(text, width - 1)}…"
