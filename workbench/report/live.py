"""The transcript with a live line under it: which step, how long, how far. For a terminal only."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import TextIO

from workbench.build.events import BuildEvent, BuildFinished
from workbench.build.format import human_duration, human_size
from workbench.build.progress import BuildProgress, StepState
from workbench.build.text import one_line
from workbench.report.plain import PlainTranscript

_ERASE = "\r\x1b[2K"


class LiveTranscript:
    """`feed` each event; call `tick` several times a second. The live line is gone when the build ends."""

    def __init__(
        self, out: TextIO, width: Callable[[], int], clock: Callable[[], float] = time.time, *, explain: bool = False
    ) -> None:
        self._out = out
        self._width = width
        self._clock = clock
        self._text = io.StringIO()
        self._transcript = PlainTranscript(self._text, explain=explain)
        self._progress = BuildProgress()
        self._column_open = ""
        self._shown = False

    def feed(self, event: BuildEvent) -> None:
        self._progress.apply(event)
        self._progress.logs.clear()  # the transcript has shown it; nothing here keeps it
        self._transcript.feed(event)
        self._tell()
        if isinstance(event, BuildFinished):
            self._erase()
            self._out.write(self._column_open)
            self._column_open = ""
            self._out.flush()

    def tick(self) -> None:
        """Draws the live line anew."""
        line = self._line()
        if line or self._shown:
            self._erase()
            self._out.write(line[: max(1, self._width() - 1)])
            self._shown = bool(line)
            self._out.flush()

    def _tell(self) -> None:
        """Whole lines go above the live line; a line that is not ended yet waits."""
        text = self._column_open + self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        whole, newline, self._column_open = text.rpartition("\n")
        if whole or newline:
            self._erase()
            self._out.write(whole + newline)
            self.tick()

    def _erase(self) -> None:
        if self._shown:
            self._out.write(_ERASE)
            self._shown = False

    def _line(self) -> str:
        step = self._progress.current
        if step is None or step.status != "running":
            return ""
        seconds = self._clock() - step.started if step.started is not None else 0.0
        text = one_line(step.text)
        return f"[{step.step}/{max(self._progress.total, step.step)}] {human_duration(seconds)}{_far(step)}  {text}"


def _far(step: StepState) -> str:
    progress = step.progress
    if progress is None:
        return ""
    if progress.what != "bytes":
        total = f"/{progress.total}" if progress.total else ""
        return f"  {progress.current}{total} {one_line(progress.what)}"
    total = f"/{human_size(progress.total)}" if progress.total else ""
    return f"  {human_size(progress.current)}{total}"
