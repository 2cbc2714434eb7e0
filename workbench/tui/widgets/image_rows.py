"""What the images panel lists: rows of images, which of them are shown, in which order. No widget, and nothing slow:
a row's text is made when it is drawn or looked for, since there may be thousands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Literal, get_args

from workbench.build.images import Image
from workbench.build.text import one_line
from workbench.build.trash import Held, held_in, without_trash
from workbench.build.usage import ImageUsage
from workbench.dataclass import dataclass
from workbench.tui.widgets.row_view import found_in

NONE = "<none>"
View = Literal["images", "all", "dangling", "trash"]
VIEWS: tuple[View, ...] = get_args(View)
Order = Literal["created", "size", "name"]
ORDERS: tuple[Order, ...] = get_args(Order)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of images beside the list, by ID, as far as somebody has looked."""

    containers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sizes: Mapping[str, ImageUsage] = field(default_factory=dict)
    builds: Mapping[str, int] = field(default_factory=dict)
    """The number of the last build that made it."""


@dataclass(slots=True)
class ImageRow:
    """One line: a tag of an image, an image without one, or a name in the trash."""

    image: Image
    reference: str
    """What an action is done to: the tag, else the image's ID; in the trash the hidden name."""
    held: Held | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.image.id, self.reference

    @property
    def name(self) -> str:
        """As a person knows it; "" where it has none. A stranger's text."""
        if self.held is not None:
            return self.held.name
        return "" if self.reference == self.image.id else self.reference

    @property
    def said(self) -> str:
        """The name, else the short ID."""
        return self.name or self.image.short

    @property
    def repository(self) -> str:
        return one_line(self.name.rpartition(":")[0]) if self.name else NONE

    @property
    def tag(self) -> str:
        return one_line(self.name.rpartition(":")[2]) if self.name else NONE

    @property
    def text(self) -> str:
        """What a filter looks at."""
        return f"{self.name or f'{NONE}:{NONE}'} {self.image.short}"

    @property
    def since(self) -> float:
        """When it was made; in the trash when it was deleted."""
        return self.held.deleted if self.held is not None else self.image.created


def rows_of(images: Iterable[Image], view: View = "images") -> list[ImageRow]:
    """A line for each tag, as in `docker images`; newest first, the tags of one image by name."""
    if view == "trash":
        return [ImageRow(held.image, held.hidden, held) for held in held_in(images)]
    shown = without_trash(images)
    if view == "dangling":
        shown = [image for image in shown if image.dangling]
    elif view == "images":
        shown = [image for image in shown if not image.intermediate]
    shown.sort(key=lambda image: -image.created)
    return [ImageRow(image, name) for image in shown for name in (sorted(image.tags) or (image.id,))]


_KEYS: Mapping[Order, Callable[[ImageRow], object]] = {
    "created": lambda row: -row.since,
    "size": lambda row: -row.image.size,
    "name": lambda row: (not row.name, row.name),
}


def ordered(rows: list[ImageRow], order: Order, *, backwards: bool = False) -> list[ImageRow]:
    """The rows in that order: newest, largest, or by name; those that are equal stay as they are."""
    if order == "created" and not backwards:
        return rows  # they come so
    return sorted(rows, key=_KEYS[order], reverse=backwards)  # type: ignore[arg-type]


def filtered(rows: list[ImageRow], needle: str) -> list[ImageRow]:
    """Those that have every word of it; case counts in a word with a capital letter."""
    for word in needle.split():
        rows = [row for row in rows if found_in(word, row.text)]
    return rows
