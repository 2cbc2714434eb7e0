"""The text of a log as lines: appended in any pieces, indexed as it comes, cleaned only when a line is asked for.

No widget: `LogView` draws what this keeps. A million lines cost their characters and eight bytes each.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from workbench.build.text import clean, settle

DRAWN = 4_000
"""Characters of one line that are drawn; the rest of it is kept, and not shown."""

_CHUNK = 64 * 1024
_READ = 4 * DRAWN
_BLOCK = 2_000
_NEWLINE = re.compile("\n")
_TAB = 8


@dataclass(frozen=True, slots=True)
class Match:
    """Where a search ended: a line and the columns of its drawn text. Both are 0 where the hit is not drawn."""

    line: int
    start: int
    end: int


class LogLines:
    """Text by the line. Lines count from 0; the last one may still be without its newline."""

    __slots__ = ("_chunks", "_open_length", "_positions", "_starts", "_total", "width")

    def __init__(self) -> None:
        self._chunks: list[str] = []
        self._positions = array("Q")
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
        """All that was appended, as it came."""
        return "".join(self._chunks)

    def append(self, text: str) -> None:
        """Adds a piece. Costs its length, whatever is there already."""
        if not text:
            return
        base = self._total
        self._starts.extend(array("Q", [found.end() + base for found in _NEWLINE.finditer(text)]))
        self._total += len(text)
        if self._chunks and len(self._chunks[-1]) + len(text) <= _CHUNK:
            self._chunks[-1] += text
        else:
            self._chunks.append(text)
            self._positions.append(base)
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
        parts: list[str] = []
        index = max(0, bisect_right(self._positions, start) - 1)
        while index < len(self._chunks) and self._positions[index] < end:
            position = self._positions[index]
            parts.append(self._chunks[index][max(0, start - position) : end - position])
            index += 1
        return "".join(parts)

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

    def find(self, needle: str, *, after: Match, forward: bool = True) -> Match | None:
        """The next line's hit after (or before) `after`, around the end of the log; None where there is none.

        `needle` is text, not an expression; it ignores case unless it has a capital letter.
        """
        pattern = compile_search(needle)
        here = self.matches(pattern, after.line) if after.line < len(self) else []
        if forward:
            here = [hit for hit in here if hit.start >= after.end]
        else:
            here = [hit for hit in here if hit.end <= after.start][::-1]
        if here:
            return here[0]
        for line in self._lines_with(needle, after.line, forward):
            hits = self.matches(pattern, line)
            return hits[0 if forward else -1] if hits else Match(line, 0, 0)
        return None

    def only(self, pattern: re.Pattern[str], first: int, last: int) -> str:
        """Of the lines from `first` up to `last` those whose drawn text has the pattern, as they came."""
        kept: list[str] = []
        for start in range(first, last, _BLOCK):
            end = min(start + _BLOCK, last)
            for line in self.raw(self._starts[start], self._end(end - 1)).split("\n"):
                if pattern.search(clean(fold(line))):
                    kept.append(f"{line}\n")
        return "".join(kept)

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

    def _lines_with(self, needle: str, line: int, forward: bool) -> Iterator[int]:
        """Lines that have `needle`, from the one next to `line` round to `line` itself."""
        count = len(self)
        ranges = [(line + 1, count), (0, min(line + 1, count))] if forward else [(0, line), (line, count)]
        for first, last in ranges:
            starts = range(first, last, _BLOCK)
            for start in starts if forward else reversed(starts):
                yield from self._block_with(needle, start, min(start + _BLOCK, last), forward)

    def _block_with(self, needle: str, first: int, last: int, forward: bool) -> Iterator[int]:
        if first >= last:
            return
        text = self.raw(self._starts[first], self._end(last - 1))
        if "\r" in text:
            text = "\n".join(fold(line) for line in text.split("\n"))
        text = clean(text)
        if needle == needle.lower():
            text = text.lower()
        at = text.find(needle) if forward else text.rfind(needle)
        while at >= 0:
            yield first + text.count("\n", 0, at)
            at = text.find(needle, at + len(needle)) if forward else text.rfind(needle, 0, at)


def compile_search(needle: str) -> re.Pattern[str]:
    """`needle` as literal text; case counts where it has a capital letter."""
    return re.compile(re.escape(needle), re.IGNORECASE if needle == needle.lower() else 0)


def fold(line: str) -> str:
    """One line that draws over itself with `\\r`, as a terminal would leave it.

    With control sequences in it columns cannot be counted, so the last piece that says something is the line.
    """
    if "\r" not in line:
        return line
    if "\x1b" not in line:
        return settle(line)
    return next((piece for piece in reversed(line.split("\r")) if clean(piece).strip()), "")
