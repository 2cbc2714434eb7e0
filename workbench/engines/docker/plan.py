"""A Dockerfile as the classic builder counts it: `Step 3/8` -> the instruction, its lines and its stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from workbench.build.events import PlannedStep
from workbench.dataclass import dataclass
from workbench.dockerfile import Dockerfile, Instruction, find_stage

_UNKNOWN = PlannedStep(0, "", 0, 0)


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in order. A context that the engine fetches itself has none."""

    steps: tuple[PlannedStep, ...] = ()
    keywords: tuple[str, ...] = ()
    """The keyword of each step, upper-case."""
    instructions: tuple[Instruction, ...] = ()
    """Of the steps that are instructions of the Dockerfile, which come first."""
    target: str = ""
    """The name of the stage to stop at, as the engine wants it; empty for the last."""

    def at(self, step: int | None) -> PlannedStep:
        """The step of that number; one without lines where the plan does not know it."""
        return self.steps[step - 1] if step is not None and 0 < step <= len(self.steps) else _UNKNOWN

    def instruction(self, step: int | None) -> Instruction | None:
        return self.instructions[step - 1] if step is not None and 0 < step <= len(self.instructions) else None

    def keyword(self, step: int | None) -> str:
        return self.keywords[step - 1] if step is not None and 0 < step <= len(self.keywords) else ""


def make_plan(dockerfile: Dockerfile, target: str | None, labels: Mapping[str, str]) -> Plan:
    """Every stage up to the target is built, also what it does not need; ARG before the first FROM counts.

    Each label of the command line is a step of its own at the end, in the order of the keys, on no line. These are
    the rules of Docker 20.10's builder/dockerfile/builder.go. Raises UsageError for a target that does not exist.
    """
    last = find_stage(dockerfile, target)
    planned: list[tuple[Instruction, str]] = [(arg, "") for arg in dockerfile.global_args]
    for stage in dockerfile.stages[: last.index + 1]:
        planned += [(stage.base, stage.name), *((instruction, stage.name) for instruction in stage.instructions)]
    steps = [
        PlannedStep(number, it.original.strip(), it.line, it.end_line, stage)
        for number, (it, stage) in enumerate(planned, 1)
    ]
    keywords = [it.keyword for it, _ in planned]
    for number, text in enumerate(_label_texts(labels), len(steps) + 1):
        steps.append(PlannedStep(number, text, 0, 0, last.name))
        keywords.append("LABEL")
    return Plan(tuple(steps), tuple(keywords), tuple(it for it, _ in planned), (last.name or target) if target else "")


def _label_texts(labels: Mapping[str, str]) -> Iterator[str]:
    for key in sorted(labels):
        yield f"LABEL {key}={labels[key]}"
