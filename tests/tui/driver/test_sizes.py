"""Another size at any time, however small: the app goes on, and is whole again when there is room."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.driver.emulator import Terminal
from tests.tui.driver.line import COLUMNS, ROWS, Line

pytestmark = pytest.mark.slow
SIZES = [(20, 5), (1, 1), (2, 40), (200, 1), (80, 24), (119, 40), (1, 1), (COLUMNS, ROWS)]


def test_every_size_and_back(tmp_path: Path) -> None:
    line = Line(tmp_path)
    try:
        line.until(
            lambda seen: b"file_01.txt" in seen and b"UNIQU" in seen, "the tree and what images share", quiet=1.0
        )
        through(line, SIZES)
        for opens in ("\x1b5", "\x1bOP", "\x10"):  # builds, help, palette
            line.press(opens, quiet=1.0)
            through(line, [(20, 5), (1, 1), (COLUMNS, ROWS)])
            line.press("\x1b", quiet=0.6)
        assert b"Traceback" not in line.written
    finally:
        line.close()


def through(line: Line, sizes: list[tuple[int, int]]) -> None:
    """The last of the sizes is the one that the screen has, and shows what it showed before."""
    before = _shown(line, 0)
    for columns, rows in sizes:
        start = len(line.written)
        line.resize(columns, rows)
        assert line.process.poll() is None, f"{columns}x{rows}: {line.written[-2000:]!r}"
    assert _shown(line, start) == before


def _shown(line: Line, start: int) -> list[str]:
    """The rows of the screen, without the log (whose title has the seconds)."""
    screen = Terminal(COLUMNS, ROWS)
    screen.show(b"\x1b[?1049h".decode() + line.written[start:].decode().replace("\r\n", "\n"))
    return screen.texts()
