"""Text to read, laid out for the width there is: moved through and searched like every list."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.cells import chop_cells

from workbench.tui.widgets.row_view import Piece, RowView

Row = list[Piece]
Layout = Callable[[int], Sequence[Row]]
"""The rows for a width in cells."""


class Reader(RowView):
    """Shows what its layout gives. Pieces may have the component classes `reader--head`, `--name`, `--muted`,
    `--added` and `--gone`."""

    DEFAULT_CSS = """
    Reader {
        & > .reader--head { color: $text-primary; text-style: bold; }
        & > .reader--name { color: $text-accent; }
        & > .reader--muted { color: $foreground-muted; }
        & > .reader--added { color: $text-success; }
        & > .reader--gone { color: $text-error; }
    }
    """
    COMPONENT_CLASSES = {"reader--head", "reader--name", "reader--muted", "reader--added", "reader--gone"}

    def __init__(self, layout: Layout, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._layout = layout
        self._laid_out: Sequence[Row] = ()

    @property
    def row_count(self) -> int:
        return len(self._laid_out)

    def draw(self, row: int, width: int) -> list[Piece]:
        return self._laid_out[row]

    def on_resize(self) -> None:
        self._laid_out = self._layout(max(20, self.size.width))
        self.rows_changed()


def heading(text: str) -> Row:
    return [(text, "reader--head")]


def named(name: str, text: str, width: int, *, indent: int = 2, column: int = 18) -> Iterator[Row]:
    """A name and its text, which goes on below itself where it is too long."""
    lines = [piece for line in text.split("\n") for piece in chop_cells(line, max(10, width - indent - column)) or [""]]
    for at, line in enumerate(lines or [""]):
        shown = name if at == 0 else ""
        if shown and len(shown) >= column:
            yield [(" " * indent + shown, "reader--name")]
            shown = ""
        yield [(f"{' ' * indent}{shown:<{column}}", "reader--name"), (line, "")]
