"""Long lines of a log as several rows: which part of which line stands on each row of the screen."""

from __future__ import annotations

from collections.abc import Callable

from rich.cells import cell_len, chop_cells

from workbench.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class WrappedRow:
    """Columns `start` up to `end` of one line. Lines count from 0."""

    line: int
    start: int
    end: int


def rows_of(line: int, text: str, width: int) -> list[WrappedRow]:
    """The rows of one line, at least one; no wide character is cut in two."""
    rows: list[WrappedRow] = []
    start = 0
    for piece in chop_cells(text, width) if text and width > 1 else [""]:
        end = start + cell_len(piece)
        rows.append(WrappedRow(line, start, end))
        start = end
    return rows


def from_top(top: int, count: int, height: int, rows: Callable[[int], list[WrappedRow]]) -> list[WrappedRow]:
    """The rows of a screen of `height` that begins with line `top`."""
    found: list[WrappedRow] = []
    for line in range(top, min(count, top + height)):
        found += rows(line)
        if len(found) >= height:
            break
    return found[:height]


def to_end(count: int, height: int, rows: Callable[[int], list[WrappedRow]]) -> list[WrappedRow]:
    """The last rows of the log, as many as `height` has."""
    found: list[WrappedRow] = []
    for line in range(count - 1, max(-1, count - 1 - height), -1):
        found = rows(line) + found
        if len(found) >= height:
            break
    return found[-height:] if height else []
