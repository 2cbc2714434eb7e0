"""A line or two of text, as it is, that often says something else."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


class Note(Static):
    """Plain text. Only a text of another height moves what stands around it: a layout paints the whole screen."""

    def __init__(self, text: str = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(text, id=id, classes=classes, markup=False)
        self._text = text

    def say(self, text: str) -> None:
        """Shows that text."""
        if text != self._text:
            before, self._text = self._text, text
            self.update(text, layout=self._height_of(before) != self._height_of(text))

    def _height_of(self, text: str) -> int:
        return Content(text).get_height({}, max(1, self.size.width))
