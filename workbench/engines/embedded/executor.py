"""One build from its first step to its image: the steps in order, each told as events."""

from __future__ import annotations

import secrets
import time
from contextlib import closing
from dataclasses import dataclass, field

from workbench.build.arguments import PREDEFINED, BuildArguments
from workbench.build.change import Change
from workbench.build.events import (
    BuildFinished,
    BuildStarted,
    BuildWarning,
    ContextSent,
    PlannedStep,
    StepFinished,
    StepLog,
    StepStarted,
)
from workbench.build.request import BuildRequest
from workbench.context.digest import DigestCache
from workbench.context.ignore import load_rules
from workbench.context.scan import Scan
from workbench.dockerfile import Stage, base_stage, expand, global_environment, parse_trigger, source_stage
from workbench.dockerfile import instructions as docker
from workbench.engines.embedded.bases import Bases
from workbench.engines.embedded.bwrap import ability
from workbench.engines.embedded.cache import StepCache
from workbench.engines.embedded.contexts import known_as
from workbench.engines.embedded.layer_files import LayerFiles
from workbench.engines.embedded.messages import StepFailed
from workbench.engines.embedded.plan import Plan
from workbench.engines.embedded.platforms import Platform, platform_arguments
from workbench.engines.embedded.refusals import refuse
from workbench.engines.embedded.registry.settings import Registries
from workbench.engines.embedded.run import Runner
from workbench.engines.embedded.state import ImageState
from workbench.engines.embedded.step import StageBuild
from workbench.engines.embedded.store import Store
from workbench.engines.embedded.tools import Tools, read_folder
from workbench.engines.embedded.trail import Trail
from workbench.engines.embedded.trees import ContextTree, ImageTree, Tree
from workbench.engines.worker import Cancel, Emit
from workbench.errors import StoreError, WorkbenchError


@dataclass(slots=True)
class Executor:
    """`run` emits everything from BuildStarted to BuildFinished. What keeps a build from starting is raised."""

    request: BuildRequest
    plan: Plan
    store: Store
    digests: DigestCache
    files: LayerFiles
    emit: Emit
    cancel: Cancel
    registries: Registries = field(default_factory=Registries)
    _bases: Bases = field(init=False)
    _step_number: int = 0
    _done: dict[int, StageBuild] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)
    _started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._bases = Bases(self.request, self.store, self.registries, self.emit, self.cancel)

    def run(self) -> None:
        found = self._scan()
        context = ContextTree(found, self.digests, self.cancel.check) if found is not None else None
        self.emit(BuildStarted(build=secrets.token_hex(8), engine="embedded", steps=self.plan.steps))
        if context is not None:
            self.emit(ContextSent(bytes=context.bytes, files=context.files))
        with self.store.keep(), self.store.temporary() as scratch:
            runner = Runner(self.store, scratch, ability, self.cancel)
            cache = StepCache(self.store)
            trail = Trail(self.store, cache, self.request)
            tools = Tools(
                self.request, self.plan, self.store, scratch, self.emit, self.cancel, cache, trail, self.files, runner,
                found, context, self.digests,
            )  # fmt: skip
            with closing(self._bases), closing(runner.guardian):
                try:
                    self._build(tools)
                finally:
                    trail.save()
        self.digests.save()

    def _scan(self) -> Scan | None:
        context = self.request.context
        if context is None:
            return None
        return read_folder(context, load_rules(context, self.request.dockerfile), self.cancel)

    # -- steps ---------------------------------------------------------------------------------------------------

    def _build(self, tools: Tools) -> None:
        step: PlannedStep | None = None
        try:
            missing = self._missing_base()
            for number, step in enumerate(self.plan.steps, 1):
                self.cancel.check()
                if missing is None:
                    self._step(tools, number, step)
                elif step == missing[0]:
                    self._begin(step)
                    raise missing[1]
            step = None
            self._finish()
        except StepFailed as error:
            self._failed(step, error.message, error.hint)
        except WorkbenchError as error:
            self.cancel.check()
            if isinstance(error, StoreError) and step is None:
                raise
            self._failed(step, str(error), error.hint)

    def _begin(self, step: PlannedStep) -> None:
        self.emit(
            StepStarted(
                step=step.step, total=len(self.plan.steps), text=step.text, line=step.line, end_line=step.end_line,
                stage=step.stage,
            )
        )  # fmt: skip

    def _step(self, tools: Tools, number: int, step: PlannedStep) -> None:
        self._begin(step)
        self._step_number = number
        before = time.monotonic()
        outcome = self._perform(tools, number)
        self.emit(
            StepFinished(
                step=number, cached=outcome.cached, seconds=time.monotonic() - before, image=outcome.image,
                bytes=outcome.bytes, why=outcome.why,
            )
        )  # fmt: skip

    def _perform(self, tools: Tools, number: int) -> Outcome:
        place = self._place(number)
        if place is None:
            return Outcome()
        stage, instruction = place
        if instruction is None:
            build = self._done[self.plan.target.index]
            name, _, value = self.plan.steps[number - 1].text.removeprefix("LABEL ").partition("=")
            cached = build.label(number, name, self.request.labels.get(name, value))
        elif isinstance(instruction, docker.From):
            return self._from(tools, stage, number)
        else:
            build = self._done[stage.index]
            cached = build.perform(instruction, number)
        return Outcome(cached, build.image_id, build.added, build.why)

    def _place(self, number: int) -> tuple[Stage, docker.Instruction | None] | None:
        """The stage and instruction of a step; None for an ARG before the first FROM."""
        for stage in self.plan.stages:
            for it in (stage.base, *stage.instructions):
                if self.plan.numbers.get(id(it)) == number:
                    return stage, it
        if number > len(self.plan.numbers):
            return self.plan.target, None
        return None

    # -- FROM ----------------------------------------------------------------------------------------------------

    def _from(self, tools: Tools, stage: Stage, number: int) -> Outcome:
        name = self._base_name(stage)
        tree = tools.contexts.tree(name)
        earlier = self._base_stage(stage, name)
        triggers: list[str] = []
        parent = ""
        if earlier is not None:
            before = self._done[earlier.index]
            state, parent = before.state.begun(), before.parent
        elif name == "scratch" or tree is not None:
            state = ImageState.scratch(self._platform(stage))
        else:
            image = self._bases.get(self._image_name(name), number, self._platform(stage))
            state, parent = ImageState.of(image.config, image.layers), image.id
        triggers = list(state.config.pop("OnBuild", None) or [])
        build = StageBuild(
            tools, state, self._arguments(), parent, stage, lambda stage, name: self._source(tools, stage, name)
        )
        build.untouched = parent if earlier is None else self._done[earlier.index].untouched
        build.base = name if earlier is None else ""
        if earlier is not None and self._done[earlier.index].anew is not None:
            build.anew = earlier.name
        if parent == "" and earlier is None:
            build.image_id = ""
        elif earlier is not None:
            build.image_id = self._done[earlier.index].image_id
        else:
            build.image_id = parent
        self._done[stage.index] = build
        if tree is not None:
            return Outcome(build.fill(tree, name), build.image_id, build.added, build.why)
        self._trigger(build, triggers, number)
        return Outcome(False, build.image_id, build.added, build.why)

    def _trigger(self, build: StageBuild, triggers: list[str], number: int) -> None:
        if not triggers:
            return
        word = "trigger" if len(triggers) == 1 else "triggers"
        self.emit(StepLog(step=number, text=f"# Executing {len(triggers)} build {word}\n"))
        for text in triggers:
            for instruction in parse_trigger(text):
                refuse(instruction, self.request.allow)
                build.perform(instruction, number)

    def _base_name(self, stage: Stage) -> str:
        env = self._global()
        base, used = expand(stage.base, env, self.plan.dockerfile.escape)
        self._used |= used
        if not base.image:
            raise StepFailed(
                f"base name ({stage.base.image}) should not be blank",
                "Give its variable a value: ARG before the first FROM, or --build-arg.",
            )
        return base.image

    def _global(self) -> dict[str, str]:
        given = {name: value for name, value in self.request.build_args.items() if value is not None}
        return global_environment(self.plan.dockerfile, given, platform_arguments(self.plan.platform))

    def _arguments(self) -> BuildArguments:
        given = {name: value for name, value in self.request.build_args.items() if value is not None}
        names = [name for arg in self.plan.dockerfile.global_args for name, _ in arg.pairs]
        self._used.update(names)
        env = self._global()
        return BuildArguments(
            given, {name: env.get(name) for name in names}, platform_arguments(self.plan.platform), used=self._used
        )

    def _platform(self, stage: Stage) -> Platform | None:
        """What was asked for, on FROM or for the whole build."""
        return self.plan.platforms[stage.index] or (self.plan.platform if self.request.platform else None)

    def _base_stage(self, stage: Stage, name: str) -> Stage | None:
        return None if known_as(name) in self.plan.contexts else base_stage(self.plan.dockerfile, stage.index, name)

    def _image_name(self, name: str) -> str:
        place = self.plan.contexts.get(known_as(name))
        return name if place is None else place.text

    def _source(self, tools: Tools, stage: Stage, name: str) -> Tree:
        """The files that COPY --from or RUN --mount=from= means."""
        tree = tools.contexts.tree(name)
        if tree is not None:
            return tree
        return ImageTree(self.files.view(self._source_state(stage, name).layers, tools.scratch))

    def _source_state(self, stage: Stage, name: str) -> ImageState:
        named = known_as(name) in self.plan.contexts
        earlier = None if named else source_stage(self.plan.dockerfile, stage.index, name)
        if earlier is not None and earlier.index not in self._done:
            raise StepFailed(
                f"stage {name} is not built: only a trigger of the base image speaks of it",
                "Pull the base image first; its triggers are then known before the first step.",
            )
        if earlier is not None:
            return self._done[earlier.index].state
        if name == "scratch":
            return ImageState.scratch()
        itself = (name.isdigit() and int(name) == stage.index) or (stage.name and name.lower() == stage.name)
        if itself and not named:
            raise StepFailed(f"invalid from flag value {name}: refers to current build stage")
        if name.isdigit() and not named:  # a number is always a stage's, also where an image's ID begins with it
            raise StepFailed(f"invalid from flag value {name}: index out of bounds", "Stages are counted from 0.")
        image = self._bases.get(self._image_name(name), self._step_number, self._platform(stage))
        return ImageState.of(image.config, image.layers)

    def _missing_base(self) -> tuple[PlannedStep, StepFailed] | None:
        """The first FROM whose image is not there, before any step was done for nothing."""
        for stage in self.plan.stages:
            try:
                name = self._base_name(stage)
                place = self.plan.contexts.get(known_as(name))
                is_image = name != "scratch" if place is None else place.kind == "image"
                if is_image and self._base_stage(stage, name) is None:
                    self._bases.look(self._image_name(name), self._platform(stage))
            except StepFailed as error:
                return self.plan.steps[self.plan.numbers[id(stage.base)] - 1], error
        return None

    # -- the end -------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        build = self._done[self.plan.target.index]
        unused = sorted(set(self.request.build_args) - self._used - PREDEFINED)
        if unused:
            shown = " ".join(unused)
            self.emit(BuildWarning(message=f"One or more build-args [{shown}] were not consumed", code="UnusedArg"))
        if not build.state.history:
            raise StepFailed("No image was generated. Is your Dockerfile empty?", "Add an instruction after FROM.")
        self.cancel.check()
        if build.untouched and build.untouched == build.image_id:
            image = build.untouched
            for tag in self.request.tags:
                self.store.tag(image, tag)
        else:
            image = self.store.put_image(
                build.state.document(), build.state.layers, tags=self.request.tags, parent=build.parent
            )
        seconds = time.monotonic() - self._started
        self.emit(BuildFinished(outcome="succeeded", image=image, tags=self.request.tags, seconds=seconds))

    def _failed(self, step: PlannedStep | None, message: str, hint: str) -> None:
        seconds = time.monotonic() - self._started
        if step is not None:
            self.emit(StepFinished(step=step.step, error=message))
        self.emit(
            BuildFinished(
                outcome="failed", error=message, hint=hint, seconds=seconds, step=step.step if step else None,
                line=(step.line or None) if step else None,
            )
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """What StepFinished says."""

    cached: bool = False
    image: str = ""
    bytes: int | None = None
    why: tuple[Change, ...] = ()
