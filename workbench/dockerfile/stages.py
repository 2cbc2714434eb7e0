"""Stages: what a FROM begins, what a target needs, and which variables a FROM may use."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from workbench.dataclass import dataclass
from workbench.dockerfile.instructions import Arg, Copy, From, Instruction, Onbuild, Run
from workbench.dockerfile.nodes import Range
from workbench.dockerfile.suggest import did_you_mean
from workbench.dockerfile.words import WordError, process_word
from workbench.errors import DockerfileError, UsageError

if TYPE_CHECKING:
    from workbench.dockerfile.document import Dockerfile


Triggers = Callable[[str], Sequence[Instruction]]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage. `instructions` does not have the FROM, which is `base`."""

    index: int
    name: str
    base: From
    instructions: tuple[Instruction, ...]

    @property
    def range(self) -> Range:
        last = (self.instructions or (self.base,))[-1].range
        return Range(self.base.range.start_line, self.base.range.start_column, last.end_line, last.end_column)


def split_stages(instructions: Sequence[Instruction]) -> tuple[tuple[Arg, ...], tuple[Stage, ...]]:
    """The ARGs before the first FROM, and the stages."""
    starts = [index for index, instruction in enumerate(instructions) if isinstance(instruction, From)]
    first = starts[0] if starts else len(instructions)
    stages: list[Stage] = []
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(instructions)], strict=True)):
        base = instructions[start]
        assert isinstance(base, From)
        stages.append(Stage(number, base.name, base, tuple(instructions[start + 1 : end])))
    return tuple(arg for arg in instructions[:first] if isinstance(arg, Arg)), tuple(stages)


def find_stage(dockerfile: Dockerfile, target: str | None) -> Stage:
    """The stage of that name (case does not matter) or number; the last one without a target. Raises UsageError."""
    if not target:
        return dockerfile.stages[-1]
    stage = _named(dockerfile.stages, target)
    if stage is None:
        names = [stage.name for stage in dockerfile.stages if stage.name]
        raise UsageError(
            f'target stage "{target}" could not be found{did_you_mean(target, names)}',
            hint=f"Stages: {', '.join(names)}."
            if names
            else "No stage has a name; they can be given by number, from 0.",
        )
    return stage


def needed_stages(
    dockerfile: Dockerfile,
    target: str | None,
    build_args: Mapping[str, str] | None = None,
    *,
    predefined: Mapping[str, str] | None = None,
    replaced: Container[str] = (),
    triggers: Triggers | None = None,
) -> tuple[int, ...]:
    """The indexes of the stages that the target is made of, itself included, in order. Raises UsageError.
    `predefined` is as in `global_environment`; `replaced` are names of stages, in lower case, in whose place a named
    context stands; `triggers` gives the ONBUILD triggers of an image, which may speak of stages too.

    BuildKit builds only these. The classic builder builds every stage up to the target.
    """
    env = global_environment(dockerfile, build_args or {}, predefined)
    wanted = [find_stage(dockerfile, target).index]
    needed: set[int] = set()
    while wanted:
        index = wanted.pop()
        if index not in needed:
            needed.add(index)
            found = stage_dependencies(dockerfile, dockerfile.stages[index], env, triggers)
            wanted += [one for one in found if dockerfile.stages[one].name not in replaced]
    return tuple(sorted(needed))


def build_steps(dockerfile: Dockerfile, indexes: Iterable[int]) -> tuple[Instruction, ...]:
    """What "Step 1/4" counts: the ARGs before the first FROM, then each of these stages, its FROM included."""
    staged = (dockerfile.stages[index] for index in indexes)
    return (*dockerfile.global_args, *(step for stage in staged for step in (stage.base, *stage.instructions)))


def stage_dependencies(
    dockerfile: Dockerfile, stage: Stage, env: Mapping[str, str], triggers: Triggers | None = None
) -> tuple[int, ...]:
    """The earlier stages that a stage's FROM, COPY --from and RUN --mount=from= speak of."""
    earlier = dockerfile.stages[: stage.index]
    try:
        base = process_word(stage.base.image, env, dockerfile.escape)
    except WordError:  # says so when the stage is built
        base = ""
    found = [_named(earlier, base, numbers=False)]
    inherited = triggers(base) if triggers is not None and found == [None] else ()
    for instruction in (*inherited, *stage.instructions):
        it = instruction.trigger if isinstance(instruction, Onbuild) else instruction
        if isinstance(it, Copy) and it.from_:
            found.append(_named(earlier, it.from_))
        elif isinstance(it, Run):
            found += [_named(earlier, mount.from_) for mount in it.mounts if mount.from_]
    return tuple(dict.fromkeys(stage.index for stage in found if stage is not None))


def base_stage(dockerfile: Dockerfile, index: int, image: str) -> Stage | None:
    """The earlier stage that the FROM of stage `index` stands on, given its image with variables filled in."""
    return _named(dockerfile.stages[:index], image, numbers=False)


def source_stage(dockerfile: Dockerfile, index: int, source: str) -> Stage | None:
    """The earlier stage that `COPY --from=source` in stage `index` means, None where it is an image."""
    return _named(dockerfile.stages[:index], source)


def global_environment(
    dockerfile: Dockerfile, build_args: Mapping[str, str], predefined: Mapping[str, str] | None = None
) -> dict[str, str]:
    """What `FROM` may use: the ARGs before it, each seeing those above, a build argument in place of its default.

    `predefined` are the platform variables, where the engine has them. Raises DockerfileError.
    """
    env = dict(predefined or {})
    for arg in dockerfile.global_args:
        for name, default in arg.pairs:
            if name in build_args:
                env[name] = build_args[name]
            elif default is not None:
                try:
                    env[name] = process_word(default, env, dockerfile.escape)
                except WordError as error:
                    raise DockerfileError(arg.line, arg.range.start_column, str(error), path=dockerfile.path) from error
    return env


def _named(stages: Sequence[Stage], name: str, *, numbers: bool = True) -> Stage | None:
    if numbers and name.isascii() and name.isdecimal():
        index = int(name[:9])
        return stages[index] if index < len(stages) else None
    wanted = name.lower()
    return next((stage for stage in reversed(stages) if stage.name and stage.name == wanted), None)
