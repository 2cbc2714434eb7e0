"""The logs of several steps as one, each piece under the heading of its step, in the order in which it was seen."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from workbench.build.progress import BuildProgress
from workbench.build.text import Cleaner
from workbench.tui.widgets.build_text import instruction_of
from workbench.tui.widgets.log_finder import TAKEN


class LogMerge:
    """Follows one build; a new one wants a new merge."""

    __slots__ = ("_last", "_open", "_positions", "behind")

    def __init__(self) -> None:
        self._positions: dict[int, int] = {}
        self._last: int | None = None
        self._open = False
        self.behind = False
        """Whether there was more than is taken at a time."""

    def more(self, progress: BuildProgress, steps: Collection[int] | None = None) -> str:
        """What came since the last call, of all steps or of those; `behind` where that is not all. Steps that ran side
        by side since then follow each other."""
        parts: list[str] = []
        self.behind = False
        for number in sorted(progress.logs if steps is None else progress.logs.keys() & set(steps)):
            log, position = progress.logs[number], self._positions.get(number, 0)
            if log.total == position:
                continue
            text = log.read(position, position + TAKEN)
            self._positions[number] = position + len(text)
            if number != self._last:
                step = progress.steps.get(number)
                newline = "\n" if self._open else ""
                parts.append(f"{newline}── step {number}: {instruction_of(step) if step else ''}\n")
                self._last = number
            parts.append(text)
            self._open = not text.endswith("\n")
            if self._positions[number] < log.total:
                self.behind = True
                break
        return "".join(parts)


def write_log(path: Path, pieces: Iterable[str]) -> None:
    """Writes it without control sequences, to a file that is not there yet. Raises OSError, FileExistsError too."""
    cleaner = Cleaner()
    with path.open("x", encoding="utf-8", errors="surrogateescape") as file:
        for piece in pieces:
            file.write(cleaner.feed(piece))
        file.write(cleaner.finish())
