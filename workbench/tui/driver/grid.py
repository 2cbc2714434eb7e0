"""A screen as cells: what stands in each, and how it is drawn."""

from __future__ import annotations

from typing import Final

from workbench.tui.driver.clusters import clusters, narrow_only
from workbench.tui.driver.pens import PLAIN, Pen

UNKNOWN: Final = None
"""In a cell of which nobody knows what it shows."""

SECOND: Final = ""
"""In the second cell of a wide character."""


class Grid:
    """`width` by `height` cells, all of them UNKNOWN at first. `dirty` are rows written to since it was last emptied.

    Writing onto half of a wide character leaves a space in its other half, as terminals do.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.texts: list[list[str | None]] = [[UNKNOWN] * width for _ in range(height)]
        self.pens: list[list[Pen]] = [[PLAIN] * width for _ in range(height)]
        self.dirty: set[int] = set()

    def put(self, x: int, y: int, text: str, pen: Pen) -> int:
        """Writes printable text; the column after it, `width` at the most.

        At the right margin each character replaces the one before, as in a terminal that does not wrap.
        """
        if narrow_only(text):
            return self._put_narrow(x, y, text, pen)
        for cluster, width in clusters(text):
            if width == 0:
                self._join(x, y, cluster)
            else:
                x = self._put_cluster(x, y, cluster, width, pen)
        return x

    def _put_narrow(self, x: int, y: int, text: str, pen: Pen) -> int:
        room = self.width - x
        if len(text) > room:
            if room <= 0:
                x, text = self.width - 1, text[-1]
            else:
                text = text[: room - 1] + text[-1]
        end = x + len(text)
        self._free(x, end, y)
        self.texts[y][x:end] = text
        self.pens[y][x:end] = [pen] * len(text)
        self.dirty.add(y)
        return end

    def _put_cluster(self, x: int, y: int, cluster: str, width: int, pen: Pen) -> int:
        x = max(0, min(x, self.width - width))
        end = min(x + width, self.width)
        self._free(x, end, y)
        self.texts[y][x:end] = [cluster, *[SECOND] * (end - x - 1)]
        self.pens[y][x:end] = [pen] * (end - x)
        self.dirty.add(y)
        return end

    def _join(self, x: int, y: int, mark: str) -> None:
        """Adds characters without a width to the cell before."""
        row = self.texts[y]
        x -= 1
        if x > 0 and row[x] == SECOND:
            x -= 1
        if x >= 0 and (before := row[x]) is not UNKNOWN:
            row[x] = before + mark
            self.dirty.add(y)

    def erase(self, x: int, end: int, y: int, pen: Pen) -> None:
        """Blanks the cells from x to before end, in the pen's background (as terminals with `bce` do)."""
        end = min(end, self.width)
        if x < end:
            self._put_narrow(x, y, " " * (end - x), PLAIN._replace(background=pen.background))

    def scroll(self, pen: Pen) -> None:
        """Moves all rows up by one."""
        self.texts[:] = [*self.texts[1:], [UNKNOWN] * self.width]
        self.pens[:] = [*self.pens[1:], [PLAIN] * self.width]
        self.erase(0, self.width, self.height - 1, pen)
        self.dirty.update(range(self.height))

    def forget(self) -> None:
        """Nobody knows any more what the cells show."""
        for row in self.texts:
            row[:] = [UNKNOWN] * self.width
        self.dirty.update(range(self.height))

    def _free(self, x: int, end: int, y: int) -> None:
        row = self.texts[y]
        if row[x] == SECOND and x > 0:
            row[x - 1] = " "
        if end < self.width and row[end] == SECOND:
            row[end] = " "
