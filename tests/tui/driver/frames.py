"""Random frames, drawn by Textual's own compositor classes: what a driver is given to write."""

from __future__ import annotations

import random

from rich.color import Color
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

NARROW = [*"abcXYZ 019#.,  -", "é", "─", "│", "ж", "…", "✔"]
WIDE = [*"漢字かなカ한글", "！", "😀", "🚀"]
CLUSTERS = [
    "e\u0301",
    "a\u0308\u0323",
    "❤\ufe0f",
    "👩\u200d💻",
    "👨\u200d👩\u200d👧\u200d👦",
    "漢\u0302",
    "☺\ufe0e",
    "👍🏽",
]
COLOURS = {
    "standard": [Color.from_ansi(number) for number in range(16)],
    "256": [Color.from_ansi(number) for number in range(0, 256, 7)],
    "truecolor": [Color.from_rgb(5 * number, 250 - 3 * number, number) for number in range(48)],
}


class Frames:
    """Frames for one screen: some draw all of it, some move it up, some a region, some a few spans of some rows.

    `plain` has no clusters: only what pyte itself has right.
    """

    def __init__(self, seed: int, width: int, height: int, depth: str, *, plain: bool = False) -> None:
        self.random = random.Random(seed)
        self.width, self.height = width, height
        self.console = Console(color_system=depth, force_terminal=True, width=width, height=height)  # type: ignore[arg-type]
        colours = [*COLOURS[depth], None]
        pick = self.random.choice
        self.styles: list[Style | None] = [None]
        for _ in range(12):
            names = ("bold", "italic", "underline", "reverse", "strike", "dim", "blink")
            attributes = {name: True for name in names if self.random.random() < 0.15}
            self.styles.append(Style(color=pick(colours), bgcolor=pick(colours), **attributes))  # type: ignore[arg-type]
        self.alphabet = NARROW * 4 + WIDE + ([] if plain else CLUSTERS)
        self.rows = [self.strip(width) for _ in range(height)]
        self._first = True

    def strip(self, width: int) -> Strip:
        segments: list[Segment] = []
        left = width
        while left > 0:
            text, room = "", min(left, self.random.randint(1, 30))
            if self.random.random() < 0.4:
                text = self.random.choice(" -x") * room
            else:
                text = Strip([Segment("".join(self.random.choices(self.alphabet, k=room)))]).crop(0, room).text
            segments.append(Segment(text, self.random.choice(self.styles)))
            left -= Strip([segments[-1]]).cell_length
        return Strip(segments)

    def next(self) -> str:
        """The output of another frame, the move of the cursor at its end included."""
        kind = (
            "all"
            if self._first
            else self.random.choices(("all", "up", "region", "spans", "cursor"), (1, 2, 3, 4, 1))[0]
        )
        self._first = False
        cursor = f"\x1b[{self.random.randint(1, self.height)};{self.random.randint(1, self.width)}H"
        return getattr(self, f"_{kind}")() + cursor

    def _all(self) -> str:
        whole = Region(0, 0, self.width, self.height)
        return LayoutUpdate([[row] for row in self.rows], whole).render_segments(self.console)

    def _up(self) -> str:
        count = self.random.randint(1, 3)
        self.rows = [*self.rows[count:], *(self.strip(self.width) for _ in range(count))]
        return self._all()

    def _region(self) -> str:
        width, height = self.random.randint(1, self.width), self.random.randint(1, self.height)
        x, y = self.random.randint(0, self.width - width), self.random.randint(0, self.height - height)
        strips = [[self.strip(width)] for _ in range(height)]
        return LayoutUpdate(strips, Region(x, y, width, height)).render_segments(self.console)

    def _spans(self) -> str:
        chops, ends, spans = [], [], []
        for y in range(self.height):
            cut = self.random.randint(1, self.width - 1)
            chops.append({0: self.strip(cut), cut: self.strip(self.width - cut)})
            ends.append([cut, self.width])
            if self.random.random() < 0.2 or y == self.height - 1:
                start = self.random.choice((0, cut))
                spans.append((y, start, self.random.randint(start + 1, self.width)))
        return ChopsUpdate(chops, spans, ends).render_segments(self.console)

    def _cursor(self) -> str:
        return ""
