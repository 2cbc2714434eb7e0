"""A Dockerfile as BuildKit builds it: its steps, and which of them a vertex such as `[build 2/4] RUN make` is.

BuildKit builds only the stages that the target needs. It counts, per stage, what touches files: FROM (unless it is
`scratch` or a stage), RUN, COPY, ADD and WORKDIR; the rest has no vertex. Source: moby/buildkit,
frontend/dockerfile/dockerfile2llb/convert.go (toDispatchState, prefixCommand).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType

from workbench.build.events import PlannedStep
from workbench.build.platforms import asked_platform, platform_arguments
from workbench.dataclass import dataclass
from workbench.dockerfile import Dockerfile, Instruction, find_stage
from workbench.dockerfile.instructions import Copy, From, Run, Transfer
from workbench.dockerfile.stages import Stage, base_stage, global_environment, needed_stages
from workbench.dockerfile.words import WordError, process_word

_COUNTED = frozenset({"RUN", "COPY", "ADD", "WORKDIR"})
_VERTEX = re.compile(r"\[(?:\S+/\S+ )?(?:(\S+) +)? *(\d+)/(\d+)\] (.*)", re.DOTALL)
_METADATA = re.compile(r"\[internal\] load metadata for (\S+)")


@dataclass(frozen=True, slots=True)
class Numbered:
    """`[build 2/4] RUN make`: stage (lower-case, empty where there is but one), number, total, keyword."""

    stage: str
    number: int
    total: int
    keyword: str


def read_number(vertex: str) -> Numbered | None:
    """What the name of a vertex says; None where it is no instruction's."""
    found = _VERTEX.fullmatch(vertex)
    if found is None:
        return None
    return Numbered((found[1] or "").lower(), int(found[2]), int(found[3]), found[4].partition(" ")[0].upper())


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage that is built. Step numbers are those of the whole build."""

    shown: str
    """As vertices call it: its name, or `stage-1`; empty where it is the only one, which some engines name."""
    steps: tuple[int, ...]
    counted: tuple[int, ...]
    """The steps that have a vertex, in BuildKit's order."""
    image: str
    """What FROM stands on, variables filled in; empty for `scratch` and for a stage."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in order; numbers count from 1."""

    steps: tuple[PlannedStep, ...]
    keywords: tuple[str, ...]
    stages: tuple[StagePlan, ...]
    target: str = ""
    uses_context: bool = True
    """Whether a step reads files of the build context."""
    _stage_of: dict[int, StagePlan] = field(default_factory=dict)

    def keyword(self, step: int) -> str:
        return self.keywords[step - 1]

    def counts(self, step: int) -> bool:
        """Whether the step touches files, and so could have been built."""
        return self.keyword(step) in _COUNTED

    def before(self, step: int) -> tuple[int, ...]:
        """The steps of the same stage that come before; the ARGs before the first FROM come before everything."""
        stage = self._stage_of.get(step)
        own = tuple(it for it in stage.steps if it < step) if stage else ()
        return (*(it for it in range(1, len(self.steps) + 1) if it not in self._stage_of and it < step), *own)

    def find(self, vertex: str, last: Mapping[str, int] = MappingProxyType({})) -> int | None:
        """The step that a vertex of that name is; None for what is no step (`[internal] load build context`).

        `last` has the highest number that was seen of each stage: engines count the triggers of a base image, and not
        all do so in the total.
        """
        if found := _METADATA.fullmatch(vertex):
            return self._from(found[1])
        numbered = read_number(vertex)
        if numbered is None:
            return None
        for stage in self.stages:
            if stage.shown in ("", numbered.stage) or not numbered.stage:
                return self._in_stage(stage, numbered, max(numbered.total, last.get(numbered.stage, 0)))
        return None

    def _in_stage(self, stage: StagePlan, numbered: Numbered, total: int) -> int:
        """Triggers of the base image (ONBUILD) are counted behind FROM, and belong to it."""
        triggers = max(0, total - len(stage.counted))
        at = numbered.number - 1
        if at and triggers:
            at = max(0, at - triggers)
        step = stage.counted[at] if at < len(stage.counted) else stage.steps[0]
        return step if self.keyword(step) == numbered.keyword else stage.steps[0]

    def _from(self, reference: str) -> int | None:
        for stage in self.stages:
            if stage.image and familiar(stage.image) == familiar(reference):
                return stage.steps[0]
        return None


def make_plan(
    dockerfile: Dockerfile, target: str | None, build_args: Mapping[str, str | None], platform: str | None = None
) -> Plan:
    """`platform` is what `--platform` says. Raises UsageError for a target that does not exist, DockerfileError for a
    global ARG that cannot be filled in."""
    given = {name: os.environ.get(name, "") if value is None else value for name, value in build_args.items()}
    last = find_stage(dockerfile, target)
    predefined = platform_arguments(asked_platform(platform))
    env = global_environment(dockerfile, given, predefined)
    steps: list[PlannedStep] = []
    keywords: list[str] = []
    stages: list[StagePlan] = []

    def add(instruction: Instruction, stage: str) -> int:
        number = len(steps) + 1
        steps.append(PlannedStep(number, instruction.original.strip(), instruction.line, instruction.end_line, stage))
        keywords.append(instruction.keyword)
        return number

    for arg in dockerfile.global_args:
        add(arg, "")
    uses_context = False
    for index in needed_stages(dockerfile, target, given, predefined=predefined):
        stage = dockerfile.stages[index]
        numbers = [add(it, stage.name) for it in (stage.base, *stage.instructions)]
        image = _image(dockerfile, stage, env)
        counted = [number for number in numbers[1:] if keywords[number - 1] in _COUNTED]
        counted = [numbers[0], *counted] if image else counted
        stages.append(StagePlan(_shown(dockerfile, stage), tuple(numbers), tuple(counted), image))
        uses_context = uses_context or any(map(_reads_context, stage.instructions))
    return Plan(
        tuple(steps), tuple(keywords), tuple(stages), (last.name or target or "") if target else "", uses_context,
        {number: stage for stage in stages for number in stage.steps},
    )  # fmt: skip


def familiar(reference: str) -> str:
    """`docker.io/library/busybox:latest` as `busybox:latest`: one text for one image."""
    name, at, digest = reference.partition("@")
    for prefix in ("index.docker.io/", "docker.io/", "library/"):
        name = name.removeprefix(prefix)
    if at:
        return f"{name}@{digest}"
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"


def _shown(dockerfile: Dockerfile, stage: Stage) -> str:
    if len(dockerfile.stages) == 1:
        return ""
    return stage.name or f"stage-{stage.index}"


def _image(dockerfile: Dockerfile, stage: Stage, env: Mapping[str, str]) -> str:
    base: From = stage.base
    try:
        image = process_word(base.image, env, dockerfile.escape)
    except WordError:  # the engine says so
        image = base.image
    if image == "scratch" or base_stage(dockerfile, stage.index, image) is not None:
        return ""
    return image


def _reads_context(instruction: Instruction) -> bool:
    if isinstance(instruction, Run):
        return any(mount.type == "bind" and not mount.from_ for mount in instruction.mounts)
    if isinstance(instruction, Copy) and instruction.from_:
        return False
    return isinstance(instruction, Transfer) and len(instruction.heredocs) < len(instruction.sources)
