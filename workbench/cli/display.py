"""Which display a headless build has: the transcript, with a live line, JSON, or the image's ID alone."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import sys
from typing import Protocol, TextIO

from workbench.build.events import BuildEvent, BuildFinished, BuildWarning
from workbench.cli import output
from workbench.errors import UsageError
from workbench.report.plain import PlainTranscript, failure_line, warning_line

MODES = ("auto", "plain", "json", "tty")

_TICK = 0.1


class _Feed(Protocol):
    def feed(self, event: BuildEvent) -> None: ...


class Display:
    """One build's display. Within `async with` a live line moves; `failed` says on stderr why the build failed."""

    def __init__(self, inner: _Feed, shown: str, *, warn: bool = True) -> None:
        self._inner = inner
        self._shown = shown
        self._warn = warn
        self._ticker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Display:
        tick = getattr(self._inner, "tick", None)
        if tick is not None:
            self._ticker = asyncio.create_task(self._tick(tick), name="the live line moves")
        return self

    async def __aexit__(self, *unused: object) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
            self._ticker = None

    async def _tick(self, tick: object) -> None:
        assert callable(tick)
        while True:
            await asyncio.sleep(_TICK)
            tick()

    def feed(self, event: BuildEvent) -> None:
        self._inner.feed(event)
        if self._warn and isinstance(event, BuildWarning):
            output.talk(warning_line(event, self._shown))

    def failed(self, finished: BuildFinished, hint: str) -> None:
        said = getattr(self._inner, "said", None)
        if said is not None:
            sys.stderr.write(said())
        output.talk(failure_line(finished, self._shown))
        output.hint(hint)


class Quiet:
    """The image's ID alone; the transcript is kept for stderr, where the build fails."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._text = io.StringIO()
        self._transcript = PlainTranscript(self._text)

    def feed(self, event: BuildEvent) -> None:
        self._transcript.feed(event)
        if isinstance(event, BuildFinished) and event.outcome == "succeeded":
            self._out.write(f"{event.image}\n")
            self._out.flush()

    def said(self) -> str:
        return self._text.getvalue()


def make_display(mode: str, *, quiet: bool, shown: str, explain: bool = False, aside: bool = False) -> Display:
    """`auto` has the live line where stdout is a terminal that can move its cursor. JSON explains in any case.
    `aside` is for a build whose result goes to stdout: all else goes to stderr."""
    out = sys.stderr if aside else sys.stdout
    if quiet:
        return Display(Quiet(out), shown, warn=False)
    if mode == "json":
        from workbench.report.json_lines import JsonLines

        return Display(JsonLines(out), shown, warn=False)
    able = output.is_terminal(out) and os.environ.get("TERM", "dumb") != "dumb"
    if mode == "tty" and not able:
        raise UsageError(
            f"--progress tty needs a terminal on {'stderr' if aside else 'stdout'}", hint="Take --progress plain."
        )
    if mode == "tty" or (mode == "auto" and able):
        import shutil

        from workbench.report.live import LiveTranscript

        live = LiveTranscript(out, lambda: shutil.get_terminal_size().columns, explain=explain)
        return Display(live, shown)
    return Display(PlainTranscript(out, explain=explain), shown)
