"""The first paint: the Dockerfile as it is on the disk and the context's tree as it was seen last, where the panels
will be. It needs no Textual, whose import takes most of a start; Textual then goes on with the screen as it is.
"""

from __future__ import annotations

import os
import shutil
import termios
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TextIO

from rich.cells import cell_len, set_cell_size

from workbench.build.text import one_line
from workbench.dockerfile.tokens import Token, tokens
from workbench.errors import WorkbenchError
from workbench.files import read_text
from workbench.tui import driver
from workbench.tui.driver.dialect import Dialect, first_environment
from workbench.tui.driver.shadow import Shadow
from workbench.tui.driver.signs import fit_for
from workbench.tui.naming import short_path
from workbench.tui.seen import Seen, colours_of, keep_seen, read_seen
from workbench.tui.widgets.marks import mark_width

_LEAST = (60, 16)
"""Columns and rows from which on it is worth it."""
_WIDE = 120
_STRIPS = ((1, "context"), (3, "build"), (4, "images"))
"""The panels that have a line each where there is little room, with their numbers."""
_TABULATOR = 4
_SCROLLBAR = 2

Piece = tuple[str, str]
"""Text, and the name of its pen."""


class Box(NamedTuple):
    """Where a panel stands, its border counted."""

    x: int
    y: int
    width: int
    height: int


def layout(columns: int, rows: int) -> dict[str, Box]:
    """The panels that are shown, as `workbench.tcss` has them."""
    body = rows - 2
    if columns < _WIDE:
        return {"dockerfile": Box(0, 1, columns, body - len(_STRIPS))}
    images = max(7, min(body * 30 // 100, 16))
    left, right = columns * 32 // 100, (columns * 68 + 50) // 100
    upper = body - images
    return {
        "context": Box(0, 1, left, upper),
        "dockerfile": Box(left, 1, right - left, upper),
        "build": Box(right, 1, columns - right, upper),
        "images": Box(0, 1 + upper, columns, images),
    }


class FirstPaint:
    """A block in which the terminal shows it. It goes with the end of the block, unless a driver took the terminal
    over, which then leaves it as it found it.

    Nothing is shown where our own driver would not draw, or in very little room.
    """

    def __init__(self, context: Path, dockerfile: str) -> None:
        self.seen = Seen()
        """What was seen last, and is shown."""
        self._context = context
        self._dockerfile = dockerfile
        self._dialect = Dialect.of(first_environment())
        self._stage: _Stage | None = None

    def __enter__(self) -> FirstPaint:
        columns, rows = shutil.get_terminal_size()
        terminal = driver.terminal()
        if terminal is not None and columns >= _LEAST[0] and rows >= _LEAST[1]:
            keys, screen = terminal
            encoding = "ascii" if self._dialect.ascii else screen.encoding
            shadow = Shadow(columns, rows, fit=fit_for(encoding))
            self._stage = _Stage(shadow, screen, keys, _hush(keys))
            self.seen = read_seen(self._context)
            drawn = picture(columns, rows, self._context, self._dockerfile, self.seen)
            self._write(self._stage, f"\x1b[?1049h\x1b[?25l\x1b[?7l{drawn}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stage is not None:
            self._write(self._stage, "\x1b[?7h\x1b[?25h\x1b[?1049l")
            self.taken_over()

    def taken_over(self) -> Shadow | None:
        """The terminal is as it was, but for what it shows, which the shadow knows; None where nothing is shown."""
        stage, self._stage = self._stage, None
        if stage is None:
            return None
        if stage.modes is not None:
            termios.tcsetattr(stage.keys, termios.TCSANOW, stage.modes)
        return stage.shadow

    def keep(self, seen: Seen) -> None:
        """For the next one. Blocks. That there is no place to keep it is no error."""
        if seen != self.seen:
            self.seen = seen
            with suppress(OSError):
                keep_seen(self._context, seen)

    def _write(self, stage: _Stage, text: str) -> None:
        out = stage.shadow.feed(text) + stage.shadow.frame()
        stage.screen.write(self._dialect.speak(out))
        stage.screen.flush()


class _Stage(NamedTuple):
    """What is shown, where, and the modes that the terminal had before (None where nobody can tell)."""

    shadow: Shadow
    screen: TextIO
    keys: TextIO
    modes: list[Any] | None


def _hush(keys: TextIO) -> list[Any] | None:
    """Keys that are pressed already wait for the panels, and are not echoed into the picture. The modes before."""
    try:
        before, quiet = termios.tcgetattr(keys), termios.tcgetattr(keys)
        quiet[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(keys, termios.TCSANOW, quiet)
    except termios.error:
        return None
    return before


def picture(columns: int, rows: int, context: Path, dockerfile: str, seen: Seen) -> str:
    """What makes a terminal show it. Blocks on the disk."""
    pens = seen.pens if seen.terminal == colours_of(os.environ) else {}
    titles = {"context": seen.title or "Context", "dockerfile": dockerfile, "build": "Build", "images": "Images"}
    drawn = [_at(0, y, [(" " * columns, "footer" if y == rows - 1 else "screen")], pens) for y in range(rows)]
    title = set_cell_size(f" workbench  opening {one_line(short_path(context))}", columns)
    drawn.append(_at(0, 0, [(title, "title")], pens))
    for name, box in layout(columns, rows).items():
        width, height = box.width - 2, box.height - 2
        content: Sequence[Sequence[Piece]] = ()
        if name == "dockerfile":
            content = _numbered(_lines(context / dockerfile), width, height)
        elif name == "context":
            content = [row.columns(width - (len(seen.rows) > height)) for row in seen.rows[:height]]
        drawn += _panel(box, name, titles[name], content, pens)
    if columns < _WIDE:
        drawn += _strips(columns, rows - 1 - len(_STRIPS), titles, pens)
    return "".join(drawn)


def _strips(columns: int, y: int, titles: Mapping[str, str], pens: Mapping[str, str]) -> Iterator[str]:
    for row, (number, name) in enumerate(_STRIPS, y):
        said = one_line(titles[name].removeprefix(name.title()).lstrip())
        yield _at(0, row, [(set_cell_size(f" alt+{number} {name.title()}  {said}", columns), "strip")], pens)


def _at(x: int, y: int, pieces: Iterable[Piece], pens: Mapping[str, str]) -> str:
    text = "".join(f"\x1b[0;{pens.get(pen, '')}m{text}" for text, pen in pieces)
    return f"\x1b[{y + 1};{x + 1}H{text}"


def _panel(
    box: Box, name: str, title: str, content: Sequence[Sequence[Piece]], pens: Mapping[str, str]
) -> Iterator[str]:
    border = "border.active" if name == "dockerfile" else "border"
    title = one_line(title)
    room = box.width - 6
    if cell_len(title) > room:
        title = f"{set_cell_size(title, room - 1)}…"
    line = "─" * (room - cell_len(title) + 1)
    yield _at(box.x, box.y, [("╭─", border), (f" {title} ", f"{border}.title"), (f"{line}╮", border)], pens)
    for row in range(box.height - 2):
        pieces = content[row] if row < len(content) else ()
        blank = " " * (box.width - 2 - sum(cell_len(text) for text, _ in pieces))
        yield _at(box.x, box.y + 1 + row, [("│", border), *pieces, (blank, name), ("│", border)], pens)
    yield _at(box.x, box.y + box.height - 1, [(f"╰{'─' * (box.width - 2)}╯", border)], pens)


def _lines(path: Path) -> list[str]:
    """None of what cannot be read, which the editor then tells."""
    try:
        text = read_text(path).text if path.is_file() else ""
    except WorkbenchError:
        return []
    return text.replace("\r\n", "\n").split("\n") if text else []


def _numbered(lines: Sequence[str], width: int, height: int) -> list[list[Piece]]:
    """As the editor shows them: room for a mark, the number, and the text in colours."""
    digits = len(str(len(lines)))
    gutter = mark_width(width) + digits + 2
    room = width - gutter - (_SCROLLBAR if len(lines) > height else 0)
    colours: dict[int, list[Token]] = {}
    for token in tokens("\n".join(lines[:height])):
        colours.setdefault(token.line, []).append(token)
    return [
        [(f"{number:>{gutter - 2}}  ", "gutter"), *_cut(_coloured(line, colours.get(number, ())), room)]
        for number, line in enumerate(lines[:height], 1)
    ]


def _coloured(line: str, found: Sequence[Token]) -> Iterator[Piece]:
    """What the editor would draw in another way than letter by letter has no colours."""
    plain = one_line(line.expandtabs(_TABULATOR))
    at = 0
    for token in found if plain == line else ():
        yield line[at : token.start_column - 1], "dockerfile"
        yield line[token.start_column - 1 : token.end_column - 1], f"editor--{token.kind}"
        at = token.end_column - 1
    yield plain[at:], "dockerfile"


def _cut(pieces: Iterable[Piece], width: int) -> Iterator[Piece]:
    """Those that fit."""
    for text, pen in pieces:
        fits = text if cell_len(text) <= width else set_cell_size(text, width)
        width -= cell_len(fits)
        yield fits, pen
