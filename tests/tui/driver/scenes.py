"""What is done to a measured workbench while its bytes are counted."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from tests.tui.driver.line import Line

LOG_SECONDS = 3
GOALS = {"start": 5, "a key in the editor": 20, "the log, a second": 10}
"""How many times fewer bytes than stock are wanted."""


def scenes(line: Line) -> Iterator[tuple[str, int]]:
    """Pairs of a name and how many bytes came; between two of them the screen is at rest."""
    yield "start", len(line.until(lambda data: len(data) > 5000, "the first screen", quiet=1.5))
    yield "idle, 2 seconds", len(line.read(2))
    yield "the first key in the editor", len(line.press("x"))
    yield "a key in the editor", _median(line, "y", 3)
    line.press("\x1b1")
    line.press("\x1b[B")
    yield "down in a list", _median(line, "\x1b[B", 3)
    yield "page down", len(line.press("\x1b[6~"))
    line.send("\x1b[15~")
    yield "the log, a second", len(line.read(LOG_SECONDS)) // LOG_SECONDS
    line.until(lambda data: True, "the end of the log", quiet=1.0)
    yield "another size", len(line.resize(100, 30))


def _median(line: Line, keys: str, count: int) -> int:
    return int(statistics.median(len(line.press(keys)) for _ in range(count)))
