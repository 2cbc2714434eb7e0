"""The steps of a build by stage: which belong together, how far a stage is, and which stages it waits for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from workbench.build.progress import StepState, StepStatus
from workbench.build.text import one_line
from workbench.dataclass import dataclass

_FROM = re.compile(r"^FROM\s+(?:--\S+\s+)*(\S+)", re.IGNORECASE)
_TAKES = re.compile(r"(?:^(?:COPY|ADD)\b.*?\s--from=|\s--mount=\S*?\bfrom=)([^\s,]+)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class StageGroup:
    """The steps of one stage, in order. `name` is empty for ARG before the first FROM."""

    name: str
    steps: tuple[StepState, ...]

    @property
    def status(self) -> StepStatus:
        """The state of the stage as a whole: the worst that a step of it has; running only while a step of it is."""
        states = {step.status for step in self.steps}
        for status in ("failed", "cancelled", "running", "pending"):
            if status in states:
                return status
        return "cached" if states == {"cached"} else "done"

    @property
    def done(self) -> int:
        """Steps that ended well."""
        return sum(step.status in ("done", "cached") for step in self.steps)


def stages_of(steps: Sequence[StepState]) -> Iterator[StageGroup]:
    """The steps by stage. A FROM opens one; a stage without a name is called by its number, from 0, as COPY does."""
    group: list[StepState] = []
    name, stages = "", 0
    for step in steps:
        opens = step.text[:5].upper().split() == ["FROM"]
        if opens or (group and step.stage != group[-1].stage):
            if group:
                yield StageGroup(name, tuple(group))
            group = []
            name = one_line(step.stage) or f"stage {stages}"
            stages += 1
        group.append(step)
    if group:
        yield StageGroup(name, tuple(group))


def taken_from(step: StepState) -> frozenset[str]:
    """What the step's FROM, `--from=` and `--mount=from=` name, in lower case: stages, their numbers, or images."""
    names = [found.lower() for found in _TAKES.findall(step.text)]
    if base := _FROM.match(step.text):
        names.append(base[1].lower())
    return frozenset(names)
