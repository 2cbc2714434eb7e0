"""Messages that one panel sends for another to act on."""

from __future__ import annotations

from textual.message import Message


class OpenFile(Message):
    """A text file of the context is wanted in the editor. `path` is relative to the context, with `/`."""

    def __init__(self, path: str, line: int = 0) -> None:
        super().__init__()
        self.path = path
        self.line = line
        """Where to put the cursor, counted from 1; 0 leaves it where it was."""
