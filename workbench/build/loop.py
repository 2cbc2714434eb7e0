"""The live loop: a change in the context becomes a revision, a revision becomes a build, and the last save always wins.

No display and no engine is known here. Builds of one loop never overlap: a change during a build cancels it where it
bears on the image, waits for its last event, and starts anew. Nothing that an engine, a request or the watch raises
ends the loop; it becomes part of `LoopState`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from workbench.build.engine import Build, Engine
from workbench.build.events import BuildEvent, BuildFinished, Outcome
from workbench.build.request import BuildRequest
from workbench.build.watching import LoadRules, Watch, Watcher, in_words
from workbench.config import data_dir, state_dir
from workbench.dataclass import dataclass
from workbench.errors import EngineLost

if TYPE_CHECKING:
    from workbench.build.bearing import Basis, Judge
    from workbench.context.watch import ContextChanged

_TURN = 0.01
"""Seconds of folding events after which others on the loop have their turn."""
_PATIENCE = 6
"""So many builds in a row that changes cancelled, each within `_SOON` of the one before: the next one is let end, or
something that never stops writing would keep every image away."""
_SOON = 2.5

Mode = Literal["on", "focus", "off"]
"""When a change is built: at once; when somebody looks (`attend`); when a build is asked for."""


@dataclass(frozen=True, slots=True)
class LoopState:
    """What a title line says. Revisions count from 1, the state that was found at the start."""

    watching: bool = True
    on_focus: bool = False
    """Whether changes wait until somebody looks; counts while `watching`."""
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
    spared: str = ""
    """Why the last change built nothing: one line for a person, until a build begins."""

    @property
    def mode(self) -> Mode:
        return "off" if not self.watching else "focus" if self.on_focus else "on"

    @property
    def settled(self) -> bool:
        """Whether the image is that of the revision on disk."""
        return self.building is None and self.outcome == "succeeded" and self.built == self.ended == self.saved


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
        on_focus: bool = False,
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
        self.state = LoopState(watching=watching, on_focus=on_focus)
        self._make_request = make_request
        own = (*own, state_dir(), data_dir())
        self._watcher = Watcher(
            self._on_change, self._on_notice, quiet=quiet, watch=watch, load_rules=load_rules, own=own
        )
        self._judge: Judge | None = None
        self._settling: asyncio.Task[None] | None = None
        self._build: Build | None = None
        self._last_end: float | None = 0.0  # None while a build runs
        self._stands_for = 0  # the newest revision whose image the running build makes
        self._cancels: list[float] = []  # when changes cancelled builds of which none has ended since
        self._done = asyncio.Event()  # the build that began last has ended
        self._done.set()
        self._wanted = False
        self._tried = 0  # the newest revision whose build ended by itself: watching need not try it again
        self._unbuilt: frozenset[str] = frozenset()
        self._wake = asyncio.Event()
        self._stopping = False
        self._over = asyncio.Event()
        self._over.set()

    async def run(self, *, build_first: bool = False, since: float | None = None) -> None:
        """Watches and builds until `stop`, once. Cancelling this coroutine cancels the build and waits for its end.
        What changed after the moment `since`, when nobody watched, counts as a change."""
        from workbench.build.bearing import Judge

        self._over.clear()
        self._judge = Judge()
        self._wanted = self._wanted or build_first
        try:
            if (request := self._request()) is not None:
                await self._watcher.follow(request)
                if since is not None:
                    await self._look_back(request, since)
            while not self._stopping:
                if self._wanted:
                    await self._build_once()
                else:
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            await self._watcher.stop()
            await self._judge.stop()
            self._done.set()
            self._over.set()

    async def _look_back(self, request: BuildRequest, since: float) -> None:
        from workbench.build.changed import changed_since

        if await asyncio.to_thread(changed_since, request, since):
            self._tell(saved=self.state.saved + 1)
            self._catch_up()

    def build_now(self) -> None:
        """Builds the context as it is, watching or not; a running build is cancelled first."""
        self._want()

    def build_next(self) -> None:
        """Builds the context as it is, after the build that runs."""
        self._want(cancel=False)

    def cancel(self) -> None:
        """Cancels the running build and what waits behind it. The next change builds again."""
        self._wanted = False
        if self._build is not None:
            self._build.cancel()

    def set_watching(self, on: bool) -> None:
        """Off: changes are counted, and build nothing. On: builds what is unbuilt, at once or when somebody looks."""
        self._tell(watching=on, notice="" if on else self.state.notice)
        if on:
            self._watcher.revive()
            self._catch_up()

    def set_mode(self, mode: Mode) -> None:
        """As `set_watching`; and whether changes wait until somebody looks."""
        self._tell(on_focus=mode == "focus" if mode != "off" else self.state.on_focus)
        self.set_watching(mode != "off")

    def attend(self) -> None:
        """Somebody looks: builds what waited for that."""
        if self.state.mode == "focus" and self._unbuilt_there:
            self._want()

    def made_from(self) -> Awaitable[tuple[str | None, str]]:
        """Of the build that began last: the Dockerfile's text (None where it could not be read), and the digest of the
        context ("" where it changed meanwhile, or is too large to be read for that). Waits until they are known."""
        return self._made_from(self._judge, self._judge.basis if self._judge else None, self._done)

    async def _made_from(
        self, judge: Judge | None, basis: Awaitable[Basis] | None, done: asyncio.Event
    ) -> tuple[str | None, str]:
        if judge is None or basis is None:
            return None, ""
        text = (await basis).text
        await done.wait()
        if self._settling is not None:
            await asyncio.wait({self._settling})
        return text, await asyncio.to_thread(judge.digest) if self._done is done else ""

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

    def _want(self, *, cancel: bool = True) -> None:
        """One more build. What runs is cancelled, or ends first."""
        self._wanted = True
        if self._build is not None and cancel:
            self._build.cancel()
        self._wake.set()

    @property
    def _unbuilt_there(self) -> bool:
        return self.state.saved > self._tried and self.state.building != self.state.saved

    def _catch_up(self) -> None:
        if self.state.mode == "on" and self._unbuilt_there:
            self._want()

    async def _on_change(self, change: ContextChanged) -> None:
        """A change that bears on the image is built, now or afterwards; of any other it is said that it does not."""
        from workbench.build import bearing

        assert self._judge is not None, "changes are told while the loop runs"
        found = await self._judge.judge(change, last_end=self._last_end)
        running, before = self.state.building is not None, self.state
        told = bearing.in_words(found, change.paths)
        if found.kind == "nothing" and found.certain and before.settled:
            self._tell(spared=told)
            return
        self._unbuilt |= change.paths
        saved = before.saved + 1
        if found.kind == "context" and found.certain and before.settled:
            self._tried = saved
            self._tell(saved=saved, built=saved, ended=saved, changed=self._unbuilt, spared=told)
            self._settle()
            return
        if found.kind == "context" and found.certain and running and self._stands_for == before.saved:
            self._stands_for = saved
            self._tell(saved=saved, changed=self._unbuilt, spared=told)
            return
        self._tell(saved=saved, changed=self._unbuilt)
        if self.state.mode == "on":
            self._want(cancel=found.kind == "image" and (self._build is None or not self._hurried()))

    def _hurried(self) -> bool:
        """Whether changes come so steadily that no build would ever end."""
        now = time.monotonic()
        recent = self._cancels[-1:] and now - self._cancels[-1] < _SOON
        self._cancels = [*self._cancels, now] if recent else [now]
        return len(self._cancels) > _PATIENCE

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
        revision = self._stands_for = self.state.saved
        assert self._judge is not None, "builds are made while the loop runs"
        self._judge.begin(request, self.engine)
        self._last_end, self._done = None, asyncio.Event()
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
            self._tell(building=revision, problem="", error=None, spared="")
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
        self._last_end = time.monotonic()
        if outcome != "cancelled":
            revision = max(revision, self._stands_for)
            self._tried = revision
            self._cancels.clear()
            if revision == self.state.saved:
                self._unbuilt = frozenset()
            self._settle()
        self._done.set()
        self._tell(
            building=None,
            built=revision if outcome == "succeeded" else self.state.built,
            ended=revision,
            outcome=outcome,
            problem=in_words(error) if error is not None else "",
            error=error,
        )

    def _settle(self) -> None:
        """Looks at the context while nothing happens, for the next change to be judged by."""
        if self._judge is not None:
            self._settling = asyncio.create_task(self._judge.settle(), name="settle")
