"""The columns of the images panel: those of `docker images`, and where there is room what else is known of an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.cells import cell_len, set_cell_size

from workbench.build.format import human_age, human_size
from workbench.build.text import one_line
from workbench.dataclass import dataclass
from workbench.tui.widgets.image_rows import NONE, Facts, ImageRow, Order
from workbench.tui.widgets.row_view import Piece

_ID = 12
_SIZE = 8
_BUILD = 5
_USERS = 12
_MEASURED = 1000
"""Rows whose names decide how wide a column is: a look at every one of thousands takes its time."""


@dataclass(frozen=True, slots=True)
class Column:
    """`width` cells; `text` of a row and `style`, the component class it is drawn in."""

    title: str
    width: int
    text: Callable[[ImageRow], str]
    style: str = ""
    right: bool = False
    order: Order | None = None
    """What a click on its title sorts by."""

    def cell(self, text: str) -> str:
        """The text in exactly `width` cells, `…` where something is missing."""
        missing = self.width - cell_len(text)
        if missing < 0:
            return f"{set_cell_size(text, self.width - 1)}…"
        return " " * missing + text if self.right else text + " " * missing


def age_of(row: ImageRow, now: float) -> str:
    return human_age(max(0.0, now - row.since)) if row.since > 0 else "N/A"


def columns_for(rows: Sequence[ImageRow], width: int, now: float, facts: Facts, *, trash: bool = False) -> list[Column]:
    """As wide as what is in them: the repository is cut first, the age left out last, and what `docker images` has not
    is there only where it fits."""
    some = rows[:_MEASURED]
    when, time_of = ("HELD FOR", left_of) if trash else ("CREATED", age_of)
    age = max([len(when), *(len(time_of(row, now)) for row in some)])
    tag = max([len("TAG"), *(cell_len(row.tag) for row in some)])
    repository = max([len("REPOSITORY"), *(cell_len(row.repository) for row in some)])
    room = width - _ID - _SIZE - 10
    if repository + tag + age > room and room < 44:
        age = 0
    tag = min(tag, max(8, (room - age) // 3))
    repository = min(repository, max(8, room - age - tag))
    columns = [
        Column("REPOSITORY", repository, lambda row: row.repository, order="name"),
        Column("TAG", tag, lambda row: row.tag),
        Column("IMAGE ID", _ID, lambda row: row.image.short, "images--id"),
        *([Column(when, age, lambda row: time_of(row, now), "images--age", order="created")] if age else []),
        Column("SIZE", _SIZE, lambda row: human_size(row.image.size), right=True, order="size"),
    ]
    free = width - 1 - sum(column.width + 2 for column in columns)
    return [*columns, *_more(free, facts)]


def _more(free: int, facts: Facts) -> list[Column]:
    """What fits, the most telling first."""
    found: list[Column] = []

    def size(row: ImageRow, which: str) -> str:
        usage = facts.sizes.get(row.image.id)
        return "" if usage is None else human_size(usage.shared if which == "shared" else usage.unique)

    wanted: list[tuple[bool, int, list[Column]]] = [
        (bool(facts.builds), _BUILD, [
            Column("BUILD", _BUILD, lambda row: str(facts.builds.get(row.image.id, "")), "images--age", right=True)]),
        (bool(facts.sizes), 2 * _SIZE + 2, [
            Column("SHARED", _SIZE, lambda row: size(row, "shared"), "images--age", right=True),
            Column("UNIQUE", _SIZE, lambda row: size(row, "unique"), "images--age", right=True)]),
    ]  # fmt: skip
    for known, takes, columns in wanted:
        if known and free >= takes + 2:
            found += columns
            free -= takes + 2
    if facts.containers and free >= _USERS + 2:
        found.append(
            Column("IN USE BY", free - 2, lambda row: one_line(", ".join(facts.containers.get(row.image.id, ()))))
        )
    return found


def left_of(row: ImageRow, now: float) -> str:
    """For how long what is in the trash can be taken back."""
    left = 0.0 if row.held is None else max(0.0, row.held.until - now)
    return f"{round(left / 60)} min" if left >= 60 else f"{round(left)} s"


def draw(columns: Sequence[Column], row: ImageRow, mark: str) -> list[Piece]:
    """A row in pieces, `mark` before it."""
    pieces: list[Piece] = [(mark, "images--mark")]
    for column in columns:
        text = column.text(row)
        style = "images--none" if text == NONE else column.style
        pieces.append((f"{column.cell(text)}  ", style))
    return pieces


def head(columns: Sequence[Column], order: Order, backwards: bool) -> str:
    """The titles, with an arrow at the one that the rows are sorted by where that is not the newest first."""
    words = []
    for column in columns:
        arrow = ("▴" if (order == "name") != backwards else "▾") if column.order == order else ""
        plain = order == "created" and not backwards
        words.append(column.cell(column.title if plain else column.title + arrow))
    return " " + "  ".join(words)


def column_at(columns: Sequence[Column], x: int) -> Column | None:
    """The column whose title is at that cell."""
    left = 1
    for column in columns:
        if x < left + column.width + 2:
            return column
        left += column.width + 2
    return None
