"""What is looked for in a log: the lines that a filter lets through, and the next one that has a text. Off the screen's
loop where the log is long, with word of how far it is, until it is stopped."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import TypeVar

from workbench.tui.widgets.log_lines import LogLines, Match
from workbench.tui.widgets.log_search import Job, Step, compile_search, find, go_on, only
from workbench.tui.widgets.log_window import LogWindow

AT_ONCE = 500_000
"""Characters that are searched while the loop waits: some milliseconds."""

TAKEN = 2_000_000
"""Characters that are taken in at a time: a log that was long before it was shown comes in steps, and keys between."""

_TELL_EVERY = 0.1
_Found = TypeVar("_Found")


class LogFinder(LogWindow):
    """The lines of a log, all or some. `_lines` is what is shown of `_whole`."""

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._whole = self._lines
        self._only: re.Pattern[str] | None = None
        self._wanted = ""  # the text of the filter
        self._sifted = 0  # lines of the whole log that the filter has seen
        self._pattern: re.Pattern[str] | None = None
        self._needle = ""
        self._current: Match | None = None
        self._missed = False
        self._job: Job | None = None

    @property
    def text(self) -> str:
        """All of the log, as it came."""
        return self._whole.text

    @property
    def whole(self) -> LogLines:
        """All lines of the log."""
        return self._whole

    @property
    def shown(self) -> LogLines:
        """What is shown of it: all, or what the filter lets through."""
        return self._lines

    @property
    def match(self) -> Match | None:
        """The hit that `search` went to last."""
        return self._current

    @property
    def filtered(self) -> bool:
        """Whether only some lines are shown."""
        return self._only is not None

    @property
    def looking(self) -> bool:
        """Whether something is looked for in a log too long to do it at once."""
        return self._job is not None

    def stop_looking(self) -> None:
        """Ends that, and leaves everything as it was."""
        if self._job is not None:
            self._job.stopped = True

    def _finder_status(self) -> list[str]:
        parts = [f"filtered of {len(self._whole):,}"] if self._only is not None else []
        if self._job is not None:
            parts.append(self._job.said)
        elif self._missed:
            parts.append("not found")
        return parts

    # -- the lines

    def append(self, text: str) -> None:
        """Adds a piece of text, whole lines or not; costs its length and at most one refresh."""
        if text:
            before = self.line_count
            self._whole.append(text)
            self._came(before)

    def use(self, lines: LogLines) -> None:
        """Shows that log, which grows by itself: `more` takes in what came. The search and the filter stay."""
        self.clear()
        self._whole, self._sifted = lines, lines.ended
        if self._only is None:
            self._lines = lines
        elif lines.ended:
            self.run_worker(
                self.filter(self._wanted), group="log-filter", exclusive=True, exit_on_error=False,
                description="filter the log",
            )  # fmt: skip
        self._resize()
        self._redraw()

    def more(self) -> bool:
        """Takes in what came; False where so much came that it has to be called again."""
        lines, before, length = self._whole, self.line_count, self._whole.length
        whole = lines.catch_up(TAKEN)
        if lines.length != length:
            self._came(before)
        return whole

    def clear(self) -> None:
        """Empty again, and following; the search and the filter stay."""
        self.stop_looking()
        self._whole = LogLines()
        self._lines = LogLines() if self._only is not None else self._whole
        self._sifted = 0
        self._current = None
        self._following, self._missed = True, False

    def _came(self, before: int) -> None:
        """There are more lines than `before`, or the last one is longer."""
        if self._only is not None:
            self._sift(self._only)

    def _redraw(self) -> None:
        """Every line may look different."""

    # -- search

    def search(self, pattern: str, forward: bool = True) -> bool | None:
        """Goes to the next line that has the text `pattern` and marks it, around the end. False where none has it;
        None where the log is long and that is found out in the background.

        Case counts where `pattern` has a capital letter. An empty pattern ends the search.
        """
        if pattern != self._needle:
            self._needle = pattern
            self._pattern = compile_search(pattern) if pattern else None
            self._current = None
        self._missed = False
        self._redraw()
        if not pattern or not self.line_count:
            self._searched(None, bool(pattern))
            return False
        lines = self._lines
        after = self._current or Match(min(self.scroll_offset.y, self.line_count - 1), 0, 0)

        def look(step: Step) -> Match | None:
            return find(lines, pattern, after=after, forward=forward, step=step)

        if lines.length <= AT_ONCE:
            found = look(go_on)
            self._searched(found, found is None)
            return found is not None
        self.run_worker(
            self._search_long(look), group="log-search", exclusive=True, exit_on_error=False,
            description="search the log",
        )  # fmt: skip
        return None

    async def _search_long(self, look: Callable[[Step], Match | None]) -> None:
        lines = self._lines
        whole, found = await self._run("searching", look)
        if whole and lines is self._lines:
            self._searched(found, found is None)

    def _searched(self, found: Match | None, missed: bool) -> None:
        self._current, self._missed = found, missed
        if found is not None:
            self._show(found)
        self._redraw()

    def _show(self, match: Match) -> None:
        """Brings the hit onto the screen."""

    def action_next_match(self, forward: bool) -> None:
        if self._needle:
            self.search(self._needle, forward)
        else:
            self.action_ask_search()

    def action_ask_search(self) -> None:
        """Somebody has to ask for the text."""

    # -- filter

    async def filter(self, pattern: str) -> None:
        """Shows only the lines that have the text `pattern`, of now and to come; "" shows all. Case as in `search`.
        Where it is stopped meanwhile, what is shown stays."""
        wanted = compile_search(pattern) if pattern else None
        whole, seen = self._whole, self._whole.ended
        shown: LogLines | None = whole
        if wanted is not None:
            done, shown = await self._run("filtering", lambda step: _sifted(whole, wanted, seen, step))
            if not done or shown is None:
                return
        if whole is not self._whole:
            shown, seen = (LogLines(), 0) if wanted is not None else (self._whole, 0)
        self._only, self._wanted = wanted, pattern
        self._lines, self._sifted = self._whole if shown is None else shown, seen
        self._current = None
        if wanted is not None:
            self._sift(wanted)
        self._refiltered()

    def _refiltered(self) -> None:
        """Other lines are shown."""

    def _sift(self, wanted: re.Pattern[str]) -> None:
        """What the filter has not seen. A line counts when it has ended."""
        ended = self._whole.ended
        for piece in only(self._whole, wanted, self._sifted, ended):
            self._lines.append(piece)
        self._sifted = ended

    async def _run(self, what: str, work: Callable[[Step], _Found]) -> tuple[bool, _Found | None]:
        """Runs it on a thread, and says how far it is. (False, None) where it was stopped."""
        self.stop_looking()
        job = self._job = Job(what, max(1, self.line_count))
        running = asyncio.ensure_future(asyncio.to_thread(work, job.step))
        try:
            while not (await asyncio.wait({running}, timeout=_TELL_EVERY))[0]:
                self._tell()
            return (False, None) if job.stopped else (True, running.result())
        finally:
            job.stopped = True
            if self._job is job:
                self._job = None
            self._tell()


def _sifted(lines: LogLines, wanted: re.Pattern[str], end: int, step: Step) -> LogLines:
    found = LogLines()
    for piece in only(lines, wanted, 0, end, step):
        found.append(piece)
    return found
