"""Makes a terminal show a grid, with as few bytes as it takes: only changed cells, the shortest moves and colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from workbench.tui.driver.clusters import alike, widest
from workbench.tui.driver.grid import SECOND, UNKNOWN, Grid
from workbench.tui.driver.pens import Pen, sequence

_JUMP = 6
"""Bytes of a jump, about."""
_MANY = 16
"""Fewer runs than these are written as one reads."""
_GAP = 4
"""Cells that are unchanged are written again rather than jumped over, up to so many: a jump takes four bytes."""


class Run(NamedTuple):
    """Cells of a row that change, from `x` to before `end`, all in one pen."""

    x: int
    end: int
    y: int
    pen: Pen


class Writer:
    """Knows what the terminal shows (`shown`), where its cursor is and in which pen it writes; None is unknown.

    Takes only sequences of the VT100 (moves: CUP, CUU, CUD, CUF, CUB, backspace, carriage return, line feed; SGR), so
    that it is right for every terminal that Textual is.
    """

    def __init__(self, width: int, height: int) -> None:
        self.shown = Grid(width, height)
        self.x: int | None = None
        self.y: int | None = None
        self.pen: Pen | None = None
        self._out: list[str] = []

    def forget(self) -> None:
        """The terminal may show anything now."""
        if self.pen is not None and self.pen.link:
            self._use(self.pen._replace(link=""))
        self.shown.forget()
        self.x = self.y = self.pen = None

    def difference(self, target: Grid, x: int, y: int) -> str:
        """What makes the terminal show the target, and puts its cursor to that column and row."""
        runs: list[Run] = []
        for row in sorted(target.dirty | self.shown.dirty):
            runs += self._row(target, row)
        for run in self._cheapest(runs):
            self._run(target, run)
        target.dirty.clear()
        self.shown.dirty.clear()
        self._move(min(x, target.width - 1), y)
        return self._taken()

    def settle(self, pen: Pen) -> str:
        """What makes the terminal write in that pen, outside of any link."""
        self._use(pen._replace(link=""))
        return self._taken()

    def _taken(self) -> str:
        out = "".join(self._out)
        self._out.clear()
        return out

    def _row(self, target: Grid, y: int) -> Iterator[Run]:
        """What changes in a row, for `_run`; a row with characters that not every terminal draws alike is written at
        once, from left to right, since what is written there may touch what stands beside it."""
        texts, pens = target.texts[y], target.pens[y]
        old_texts, old_pens = self.shown.texts[y], self.shown.pens[y]
        if texts == old_texts and pens == old_pens:
            return
        changed = bytearray(
            text is not UNKNOWN and (text != old or pen != old_pen)
            for text, old, pen, old_pen in zip(texts, old_texts, pens, old_pens, strict=True)
        )
        wide = SECOND in texts or SECOND in old_texts
        if wide:
            _spread(changed, texts, old_texts)
        new = "".join(text or "" for text, is_changed in zip(texts, changed, strict=True) if is_changed)
        odd = wide or (new != "" and not alike(new))
        x = changed.find(1)
        while x >= 0:
            pen, end = pens[x], x + 1
            while end < target.width and changed[end] and pens[end] == pen:
                end += 1
            run = Run(x, end, y, pen)
            if odd:
                self._run(target, run, changed)
            else:
                yield run
            x = changed.find(1, end)

    def _cheapest(self, runs: Sequence[Run]) -> Sequence[Run]:
        """Row by row, or pen by pen: on a screen that changes much, jumps cost less than colours."""
        if len(runs) < _MANY:
            return runs
        pens: dict[Pen | None, list[Run]] = {self.pen: []}
        for run in runs:
            pens.setdefault(run.pen, []).append(run)
        return min(runs, [run for same in pens.values() for run in same], key=self._cost)

    def _cost(self, runs: Sequence[Run]) -> int:
        """About as many bytes as writing them in this order takes, beside their text."""
        cost, x, y, pen = 0, self.x, self.y, self.pen
        for run in runs:
            cost += len(sequence(pen, run.pen)) + (_JUMP if (x, y) != (run.x, run.y) else 0)
            x, y, pen = run.end, run.y, run.pen
        return cost

    def _run(self, target: Grid, run: Run, changed: bytearray | None = None) -> None:
        x, end, y, pen = run
        self._go(x, y)
        self._use(pen)
        texts = target.texts[y]
        if changed is None:
            self._out.append("".join(text or " " for text in texts[x:end]))
            self._arrive(end, y)
        else:
            self._cells(texts, x, end, y, changed)
        self.shown.texts[y][x:end] = texts[x:end]
        self.shown.pens[y][x:end] = target.pens[y][x:end]

    def _cells(self, texts: list[str | None], x: int, end: int, y: int, changed: bytearray) -> None:
        run = "".join(text for text in texts[x:end] if text is not None)
        if alike(run):
            self._out.append(run)
            self._arrive(end, y)
            return
        while x < end:
            text = texts[x] or " "
            width = 2 if x + 1 < end and texts[x + 1] == SECOND else 1
            self._move(x, y)
            if alike(text):
                self._out.append(text)
                self._arrive(x + width, y)
            else:
                self._doubtful(text, x, width, y)
                self._doubt_neighbours(texts, x + width, x + widest(text), changed)
            x += width

    def _doubtful(self, text: str, x: int, width: int, y: int) -> None:
        """Characters of whose width this terminal may think otherwise. Where it draws them narrower, a blank shows
        beside them; where wider, the caller writes again what they cover; and what follows is put in its place."""
        if width == 2:
            self._out.append("  ")
            self._arrive(x + 2, y)
            self._move(x, y)
        self._out.append(text)
        self.x = None

    @staticmethod
    def _doubt_neighbours(texts: list[str | None], x: int, end: int, changed: bytearray) -> None:
        if 0 < end < len(texts) and texts[end] == SECOND:
            end += 1
        for covered in range(x, min(end, len(texts))):
            changed[covered] = texts[covered] is not UNKNOWN

    def _go(self, x: int, y: int) -> None:
        """To a cell, by way of the cells between where they are few and cost nothing but themselves."""
        if self.y == y and self.x is not None and 0 < x - self.x <= _GAP:
            between = self.shown.texts[y][self.x : x]
            text = "".join(cell or "\0" for cell in between)
            if text.isascii() and text.isprintable() and all(p == self.pen for p in self.shown.pens[y][self.x : x]):
                self._out.append(text)
                self.x = x
        self._move(x, y)

    def _arrive(self, x: int, y: int) -> None:
        """After the last column terminals differ in where the cursor is."""
        self.x, self.y = (x if x < self.shown.width else None), y

    def _use(self, pen: Pen) -> None:
        if pen != self.pen:
            self._out.append(sequence(self.pen, pen))
            self.pen = pen

    def _move(self, x: int, y: int) -> None:
        if (self.x, self.y) == (x, y):
            return
        ways = [_absolute(x, y)]
        if self.y == y:
            ways.append("\r" + _relative(x, "C", "D"))
            if self.x is not None:
                ways.append(_relative(x - self.x, "C", "D"))
                if 0 < self.x - x <= _GAP:
                    ways.append("\b" * (self.x - x))
        elif self.y is not None:
            if self.x == x:
                ways.append(_relative(y - self.y, "B", "A"))
            if y == self.y + 1:
                ways.append("\r\n" + _relative(x, "C", "D"))
        self._out.append(min(ways, key=len))
        self.x, self.y = x, y


def _absolute(x: int, y: int) -> str:
    if x == 0:
        return f"\x1b[{y + 1}H" if y else "\x1b[H"
    return f"\x1b[{y + 1};{x + 1}H"


def _relative(distance: int, forward: str, back: str) -> str:
    if distance == 0:
        return ""
    count = abs(distance)
    return f"\x1b[{count if count > 1 else ''}{forward if distance > 0 else back}"


def _spread(changed: bytearray, texts: list[str | None], old: list[str | None]) -> None:
    """Wide characters, old or new, change whole."""
    waiting = [x for x, is_changed in enumerate(changed) if is_changed]
    while waiting:
        x = waiting.pop()
        for row in (texts, old):
            for partner, second in ((x - 1, x), (x + 1, x + 1)):
                if second < len(row) and row[second] == SECOND and not changed[partner]:
                    changed[partner] = texts[partner] is not UNKNOWN
                    if changed[partner]:
                        waiting.append(partner)
