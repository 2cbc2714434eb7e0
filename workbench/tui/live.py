"""The live loop as the screen sees it: events folded into progress, and the screen told a few times a
second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message
from textual.widget import Widget

from workbench.build.events import BuildEvent, BuildFinished, BuildStarted
from workbench.build.format import human_duration, human_size
from workbench.build.loop import LiveLoop, LoopState, Mode
from workbench.build.progress import BuildProgress, StepState
from workbench.tui.widgets.build_text import SIGNS
from workbench.tui.widgets.marks import Mark

if TYPE_CHECKING:
    from workbench.build.engine import Engine
    from workbench.build.history import Record
    from workbench.build.loops import Loop, MakeLoop
    from workbench.build.request import BuildRequest
    from workbench.config import Config

PER_SECOND = 12
_RECORDS = 20
"""Earlier builds whose times count: a step that was reused since has its time in an older one."""


class Live:
    """Owns the loop and what it told. `target` gets the messages; every method belongs to the screen's thread."""

    class Moved(Message):
        """The running build, or the one that just ended (`finished`), has more to show."""

        def __init__(self, finished: BuildFinished | None) -> None:
            super().__init__()
            self.finished = finished

    class StateChanged(Message):
        """The loop's state is another: see `Live.state`; `before` is the one that was told last."""

        def __init__(self, before: LoopState, state: LoopState) -> None:
            super().__init__()
            self.before = before
            self.state = state

    class Told(Message):
        """Something that a person should know: a build that went on meanwhile, an owner of another version."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(
        self,
        target: Widget,
        engine: Engine,
        make_request: Callable[[], BuildRequest],
        config: Config,
        *,
        mode: Mode,
        make_loop: MakeLoop | None = None,
    ) -> None:
        self.progress = BuildProgress()
        self.revision = 0
        """The revision that `progress` is of; 0 before the first build."""
        self.before: dict[str, float] = {}
        """Seconds that each step took when it last ran before this build, by its text."""
        self._past: Sequence[Record] = ()  # builds of earlier runs, newest first
        self._done: dict[str, float] = {}  # what was built meanwhile
        self._target = target
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0
        self._make_request = make_request
        self._config = config
        self.loop: Loop = (make_loop or LiveLoop)(
            engine,
            make_request,
            quiet=config.quiet,
            watching=mode != "off",
            on_focus=mode == "focus",
            on_event=self._on_event,
            on_state=self._on_state,
            own=(config.store,),
            on_told=self._on_told,
        )
        self._told = self.loop.state

    @property
    def state(self) -> LoopState:
        return self.loop.state

    @property
    def running(self) -> bool:
        return self.loop.state.building is not None

    @property
    def other_engine(self) -> str:
        """The engine of the build that is shown, where another workbench on this context chose another one; "" else."""
        other = self.loop.outlives and self.progress.engine != self.loop.engine.name
        return self.progress.engine if other else ""

    def _on_event(self, revision: int, event: BuildEvent) -> None:
        if isinstance(event, BuildStarted):
            self._done |= {it.text: it.seconds or 0.0 for it in self.progress if it.status == "done"}
            self.progress = BuildProgress()
            self.revision = revision
            self._look_back(event.at)
        self.progress.apply(event)
        if isinstance(event, BuildFinished):
            self._flush(event)
            if not self.loop.keeps_records:
                self._target.run_worker(
                    self._remember(self.progress, revision, self.loop.made_from()), group="history",
                    exit_on_error=False, description="keep the record of a finished build",
                )  # fmt: skip
        elif self._timer is None:
            wait = max(0.0, self._last + 1 / PER_SECOND - time.monotonic())
            # A timer of Textual's fires never where it has nothing to wait for (8.2.8, Timer._run divides by that).
            self._timer = asyncio.get_running_loop().call_later(wait, self._flush)

    def _flush(self, finished: BuildFinished | None = None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._last = time.monotonic()
        self._target.post_message(self.Moved(finished))

    async def _remember(
        self, progress: BuildProgress, revision: int, made_from: Awaitable[tuple[str | None, str]]
    ) -> None:
        from workbench.build.history import Bounds
        from workbench.build.keeping import keep

        request = self._make_request()
        await keep(request, progress, self.loop.engine, made_from, revision=revision, bounds=Bounds.of(self._config))

    async def remember_times(self) -> None:
        """Takes the times of earlier builds from their records; what was built meanwhile counts more."""
        context = self._make_request().context
        if context is not None:
            self._past = await asyncio.to_thread(_records, context)
            self._look_back(self.progress.started or time.time())

    def _look_back(self, until: float) -> None:
        """What ended after that moment is the build that is shown, or one that another process made since."""
        self.before = {
            step.text: step.seconds
            for record in reversed(self._past)
            if record.when <= until
            for step in record.steps
            if not step.cached and not step.failed
        } | self._done

    def _on_told(self, text: str) -> None:
        self._target.post_message(self.Told(text))

    def _on_state(self, state: LoopState) -> None:
        before, self._told = self._told, state
        self._target.post_message(self.StateChanged(before, state))


def _records(context: Path) -> Sequence[Record]:
    from workbench.build.history import History

    return History().list(context, limit=_RECORDS)


def mark_of(step: StepState, now: float) -> Mark:
    """What the editor's gutter says beside a step's instruction."""
    word = more = ""
    if step.status == "cached":
        word = "cached"
    elif step.status == "failed":
        word, more = "failed", human_duration(step.seconds) if step.seconds is not None else ""
    elif step.status == "running" and step.started is not None:
        word = human_duration(now - step.started)
    elif step.status == "done":
        word = human_duration(step.seconds or 0.0)
        if step.bytes:
            word, more = f"+{human_size(step.bytes)}", word
    return Mark(step.status, SIGNS[step.status], word, more)


def marks_of(progress: BuildProgress, now: float) -> dict[int, Mark]:
    """By line. Where several steps share a line (ONBUILD), the one that ran last counts."""
    return {step.line: mark_of(step, now) for step in progress if step.line > 0}
