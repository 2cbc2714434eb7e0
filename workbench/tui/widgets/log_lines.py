"""The text of a log as lines: indexed as it comes, cleaned only when a line is asked for.

No widget: `LogView` draws what this gives. A million lines cost eight bytes each beside their text.
"""

from __future__ import annotations

import re
from array import array

from workbench.build.log_text import LogText
from workbench.build.text import clean, settle
from workbench.dataclass import dataclass

DRAWN = 4_000
"""Characters of one line that are drawn; the rest of it is kept, and not shown."""

_READ = 4 * DRAWN
_NEWLINE = re.compile("\n")
_TAB = 8


@dataclass(frozen=True, slots=True)
class Match:
    """Where a search ended: a line and the columns of its drawn text. Both are 0 where the hit is not drawn."""

    line: int
    start: int
    end: int


class LogLines:
    """Text by the line. Lines count from 0; the last one may still be without its newline.

    The text may be another's, which grows by itself: `catch_up` takes in what came since.
    """

    __slots__ = ("_open_length", "_starts", "_total", "source", "width")

    def __init__(self, source: LogText | None = None) -> None:
        self.source = LogText() if source is None else source
        self._starts = array("Q", [0])
        self._total = 0
        self._open_length = 0
        self.width = 0
        """Columns that the widest line may need, never above DRAWN: an upper bound, not a measure."""

    def __len__(self) -> int:
        """Lines, an unfinished last one included."""
        return len(self._starts) - (self._starts[-1] == self._total)

    @property
    def text(self) -> str:
        """All that was taken in, as it came."""
        return self.source.read(0, self._total)

    def append(self, text: str) -> None:
        """Adds a piece to the text. Costs its length, whatever is there already."""
        if text:
            self.source.append(text)
            self._take(text)

    def catch_up(self, most: int) -> bool:
        """Takes in what the text has got, at most about that many characters. False where there is more."""
        end = self.source.total
        for piece in self.source.pieces(self._total, min(end, self._total + most)):
            self._take(piece)
        return self._total == end

    def _take(self, text: str) -> None:
        base = self._total
        self._starts.extend(array("Q", [found.end() + base for found in _NEWLINE.finditer(text)]))
        self._total += len(text)
        self._measure(text)

    def _measure(self, text: str) -> None:
        pieces = text.splitlines()
        longest = max(self._open_length + len(pieces[0]), max(map(len, pieces)))
        ended = text[-1] in "\r\n"
        self._open_length = 0 if ended else len(pieces[-1]) + (self._open_length if len(pieces) == 1 else 0)
        # A wide character takes two columns; tabs fill up to the next stop.
        factor = 1 if text.isascii() else 2
        self.width = max(self.width, min(DRAWN, longest * factor + text.count("\t", 0, _READ) * _TAB))

    def raw(self, start: int, end: int) -> str:
        """The characters from position `start` up to `end`."""
        return self.source.read(start, min(end, self._total))

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Where the lines from `first` up to `last` begin and end; `first` is below `last`."""
        return self._starts[first], self._end(last - 1)

    def _end(self, line: int) -> int:
        return self._starts[line + 1] - 1 if line + 1 < len(self._starts) else self._total

    def line(self, line: int) -> str:
        """One line as it is drawn: settled, cleaned but for its colours, tabs expanded, not yet cut to DRAWN."""
        start, end = self._starts[line], self._end(line)
        if end - start <= _READ:
            text = self.raw(start, end)
        else:
            # Of an endless line the end counts where it draws over itself, as a progress bar does, else the start.
            tail = self.raw(end - _READ, end)
            returned = tail.find("\r", 0, -1)
            text = tail[returned + 1 :] if returned >= 0 else self.raw(start, start + _READ)
        return clean(fold(text), keep_colour=True).expandtabs(_TAB)

    def plain(self, line: int) -> str:
        """One line as it is drawn, without its colours."""
        return clean(self.line(line))[:DRAWN]

    def matches(self, pattern: re.Pattern[str], line: int) -> list[Match]:
        """Every hit in the drawn text of one line."""
        return [Match(line, *found.span()) for found in pattern.finditer(self.plain(line)) if found[0]]

    def size(self, first: int, last: int) -> int:
        """Characters of the lines from `first` up to `last`."""
        return self._end(last - 1) - self._starts[first] if first < last else 0

    @property
    def length(self) -> int:
        """Characters that were appended."""
        return self._total

    @property
    def ended(self) -> int:
        """Lines that have their newline."""
        return len(self._starts) - 1


def fold(line: str) -> str:
    """One line that draws over itself with `\\r`, as a terminal would leave it.

    With control sequences in it columns cannot be counted, so the last piece that says something is the line.
    """
    if "\r" not in line:
        return line
    if "\x1b" not in line:
        return settle(line)
    return next((piece for piece in reversed(line.split("\r")) if clean(piece).strip()), "")
