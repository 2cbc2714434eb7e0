"""How long a running build may take, by how long its steps took when they last ran."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.build.by_stage import StageGroup, stages_of, taken_from
from workbench.build.progress import BuildProgress, StepState
from workbench.dataclass import dataclass

_ONE_AFTER_THE_OTHER = "docker"
"""Docker's classic builder takes the stages in turn; the others build them side by side."""

_NO_TIME = 0.05
"""Seconds that are shown as none."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds, of the whole build from its start."""

    seconds: float
    whole: bool
    """False where a step that runs or is to come has never run before: it takes that long at least."""


def seconds_of(step: StepState, now: float) -> float | None:
    """How long a step took, or has been running; None where it never began."""
    if step.status == "running" and step.started is not None:
        return max(0.0, now - step.started)
    return step.seconds


def estimate(progress: BuildProgress, before: Mapping[str, float], now: float) -> Estimate | None:
    """What the running build takes in all. `before` has the seconds of each step's last run, by its text. None where
    that says nothing: no step to come ever ran, or all that run are overdue and the rest takes no time."""
    if progress.started is None or progress.finished is not None:
        return None
    groups = list(stages_of(list(progress)))
    left = [_left(group, before, now) for group in groups]
    in_turn = progress.engine == _ONE_AFTER_THE_OTHER
    longest = sum(left) if in_turn else max(_ends(groups, left), default=0.0)
    if longest < _NO_TIME:
        return None
    to_come = [step for step in progress if step.status in ("pending", "running")]
    return Estimate(now - progress.started + longest, all(step.text in before for step in to_come))


def _left(group: StageGroup, before: Mapping[str, float], now: float) -> float:
    open_steps = (step for step in group.steps if step.status in ("pending", "running"))
    return sum(max(0.0, before.get(step.text, 0.0) - (seconds_of(step, now) or 0.0)) for step in open_steps)


def _ends(groups: list[StageGroup], left: list[float]) -> list[float]:
    """Seconds until each stage has ended: its own steps come after the stages that it takes from."""
    ends: list[float] = []
    known: dict[str, int] = {}
    stages = 0
    for index, group in enumerate(groups):
        takes = {name for step in group.steps for name in taken_from(step)}
        ends.append(left[index] + max((ends[known[name]] for name in takes if name in known), default=0.0))
        if group.name:
            known[group.name.lower()] = known[str(stages)] = index
            stages += 1
    return ends
