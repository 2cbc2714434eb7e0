"""Search in the lines of a log, over any number of them: by blocks, so that whoever runs it on a thread of its own can
say how far it is and stop it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from workbench.build.text import clean
from workbench.dataclass import dataclass
from workbench.tui.widgets.log_lines import LogLines, Match, fold

_BLOCK = 2_000
"""Lines that are looked at before `Step` is asked."""

Step = Callable[[int], bool]
"""Told the number of lines that were looked at; False ends the search."""


@dataclass(slots=True)
class Job:
    """A search on a thread: how many of its `lines` were looked at, and whether it should stop."""

    what: str
    lines: int
    looked: int = 0
    stopped: bool = False

    def step(self, looked: int) -> bool:
        self.looked = looked
        return not self.stopped

    @property
    def said(self) -> str:
        """`searching 34%`."""
        return f"{self.what} {min(99, 100 * self.looked // self.lines)}%"


def compile_search(needle: str) -> re.Pattern[str]:
    """`needle` as literal text; case counts where it has a capital letter."""
    return re.compile(re.escape(needle), re.IGNORECASE if needle == needle.lower() else 0)


def go_on(lines: int) -> bool:
    """The `Step` of a search that nobody waits for."""
    return True


def find(lines: LogLines, needle: str, *, after: Match, forward: bool = True, step: Step = go_on) -> Match | None:
    """The next line's hit after (or before) `after`, around the end of the log; None where there is none, or where
    `step` ended it.

    `needle` is text, not an expression; it ignores case unless it has a capital letter.
    """
    pattern = compile_search(needle)
    here = lines.matches(pattern, after.line) if after.line < len(lines) else []
    if forward:
        here = [hit for hit in here if hit.start >= after.end]
    else:
        here = [hit for hit in here if hit.end <= after.start][::-1]
    if here:
        return here[0]
    for line in _lines_with(lines, needle, after.line, forward, step):
        hits = lines.matches(pattern, line)
        return hits[0 if forward else -1] if hits else Match(line, 0, 0)
    return None


def only(lines: LogLines, pattern: re.Pattern[str], first: int, last: int, step: Step = go_on) -> Iterator[str]:
    """Of the lines from `first` up to `last` those whose drawn text has the pattern, as they came, by pieces."""
    for start in range(first, last, _BLOCK):
        end = min(start + _BLOCK, last)
        text = lines.raw(*lines.span(start, end))
        yield "".join(f"{line}\n" for line in text.split("\n") if pattern.search(clean(fold(line))))
        if not step(end - first):
            return


def _lines_with(lines: LogLines, needle: str, line: int, forward: bool, step: Step) -> Iterator[int]:
    """Lines that have `needle`, from the one next to `line` round to `line` itself."""
    count, looked = len(lines), 0
    ranges = [(line + 1, count), (0, min(line + 1, count))] if forward else [(0, line), (line, count)]
    for first, last in ranges:
        starts = range(first, last, _BLOCK)
        for start in starts if forward else reversed(starts):
            end = min(start + _BLOCK, last)
            yield from _block_with(lines, needle, start, end, forward)
            looked += end - start
            if not step(looked):
                return


def _block_with(lines: LogLines, needle: str, first: int, last: int, forward: bool) -> Iterator[int]:
    text = lines.raw(*lines.span(first, last))
    if "\r" in text:
        text = "\n".join(fold(line) for line in text.split("\n"))
    text = clean(text)
    if needle == needle.lower():
        text = text.lower()
    at = text.find(needle) if forward else text.rfind(needle)
    while at >= 0:
        yield first + text.count("\n", 0, at)
        at = text.find(needle, at + len(needle)) if forward else text.rfind(needle, 0, at)
