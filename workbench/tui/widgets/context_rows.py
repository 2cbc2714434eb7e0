"""A row of the context's tree: what stands in it, and how it is laid out at any width."""

from __future__ import annotations

from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

_SIZE = 8
_STATE = 9


class TreeRow(NamedTuple):
    """`name` with its indent and sign; `kind` is the component class it is drawn in ("" for the tree's own look);
    `state` is empty for what is sent."""

    name: str
    kind: str
    state: str
    size: str

    def columns(self, width: int) -> list[tuple[str, str]]:
        """The name on the left, its state and size at the right end; where there is little room the name is cut last.
        Pieces of text, and the component class of each."""
        name, kind, state, size = self
        right = (
            f"{state:>{_STATE}}{size:>{_SIZE + 1}}" if width >= 40 else f"{state:>{_STATE}}" if state else f"{size:>9}"
        )
        left = max(0, width - cell_len(right) - 1)
        if cell_len(name) > left:
            name = f"{set_cell_size(name, left - 1)}…" if left > 1 else ""
        name += " " * (left - cell_len(name))
        return [
            (name, kind),
            (f"{right} ", "tree--ignored" if state == "not sent" else "tree--error" if state else "tree--size"),
        ]
