"""The live loop inside the owner: its state and the events of its builds, told to whoever is attached.

The build that ran last stays in its journal until the next one, so that a display that comes later sees it, too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench.build.engine import Engine
from workbench.build.events import BuildEvent, BuildFinished, BuildStarted
from workbench.build.format import human_age, human_duration
from workbench.build.loop import LiveLoop, LoopState
from workbench.build.progress import BuildProgress
from workbench.build.request import BuildRequest
from workbench.build.turns import WAITING
from workbench.engines.owner.journal import Journal, Left, Span
from workbench.engines.owner.settings import Engines, MakeEngine, Settings

Remember = Callable[[BuildRequest, BuildProgress, int, Engine, Awaitable[tuple[str | None, str]]], Awaitable[None]]
"""Keeps the record of a finished build of a revision: by which engine, and what it was made from. Raises OSError."""


class Builds:
    """Owns the loop. `tell` gets each message for the displays, in order; `attached` says how many there are."""

    def __init__(
        self,
        folder: Path,
        make_engine: MakeEngine,
        remember: Remember,
        tell: Callable[[dict[str, Any]], None],
        attached: Callable[[], int],
    ) -> None:
        self.settings: Settings | None = None
        self.seen = True
        """Whether somebody was attached when the last build ended."""
        self._folder = folder
        self._engines = Engines(make_engine, self._on_wait)
        self._remember = remember
        self._tell = tell
        self._attached = attached
        self._loop: LiveLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._journal: Journal | None = None
        self._troubled: Journal | None = None  # the one whose trouble was told
        self._left: tuple[Left, Span] | None = None
        self._progress = BuildProgress()
        self._request: BuildRequest | None = None
        self._records: set[asyncio.Future[None]] = set()
        self._asked = 0.0  # since the epoch, before the context was read for the last build
        self._flushing = False
        self._note = ""
        self.ended = asyncio.Event()
        """Set whenever a build ended: whoever waits for rest looks again."""

    # -- the loop

    @property
    def loop(self) -> LiveLoop:
        assert self._loop is not None, "only after `start`"
        return self._loop

    @property
    def started(self) -> bool:
        return self._loop is not None

    @property
    def idle(self) -> bool:
        """Nothing is built, and nothing is about to be."""
        return self._loop is None or self._loop.idle

    def start(self, settings: Settings, state: LoopState, *, build_first: bool, since: float | None) -> None:
        """Starts the loop where it takes up: in the state of a display whose owner died, or of a journal; `since` is
        then from when on nobody watched."""
        self.settings = settings
        engine = self._engines.enter(settings)
        self._loop = LiveLoop(
            engine,
            self._next_request,
            quiet=settings.config.quiet,
            watching=state.watching,
            on_focus=state.on_focus,
            on_event=self._on_event,
            on_state=self._on_state,
            own=(settings.config.store,),
        )
        self._loop.take_up(state)
        self._task = asyncio.create_task(self._loop.run(build_first=build_first, since=since), name="live loop")

    def take(self, left: Left) -> None:
        """Shows the build that an earlier owner left."""
        self._left = (left, Span(left.path.name, 0, left.path.stat().st_size))

    def _next_request(self) -> BuildRequest:
        """Called by the loop before each build. What a display brought along counts from the next build on."""
        assert self.settings is not None
        if self.loop.state.building is None:
            self.loop.engine = self._engines.enter(self.settings)
            self._request = self.settings.request
            self._asked = time.time()
        return self.settings.request

    async def stop(self) -> None:
        """Ends the loop and the engines; waits for the records of what was built, for which the loop is asked."""
        if self._records and self.idle:
            await asyncio.wait(self._records)
        if self._loop is not None and self._task is not None:
            await self._loop.stop()
            await asyncio.wait({self._task})
        if self._records:
            await asyncio.wait(self._records)
        self._flush()
        await self._engines.close()
        if self._journal is not None:
            self._journal.close(remove=self.seen)
        if self._left is not None and self.seen:
            self._left[0].path.unlink(missing_ok=True)

    # -- what it tells

    def present(self) -> list[dict[str, Any]]:
        """What a display is told first: the last build from its beginning, and the state."""
        self._flush()
        state = {"state": self._state(self.loop.state)}
        told = [state] if self.loop.state.building is not None else []
        if self._journal is not None:
            told.append(_span(self._journal.whole, self._journal.revision))
        elif self._left is not None:
            told.append(_span(self._left[1], self._left[0].revision))
        if self.loop.state.building is None:
            told.append(state)
        return told

    def _on_event(self, revision: int, event: BuildEvent) -> None:
        if isinstance(event, BuildStarted) or self._journal is None or self._progress.finished is not None:
            self._begin(revision)
        self._note = ""
        self._progress.apply(event)
        assert self._journal is not None
        self._journal.add(event)
        if isinstance(event, BuildFinished):
            self._flush()
            self.seen = self._attached() > 0
            self._keep(self._progress, revision)
        elif not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _begin(self, revision: int) -> None:
        self._flush()
        if self._journal is not None:
            self._journal.close(remove=True)
        if self._left is not None:
            self._left[0].path.unlink(missing_ok=True)
            self._left = None
        self._progress = BuildProgress()
        self._journal = Journal(self._folder, revision, at=self._asked)

    def _flush(self) -> None:
        self._flushing = False
        if self._journal is None:
            return
        span = self._journal.flush()
        if span is None:
            return
        self._tell(_span(span, self._journal.revision))
        if self._journal.name != span.name:  # who comes too late for the old one begins with the new one
            self._tell(_span(Span(self._journal.name, self._journal.size, self._journal.size), self._journal.revision))
        if self._journal.trouble and self._journal is not self._troubled:
            self._troubled = self._journal
            self._tell({"told": f"The build cannot be kept for who comes later: {self._journal.trouble}"})

    def _keep(self, progress: BuildProgress, revision: int) -> None:
        if self._request is not None:
            work = self._remember(self._request, progress, revision, self.loop.engine, self.loop.made_from())
            task = asyncio.create_task(self._told_if_lost(work), name="record of a build")
            self._records.add(task)
            task.add_done_callback(self._records.discard)

    async def _told_if_lost(self, work: Awaitable[None]) -> None:
        """A state folder that cannot be written is not worth a lost build."""
        try:
            await work
        except OSError as error:
            self._tell({"told": f"The build is not in the list of builds: {error.strerror or error}"})

    def _on_state(self, state: LoopState) -> None:
        self._flush()
        self._tell({"state": self._state(state)})
        if state.building is None:
            self.ended.set()

    def _on_wait(self) -> None:
        self._note = WAITING
        self._tell({"state": self._state(self.loop.state)})

    def _state(self, state: LoopState) -> LoopState:
        return replace(state, notice=self._note) if self._note else state


def _span(span: Span, revision: int) -> dict[str, Any]:
    return {"journal": span.name, "from": span.start, "to": span.end, "text": span.text, "revision": revision}


def state_after(left: Left, state: LoopState) -> LoopState:
    """That of a display which has not seen the end of the build that an earlier owner left: revisions go on from its
    own."""
    outcome, revision = left.finished.outcome, left.revision
    built = revision if outcome == "succeeded" else state.built
    return replace(state, saved=max(state.saved, revision), built=built, ended=revision, outcome=outcome)


def told_of(finished: BuildFinished) -> str:
    """What a person is told of a build that ended while nobody was attached."""
    if finished.lost:
        return f"The last build here was cut off: {finished.error}"
    names = ", ".join(finished.tags)
    how = f"succeeded as {names}" if finished.outcome == "succeeded" and names else finished.outcome
    after = human_duration(finished.seconds)
    return f"While nobody was attached the build {how}, {human_age(time.time() - finished.at)}, after {after}"
