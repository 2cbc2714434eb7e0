"""A paragraph of help beside a place of the text: never over its line, gone with the next key."""

from __future__ import annotations

import textwrap

from textual.content import Content
from textual.geometry import Offset, Size
from textual.widgets import Static

_WIDEST = 64


class HelpBox(Static, can_focus=False):
    """Shows what `say` was given until `close`."""

    DEFAULT_CSS = """
    HelpBox {
        display: none;
        position: absolute;
        overlay: screen;
        constrain: none inside;
        padding: 0 1;
        background: $panel;
        color: $foreground;
        &.-open { display: block; }
    }
    """

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    def say(self, syntax: str, text: str, cursor: Offset, room: Size) -> None:
        """Opens below the cell `cursor` of the screen, or above it where there is more room."""
        width = min(_WIDEST, room.width - 2)
        head, body = textwrap.wrap(syntax, width - 2), textwrap.wrap(text, width - 2)
        below, above = room.height - cursor.y - 1, cursor.y
        rows = len(head) + len(body)
        under = below >= rows or below >= above
        rows = max(1, min(rows, below if under else above))
        self.update(Content.assemble(("\n".join(head), "bold"), "\n", "\n".join(body)))
        self.styles.width, self.styles.height = width, rows
        x = max(0, min(cursor.x, room.width - width))
        self.absolute_offset = Offset(x, cursor.y + 1 if under else cursor.y - rows)
        self.add_class("-open")
        self.refresh(layout=True)

    def close(self) -> None:
        self.remove_class("-open")
