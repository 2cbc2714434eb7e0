"""The stages of a build: what FROM begins, what an instruction may copy from, and each step done by its number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

from workbench.build.arguments import BuildArguments
from workbench.build.change import Change
from workbench.build.events import PlannedStep, StepLog
from workbench.build.platforms import Platform, platform_arguments
from workbench.dataclass import dataclass
from workbench.dockerfile import Stage, base_stage, expand, global_environment, parse_trigger, source_stage
from workbench.dockerfile.stages import stage_dependencies
from workbench.engines.embedded.bases import Bases
from workbench.engines.embedded.contexts import known_as
from workbench.engines.embedded.messages import StepFailed
from workbench.engines.embedded.refusals import refuse
from workbench.engines.embedded.state import ImageState
from workbench.engines.embedded.step import StageBuild
from workbench.engines.embedded.tools import NotForeseen, Tools
from workbench.engines.embedded.trees import ImageTree, Tree


@dataclass(frozen=True, slots=True)
class Outcome:
    """What StepFinished says."""

    cached: bool = False
    image: str = ""
    bytes: int | None = None
    why: tuple[Change, ...] = ()


@dataclass(slots=True)
class Stages:
    """Of one build. Different stages may be worked on from different threads, one stage from one at a time."""

    tools: Tools
    bases: Bases
    done: dict[int, StageBuild] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    """Build arguments that something asked for."""
    unforeseen: set[int] = field(default_factory=set)
    """In a forecast: stages whose files are not known."""
    wait_for: Callable[[int], None] = lambda index: None
    """Called before a stage is asked for its files: returns when it is done. Raises what kept it from that."""

    def below(self, stage: Stage) -> Stage | None:
        """The stage that its FROM names, None where that is an image. Raises StepFailed."""
        return self._base_stage(stage, self._base_name(stage))

    def needs(self) -> dict[int, tuple[int, ...]]:
        """Each stage that is built, with those that must be done before it, as far as the Dockerfile says."""
        plan = self.tools.plan
        env = self._global()
        return {stage.index: stage_dependencies(plan.dockerfile, stage, env) for stage in plan.stages}

    def steps(self, stage: Stage) -> list[PlannedStep]:
        """The steps of one stage, its FROM first."""
        plan = self.tools.plan
        return [plan.steps[plan.numbers[id(it)] - 1] for it in (stage.base, *stage.instructions)]

    def perform(self, stage: Stage, number: int) -> Outcome:
        """One step of it, by its number in the plan."""
        numbers = self.tools.plan.numbers
        for instruction in stage.instructions:
            if numbers[id(instruction)] == number:
                build = self.done[stage.index]
                cached = build.perform(instruction, number)
                return Outcome(cached, build.image_id, build.added, build.why)
        return self._from(stage, number)

    def label(self, number: int) -> Outcome:
        """A step that `--label` adds behind the last one."""
        plan = self.tools.plan
        build = self.done[plan.target.index]
        name, _, value = plan.steps[number - 1].text.removeprefix("LABEL ").partition("=")
        cached = build.label(number, name, self.tools.request.labels.get(name, value))
        return Outcome(cached, build.image_id, build.added, build.why)

    def _finished(self, stage: Stage) -> StageBuild:
        """A stage that is done. A trigger of a base image may speak of one that nobody knew to be needed."""
        self.wait_for(stage.index)
        found = self.done.get(stage.index)
        if stage.index in self.unforeseen:
            raise NotForeseen
        if found is None:
            raise StepFailed(
                f"stage {stage.name or stage.index} is needed by a trigger (ONBUILD) and is not built for this target",
                "Pull the base image first; its triggers are then known before the first step.",
            )
        return found

    # -- FROM ----------------------------------------------------------------------------------------------------

    def _from(self, stage: Stage, number: int) -> Outcome:
        name = self._base_name(stage)
        tree = self.tools.contexts.tree(name)
        earlier = self._base_stage(stage, name)
        triggers: list[str] = []
        parent = ""
        before = self._finished(earlier) if earlier is not None else None
        if before is not None:
            state, parent = before.state.begun(), before.parent
        elif name == "scratch" or tree is not None:
            state = ImageState.scratch(self._platform(stage))
        else:
            image = self.bases.get(self._image_name(name), number, self._platform(stage))
            state, parent = ImageState.of(image.config, image.layers), image.id
        triggers = list(state.config.pop("OnBuild", None) or [])
        build = StageBuild(self.tools, state, self._arguments(), parent, stage, self._source)
        build.image_id = build.untouched = parent
        if before is not None and earlier is not None:
            build.image_id, build.untouched = before.image_id, before.untouched
            build.anew = None if before.anew is None else earlier.name or str(earlier.index)
        else:
            build.base = name
        self.done[stage.index] = build
        if tree is not None:
            return Outcome(build.fill(tree, name), build.image_id, build.added, build.why)
        self._trigger(build, triggers, number)
        return Outcome(False, build.image_id, build.added, build.why)

    def _trigger(self, build: StageBuild, triggers: list[str], number: int) -> None:
        if not triggers:
            return
        word = "trigger" if len(triggers) == 1 else "triggers"
        self.tools.emit(StepLog(step=number, text=f"# Executing {len(triggers)} build {word}\n"))
        for text in triggers:
            for instruction in parse_trigger(text):
                refuse(instruction, self.tools.request.allow)
                build.perform(instruction, number)

    def _base_name(self, stage: Stage) -> str:
        env = self._global()
        base, used = expand(stage.base, env, self.tools.plan.dockerfile.escape)
        self.used |= used
        if not base.image:
            raise StepFailed(
                f"base name ({stage.base.image}) should not be blank",
                "Give its variable a value: ARG before the first FROM, or --build-arg.",
            )
        return base.image

    def _global(self) -> dict[str, str]:
        given = {name: value for name, value in self.tools.request.build_args.items() if value is not None}
        return global_environment(self.tools.plan.dockerfile, given, platform_arguments(self.tools.plan.platform))

    def _arguments(self) -> BuildArguments:
        given = {name: value for name, value in self.tools.request.build_args.items() if value is not None}
        names = [name for arg in self.tools.plan.dockerfile.global_args for name, _ in arg.pairs]
        self.used.update(names)
        env = self._global()
        platform = platform_arguments(self.tools.plan.platform)
        return BuildArguments(given, {name: env.get(name) for name in names}, platform, used=self.used)

    def _platform(self, stage: Stage) -> Platform | None:
        """What was asked for, on FROM or for the whole build."""
        plan = self.tools.plan
        return plan.platforms[stage.index] or (plan.platform if self.tools.request.platform else None)

    def _base_stage(self, stage: Stage, name: str) -> Stage | None:
        return (
            None
            if known_as(name) in self.tools.plan.contexts
            else base_stage(self.tools.plan.dockerfile, stage.index, name)
        )

    def _image_name(self, name: str) -> str:
        place = self.tools.plan.contexts.get(known_as(name))
        return name if place is None else place.text

    def _source(self, stage: Stage, name: str) -> Tree:
        """The files that COPY --from or RUN --mount=from= means."""
        tree = self.tools.contexts.tree(name)
        if tree is not None:
            return tree
        return ImageTree(self.tools.files.view(self._source_state(stage, name).layers, self.tools.scratch))

    def _source_state(self, stage: Stage, name: str) -> ImageState:
        named = known_as(name) in self.tools.plan.contexts
        earlier = None if named else source_stage(self.tools.plan.dockerfile, stage.index, name)
        if earlier is not None:
            return self._finished(earlier).state
        if name == "scratch":
            return ImageState.scratch()
        itself = (name.isdigit() and int(name) == stage.index) or (stage.name and name.lower() == stage.name)
        if itself and not named:
            raise StepFailed(f"invalid from flag value {name}: refers to current build stage")
        if name.isdigit() and not named:  # a number is always a stage's, also where an image's ID begins with it
            raise StepFailed(f"invalid from flag value {name}: index out of bounds", "Stages are counted from 0.")
        image = self.bases.get(self._image_name(name), self.done[stage.index].step, self._platform(stage))
        return ImageState.of(image.config, image.layers)

    def missing_base(self) -> tuple[PlannedStep, StepFailed] | None:
        """The first FROM whose image is not there, before any step was done for nothing."""
        for stage in self.tools.plan.stages:
            try:
                name = self._base_name(stage)
                place = self.tools.plan.contexts.get(known_as(name))
                is_image = name != "scratch" if place is None else place.kind == "image"
                if is_image and self._base_stage(stage, name) is None:
                    self.bases.look(self._image_name(name), self._platform(stage))
            except StepFailed as error:
                return self.tools.plan.steps[self.tools.plan.numbers[id(stage.base)] - 1], error
        return None
