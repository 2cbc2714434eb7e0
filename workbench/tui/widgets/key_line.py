"""The line at the bottom: the keys of the place where the focus is."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Footer
from textual.widgets._footer import FooterKey


class KeyLine(Footer):
    """Textual's footer, but no key is cut: what does not fit beside the palette's key is not shown."""

    def __init__(self, *, palette: bool = True) -> None:
        super().__init__(show_command_palette=palette, compact=True)

    def compose(self) -> ComposeResult:
        keys = list(super().compose())
        self._fit(keys)
        yield from keys

    def on_resize(self) -> None:
        self._fit(self.children)

    def _fit(self, keys: Iterable[Widget]) -> None:
        every = [it for it in keys if isinstance(it, FooterKey)]
        room = self.app.size.width - sum(_width(it) for it in every if it.has_class("-command-palette"))
        for key in every:
            if not key.has_class("-command-palette"):
                room -= _width(key)
                key.display = room >= 0


def _width(key: FooterKey) -> int:
    """Its key, its word, and the cell behind it; the palette's key has a line before it and a cell more."""
    return cell_len(f"{key.key_display} {key.description} ") + (1 if key.has_class("-command-palette") else 0)
