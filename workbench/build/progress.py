"""The only reducer: folds build events into what a display shows. No I/O, no clock of its own, no markup."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field, replace
from typing import Literal

from workbench.build.change import Change
from workbench.build.events import (
    BuildEvent,
    BuildFinished,
    BuildStarted,
    BuildWarning,
    ContainerAction,
    ContainerEvent,
    ContextSent,
    StepFinished,
    StepLog,
    StepProgress,
    StepStarted,
)
from workbench.build.log_text import LogText, Spill
from workbench.dataclass import dataclass

StepStatus = Literal["pending", "running", "done", "cached", "failed", "cancelled"]
BuildStatus = Literal["idle", "running", "succeeded", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class ContainerState:
    """An intermediate container: all that was told of it, in order."""

    id: str
    life: tuple[ContainerAction, ...]
    exit_code: int | None = None

    @property
    def action(self) -> ContainerAction:
        """The latest."""
        return self.life[-1]


@dataclass(frozen=True, slots=True)
class StepState:
    """One step as a display shows it. Replaced, never changed: compare by identity to see what moved."""

    step: int
    text: str
    line: int
    end_line: int
    stage: str = ""
    status: StepStatus = "pending"
    started: float | None = None
    seconds: float | None = None
    cached: bool = False
    error: str | None = None
    image: str = ""
    bytes: int | None = None
    why: tuple[Change, ...] = ()
    """Why it was not reused, where the engine said so."""
    containers: tuple[ContainerState, ...] = ()
    progress: StepProgress | None = None


@dataclass(slots=True)
class BuildProgress:
    """The state of one build. `apply` each event in order; read the fields; `logs[step]` is that step's log."""

    build: str = ""
    engine: str = ""
    status: BuildStatus = "idle"
    steps: dict[int, StepState] = field(default_factory=dict)
    logs: dict[int, LogText] = field(default_factory=dict)
    warnings: list[BuildWarning] = field(default_factory=list)
    started: float | None = None
    total: int = 0
    context: ContextSent | None = None
    finished: BuildFinished | None = None
    _spill: Spill = field(default_factory=Spill, repr=False, compare=False)

    def apply(self, event: BuildEvent) -> None:
        """Folds one event in. Unknown steps are created: an engine need not announce its plan."""
        match event:
            case BuildStarted():
                self.build, self.engine, self.status, self.started = (
                    event.build,
                    event.engine,
                    "running",
                    event.at,
                )
                for plan in event.steps:
                    self.steps[plan.step] = StepState(plan.step, plan.text, plan.line, plan.end_line, plan.stage)
                self.total = len(event.steps)
            case ContextSent():
                self.context = event
            case StepStarted():
                before = self.steps.get(event.step)
                self.steps[event.step] = StepState(
                    event.step, event.text, event.line, event.end_line, event.stage,
                    status="running", started=event.at, containers=before.containers if before else (),
                )  # fmt: skip
                self.total = max(self.total, event.total)
            case StepLog():
                log = self.logs.get(event.step)
                if log is None:
                    log = self.logs[event.step] = LogText(self._spill)
                log.append(event.text)
            case StepProgress():
                self._change(event.step, progress=event)
            case ContainerEvent():
                self._container(event)
            case StepFinished():
                status: StepStatus = "failed" if event.error is not None else "cached" if event.cached else "done"
                self._change(
                    event.step, status=status, seconds=event.seconds, cached=event.cached, error=event.error,
                    image=event.image, bytes=event.bytes, why=event.why, progress=None,
                )  # fmt: skip
            case BuildWarning():
                self.warnings.append(event)
            case BuildFinished():
                self._finish(event)

    def apply_all(self, events: Iterable[BuildEvent]) -> BuildProgress:
        """Folds all of them in, and returns itself: a recorded build becomes a state in one line."""
        for event in events:
            self.apply(event)
        return self

    def __iter__(self) -> Iterator[StepState]:
        """Steps in the order of their numbers."""
        return iter([self.steps[number] for number in sorted(self.steps)])

    @property
    def done(self) -> int:
        """Steps that ended well."""
        return sum(step.status in ("done", "cached") for step in self.steps.values())

    @property
    def current(self) -> StepState | None:
        """The running step with the lowest number, else the failed one, else None."""
        for wanted in ("running", "failed"):
            for step in self:
                if step.status == wanted:
                    return step
        return None

    @property
    def failed_step(self) -> StepState | None:
        """The step that ended the build, where one did."""
        return next((step for step in self if step.status == "failed"), None)

    def _change(self, number: int, **fields: object) -> None:
        step = self.steps.get(number) or StepState(number, "", 0, 0)
        self.steps[number] = replace(step, **fields)  # type: ignore[arg-type]

    def _container(self, event: ContainerEvent) -> None:
        step = self.steps.get(event.step) or StepState(event.step, "", 0, 0)
        known = {container.id: container for container in step.containers}
        before = known.get(event.container)
        code = event.exit_code if event.exit_code is not None else before.exit_code if before else None
        life = (*before.life, event.action) if before else (event.action,)
        known[event.container] = ContainerState(event.container, life, code)
        self.steps[event.step] = replace(step, containers=tuple(known.values()))

    def _finish(self, event: BuildFinished) -> None:
        self.finished = event
        self.status = event.outcome
        left: StepStatus = "failed" if event.outcome == "failed" else "cancelled"
        for number, step in list(self.steps.items()):
            if step.status == "running":
                status = left if event.step in (None, number) else "cancelled"
                seconds = event.at - step.started if step.started is not None else None
                self.steps[number] = replace(step, status=status, seconds=seconds, progress=None)
