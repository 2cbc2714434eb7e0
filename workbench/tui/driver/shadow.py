"""The shadow of a terminal's screen: takes what Textual writes, gives what the terminal needs to show the same.

Understood are text, SGR, OSC 8, moves of the cursor, erasing, the alternate screen and synchronised output. Sequences
that leave the screen alone pass at once. Everything else passes in its order, after what came before it, and the next
frame repaints the whole screen. Outside of the alternate screen everything passes as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from workbench.tui.driver.grid import Grid
from workbench.tui.driver.pens import PLAIN, changed
from workbench.tui.driver.sequences import TOKEN, cut_unfinished, is_harmless, numbers
from workbench.tui.driver.writer import Writer

_ALTERNATE: Final = re.compile(r"\?(?:1049|1047|47)([hl])")
_LONG: Final = 1024
"""Characters from which a frame is synchronised, where the terminal can: a short one comes in one piece anyway."""


class Shadow:
    """`width` by `height` is what Textual draws for. `waiting` is whether something came since the last frame.

    `fit` may replace text that the terminal's encoding does not have, by as many cells.
    """

    def __init__(self, width: int, height: int, *, fit: Callable[[str], str] | None = None) -> None:
        self.target = Grid(width, height)
        self.writer = Writer(width, height)
        self.x = self.y = 0
        self.pen = PLAIN
        self.waiting = False
        self._fit = fit
        self._alternate = False
        self._synchronises = False
        self._unfinished = ""
        self._out: list[str] = []

    @property
    def size(self) -> tuple[int, int]:
        return self.target.width, self.target.height

    def resize(self, width: int, height: int) -> None:
        """The terminal has another size: nobody knows what it shows, and Textual will draw all of it."""
        before, self.writer = self.writer, Writer(width, height)
        self.writer.pen = before.pen
        self.writer.forget()
        self.target = Grid(width, height)
        self.x, self.y = 0, 0

    def forget(self) -> None:
        """The next frame repaints the whole screen."""
        self.writer.forget()
        self.waiting = True

    def frame(self) -> str:
        """What makes the terminal show what Textual has written until now; "" where it does already."""
        self.waiting = False
        if not self._alternate:
            return ""
        out = self.writer.difference(self.target, self.x, self.y)
        if self._synchronises and len(out) > _LONG:
            return f"\x1b[?2026h{out}\x1b[?2026l"
        return out

    def feed(self, data: str) -> str:
        """Takes output of Textual; returns what the terminal must have at once (mostly nothing)."""
        data, self._unfinished = cut_unfinished(self._unfinished + data)
        for match in TOKEN.finditer(data):
            kind = match.lastgroup
            if kind == "text" and self._alternate:
                text = match[0] if self._fit is None else self._fit(match[0])
                self.x = self.target.put(self.x, self.y, text, self.pen)
                self.waiting = True
            elif kind == "pen" and self._alternate:
                self.pen = changed(self.pen, match["pen"])
            else:
                self._control(kind or "", match[kind or 0], match[0])
        out = "".join(self._out)
        self._out.clear()
        return out

    def _control(self, kind: str, value: str, whole: str) -> None:
        if kind == "csi" and (alternate := _ALTERNATE.fullmatch(value)):
            self._switch(alternate[1] == "h", whole)
        elif kind == "csi" and value in ("?2026h", "?2026l"):
            self._synchronises = True
        elif kind == "osc" and value.startswith("8;") and self._alternate:
            link = value.removeprefix("8;")
            self.pen = self.pen._replace(link=link if link.partition(";")[2] else "")
        elif not self._alternate or kind == "osc" or whole in "\x00\x07" or (kind == "csi" and is_harmless(value)):
            self._out.append(whole)
        elif not (kind == "csi" and self._csi(value[-1], value[:-1])) and not (kind == "control" and self._c0(value)):
            self._strange(whole)

    def _switch(self, on: bool, whole: str) -> None:
        """Leaves the terminal's pen as Textual's is, and knows nothing of the screen it comes to. Where it is there
        already nothing is sent: some terminals would clear it."""
        if on and self._alternate:
            return
        if self._alternate:
            self._out += [self.frame(), self.writer.settle(self.pen)]
        self._out.append(whole)
        self._alternate = on
        self.forget()

    def _strange(self, whole: str) -> None:
        self._out += [self.frame(), self.writer.settle(self.pen), whole]
        self.forget()

    def _csi(self, final: str, parameters: str) -> bool:
        """Does what a CSI sequence says; whether it could."""
        if parameters.strip("0123456789;"):
            return False
        if final in "Hf":
            row, column = numbers(parameters, 1, 1)
            self._go(column - 1, row - 1)
        elif final in "ABCDEFGd`":
            self._step(final, numbers(parameters, 1)[0])
        elif final in "JK":
            if (what := numbers(parameters, 0)[0]) > 2:
                return False
            (self._erase_screen if final == "J" else self._erase_line)(what)
        elif final == "X":
            column = self._column
            self.target.erase(column, column + numbers(parameters, 1)[0], self.y, self.pen)
        else:
            return False
        self.waiting = True
        return True

    def _step(self, final: str, count: int) -> None:
        x, y = self._column, self.y
        places = {
            "A": (x, y - count), "B": (x, y + count), "C": (x + count, y), "D": (x - count, y),
            "E": (0, y + count), "F": (0, y - count), "G": (count - 1, y), "`": (count - 1, y), "d": (x, count - 1),
        }  # fmt: skip
        self._go(*places[final])

    def _go(self, x: int, y: int) -> None:
        self.x = max(0, min(x, self.target.width - 1))
        self.y = max(0, min(y, self.target.height - 1))

    @property
    def _column(self) -> int:
        """Where the cursor is seen: after the last column it stays on that."""
        return min(self.x, self.target.width - 1)

    def _erase_line(self, what: int) -> None:
        start, end = ((self._column, self.target.width), (0, self._column + 1), (0, self.target.width))[what]
        self.target.erase(start, end, self.y, self.pen)

    def _erase_screen(self, what: int) -> None:
        rows = (range(self.y + 1, self.target.height), range(self.y), range(self.target.height))[what]
        for y in rows:
            self.target.erase(0, self.target.width, y, self.pen)
        if what < 2:
            self._erase_line(what)

    def _c0(self, control: str) -> bool:
        """Does what a control character says; whether it could. A line feed goes to the first column, as it does
        where the terminal driver puts a carriage return before it (ONLCR), which Textual leaves on."""
        if control == "\n":
            if self.y + 1 < self.target.height:
                self.y += 1
            else:
                self.target.scroll(self.pen)
            self.x = 0
        elif control == "\r":
            self.x = 0
        elif control == "\b":
            self.x = max(0, self._column - 1)
        else:
            return False
        self.waiting = True
        return True
