"""What the next build will reuse, before it is started: for each step reuse, rerun with the reason, or unknown.

`foresee` is pure: it judges steps by what is known of earlier builds. The embedded engine knows better: it looks into
its own step cache.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import field
from typing import Literal

from workbench.build.change import Change
from workbench.build.step_records import KnownSteps
from workbench.build.steps import Step
from workbench.dataclass import dataclass

Verdict = Literal["reuse", "rerun", "unknown"]


@dataclass(frozen=True, slots=True)
class StepForecast:
    """One step as the next build will find it. `step` and `line` are those of StepStarted. A FROM and an ARG before
    the first FROM are always `reuse`, except where their image is not here."""

    step: int
    line: int
    verdict: Verdict
    why: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Forecast:
    """All steps, in order."""

    steps: tuple[StepForecast, ...] = ()

    @property
    def first(self) -> StepForecast | None:
        """The first step that the next build cannot reuse; None where it reuses all that is known."""
        return next((step for step in self.steps if step.verdict == "rerun"), None)


@dataclass(slots=True)
class _Stage:
    anew: int | None = None
    """The step since which everything is done again."""
    unsure: bool = False


@dataclass(slots=True)
class _Judge:
    known: KnownSteps
    no_cache: bool
    stages: dict[int, _Stage] = field(default_factory=dict)

    def judge(self, step: Step) -> StepForecast:
        stage = self.stages.setdefault(step.stage, _Stage())
        if step.manifest.keyword == "FROM" or step.stage < 0:
            below = [self.stages.get(index, _Stage()) for index in step.needs]
            stage.anew = next((it.anew for it in below), None)
            stage.unsure = any(it.unsure for it in below)
            return StepForecast(step.number, step.line, "reuse")
        verdict, why = self._verdict(step, stage)
        if step.counts and verdict == "rerun" and stage.anew is None:
            stage.anew = step.number
        stage.unsure = stage.unsure or (verdict == "unknown" and not step.firm)
        return StepForecast(step.number, step.line, verdict, why)

    def _verdict(self, step: Step, stage: _Stage) -> tuple[Verdict, tuple[Change, ...]]:
        if self.no_cache:
            return ("unknown", ()) if step.firm else ("rerun", (Change("no-cache"),))
        if stage.anew is not None and not step.apart:
            return "rerun", (Change("previous", str(stage.anew)),)
        for index, name in zip(step.needs, step.needed, strict=True):
            below = self.stages.get(index, _Stage())
            if below.anew is not None or below.unsure:
                return "unknown", (Change("stage", name),)
        if step.problem:
            return "unknown", ()
        if stage.unsure and not step.apart:
            return "unknown", ()
        return ("reuse", ()) if self.known.has(step) else ("rerun", self.known.why(step))


def foresee(
    steps: Iterable[Step], known: KnownSteps, *, no_cache: bool = False, fresh: Collection[int] = ()
) -> Forecast:
    """The verdict on each step. `fresh` are stages that are built without cache (`--no-cache-filter`)."""
    judge = _Judge(known, no_cache)
    found: list[StepForecast] = []
    for step in steps:
        judge.no_cache = no_cache or step.stage in fresh
        found.append(judge.judge(step))
    return Forecast(tuple(found))
