"""Prints what the benchmarks measured: medians of both sides in one run, their ratio, and the goal.

The scripts of this folder are run by hand, each on its own (`python tests/bench/scan.py`); they assert nothing, because
times of a busy machine prove nothing, while ratios taken in one run are worth reading. Both sides of a row are measured
in turns (`medians_of`), so that a machine that gets slower in the middle slows both.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: `ours` and `theirs` in seconds, `goal` the highest ratio ours/theirs that is wanted."""

    name: str
    ours: float
    theirs: float
    goal: float

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs if self.theirs else float("inf")

    @property
    def met(self) -> bool:
        return self.ratio <= self.goal


def keep_bytecode() -> None:
    """What is started from here on finds what Python compiled before, as a user's programs do."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def seconds_of(measured: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    measured()
    return time.perf_counter() - start


def median_of(measured: Callable[[], object], n: int) -> float:
    """Median seconds of `n` calls, after one that is not counted."""
    measured()
    return statistics.median(seconds_of(measured) for _ in range(n))


def medians_of(ours: Callable[[], object], theirs: Callable[[], object], n: int) -> tuple[float, float]:
    """Median seconds of `n` calls of each, in turns, after one of each that is not counted."""
    ours(), theirs()
    pairs = [(seconds_of(ours), seconds_of(theirs)) for _ in range(n)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def human_seconds(seconds: float) -> str:
    """`0.83 ms`, `41.2 ms`, `1.67 s`."""
    if seconds < 0.01:
        return f"{seconds * 1000:.2f} ms"
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def human_ratio(ratio: float) -> str:
    """A ratio below one half reads better turned over: `1/21`; otherwise `1.8x`."""
    return f"1/{1 / ratio:.3g}" if 0 < ratio <= 0.5 else f"{ratio:.2f}x"


def print_table(title: str, rows: Sequence[Row]) -> None:
    """One line a row: name, ours, theirs, ratio, goal, and whether the goal is met."""
    cells = [("", "ours", "theirs", "ratio", "goal", "")]
    for row in rows:
        cells.append(
            (
                row.name,
                human_seconds(row.ours),
                human_seconds(row.theirs),
                human_ratio(row.ratio),
                f"<= {human_ratio(row.goal)}",
                "met" if row.met else "NOT MET",
            )
        )
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    print(title)
    for line in cells:
        first, *others = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        print("  " + "  ".join([first.strip().ljust(widths[0]), *others]).rstrip())
