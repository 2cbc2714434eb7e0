"""The steps of a build by stage: which belong together, how far a stage is, and which stages it waits for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from workbench.build.progress import StepState, StepStatus
from workbench.build.text import one_line
from workbench.dataclass import dataclass
from workbench.dockerfile.arguments import split_command
from workbench.dockerfile.mounts import MountError, parse_mount


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
    keyword, flags, rest = split_command(step.text, "\\")
    names: list[str] = []
    match keyword.upper():
        case "FROM":
            names = rest.split()[:1]
        case "COPY" | "ADD":
            names = [flag.removeprefix("--from=") for flag in flags if flag.startswith("--from=")]
        case "RUN":
            for flag in flags:
                if flag.startswith("--mount="):
                    with suppress(MountError):  # the engine says what is wrong with it
                        names.append(parse_mount(flag.removeprefix("--mount=")).from_)
    return frozenset(name.lower() for name in names if name)
