"""The live loop: a change in the context becomes a revision, a revision becomes a build, and the last save always wins.

No display and no engine is known here. Builds of one loop never overlap: a change during a build cancels it, waits for
its last event, and starts anew. Nothing that an engine, a request or the watch raises ends the loop; it becomes part of
`LoopState`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workbench.build.engine import Build, Engine
from workbench.build.events import BuildEvent, BuildFinished, Outcome
from workbench.build.request import BuildRequest
from workbench.build.watching import LoadRules, Watch, Watcher, in_words
from workbench.config import data_dir, state_dir
from workbench.errors import EngineLost

_TURN = 0.01
"""Seconds of folding events after which others on the loop have their turn."""


@dataclass(frozen=True, slots=True)
class LoopState:
    """What a title line says. Revisions count from 1, the state that was found at the start."""

    watching: bool = True
    saved: int = 1
    """The revision on disk: every change of a file that matters makes a new one, watching or not."""
    building: int | None = None
    built: int | None = None
    """The newest revision of which there is an image."""
    ended: int | None = None
    """The revision whose build ended last, in whatever `outcome`."""
    outcome: Outcome | None = None
    """How `ended` ended; `failed` also where it could not start."""
    problem: str = ""
    """Why the last build could not start, or that its engine went away: one line for a person."""
    error: BaseException | None = None
    """The exception behind `problem`; a DockerfileError has line and column, a WorkbenchError a hint."""
    notice: str = ""
    """Trouble with watching (it polls, or it stopped). Builds are not affected."""
    changed: frozenset[str] = frozenset()
    """Paths, relative to the context, whose change made the revisions since the last build that ended."""


class LiveLoop:
    """Builds what `make_request` gives, asked anew for each build, whenever the context changes.

    Every method is called on the thread of the loop that runs `run`. `on_event` gets each event with the revision it
    belongs to; `on_state` each new state. Both are called synchronously, in order. `engine` may be replaced between
    builds.
    """

    outlives = False
    keeps_records = False

    def __init__(
        self,
        engine: Engine,
        make_request: Callable[[], BuildRequest],
        *,
        quiet: float = 0.05,
        watching: bool = True,
        watch: Watch | None = None,
        load_rules: LoadRules | None = None,
        own: Iterable[Path] = (),
        on_event: Callable[[int, BuildEvent], None] | None = None,
        on_state: Callable[[LoopState], None] | None = None,
        on_told: Callable[[str], None] | None = None,
    ) -> None:
        """What `on_told` would get is in `LoopState` here."""
        self.engine = engine
        self.on_event: Callable[[int, BuildEvent], None] = on_event or (lambda revision, event: None)
        self.on_state: Callable[[LoopState], None] = on_state or (lambda state: None)
        self.state = LoopState(watching=watching)
        self._make_request = make_request
        own = (*own, state_dir(), data_dir())
        self._watcher = Watcher(
            self._on_change, self._on_notice, quiet=quiet, watch=watch, load_rules=load_rules, own=own
        )
        self._build: Build | None = None
        self._wanted = False
        self._tried = 0  # the newest revision whose build ended by itself: watching need not try it again
        self._unbuilt: frozenset[str] = frozenset()
        self._wake = asyncio.Event()
        self._stopping = False
        self._over = asyncio.Event()
        self._over.set()

    async def run(self, *, build_first: bool = False) -> None:
        """Watches and builds until `stop`, once. Cancelling this coroutine cancels the build and waits for its end."""
        self._over.clear()
        self._wanted = self._wanted or build_first
        try:
            if (request := self._request()) is not None:
                await self._watcher.follow(request)
            while not self._stopping:
                if self._wanted:
                    await self._build_once()
                else:
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            await self._watcher.stop()
            self._over.set()

    def build_now(self) -> None:
        """Builds the context as it is, watching or not; a running build is cancelled first."""
        self._want()

    def cancel(self) -> None:
        """Cancels the running build and what waits behind it. The next change builds again."""
        self._wanted = False
        if self._build is not None:
            self._build.cancel()

    def set_watching(self, on: bool) -> None:
        """Off: changes are counted, and build nothing. On: builds at once where there is something unbuilt."""
        self._tell(watching=on, notice="" if on else self.state.notice)
        if on:
            self._watcher.revive()
            if self.state.saved > self._tried and self.state.building != self.state.saved:
                self._want()

    @property
    def idle(self) -> bool:
        """Nothing is built, and nothing is about to be."""
        return not self._wanted and self.state.building is None

    def take_up(self, state: LoopState) -> None:
        """Goes on from the state of another loop on the same context, before `run`. A revision that ended there need
        not be tried again; one that was being built counts as not built."""
        self.state = replace(state, building=None)
        self._tried = state.ended or 0 if state.outcome != "cancelled" else 0
        self._unbuilt = state.changed

    async def stop(self) -> None:
        """Cancels the build, ends the watch, and returns when nothing of either is left."""
        self._stopping = True
        self.cancel()
        self._watcher.release()
        self._wake.set()
        await self._over.wait()

    async def leave(self, *, dropped: bool = False) -> None:
        """`stop`: there is nobody to leave a build to."""
        await self.stop()

    def _want(self) -> None:
        self._wanted = True
        if self._build is not None:
            self._build.cancel()
        self._wake.set()

    def _on_change(self, paths: frozenset[str]) -> None:
        self._unbuilt |= paths
        self._tell(saved=self.state.saved + 1, changed=self._unbuilt)
        if self.state.watching:
            self._want()

    def _on_notice(self, notice: str, watching: bool) -> None:
        self._tell(notice=notice, watching=self.state.watching and watching)

    def _tell(self, **changes: Any) -> None:
        state = replace(self.state, **changes)
        if state != self.state:
            self.state = state
            self.on_state(state)

    def _request(self) -> BuildRequest | None:
        try:
            return self._make_request()
        except Exception as error:
            self._ended(self.state.saved, "failed", error)
            return None

    async def _build_once(self) -> None:
        request = self._request()
        if request is not None:
            await self._watcher.follow(request)
        wanted, self._wanted = self._wanted, False  # what came while the watch was set up is in this build
        if request is None or not wanted:
            return
        revision = self.state.saved
        try:
            finished = await self._follow_build(request, revision)
        except Exception as error:
            self._ended(revision, "failed", error)
        else:
            lost = EngineLost(finished.error or "the engine went away", hint=finished.hint) if finished.lost else None
            self._ended(revision, finished.outcome, lost)

    async def _follow_build(self, request: BuildRequest, revision: int) -> BuildFinished:
        build = self._build = self.engine.build(request)
        finished: BuildFinished | None = None
        try:
            self._tell(building=revision, problem="", error=None)
            rest = time.monotonic()
            async for event in build:
                if isinstance(event, BuildFinished):
                    finished = event
                self.on_event(revision, event)
                if time.monotonic() - rest > _TURN:
                    await asyncio.sleep(0)  # events that are all there already must not keep others from the loop
                    rest = time.monotonic()
        finally:
            await build.aclose()
            self._build = None
        if finished is None:
            raise RuntimeError("the engine ended a build without saying how")
        return finished

    def _ended(self, revision: int, outcome: Outcome, error: BaseException | None) -> None:
        if outcome != "cancelled":
            self._tried = revision
            if revision == self.state.saved:
                self._unbuilt = frozenset()
        self._tell(
            building=None,
            built=revision if outcome == "succeeded" else self.state.built,
            ended=revision,
            outcome=outcome,
            problem=in_words(error) if error is not None else "",
            error=error,
        )
