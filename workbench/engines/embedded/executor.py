"""One build from its first step to its image, told as events: stages side by side where they can be."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.build.arguments import PREDEFINED
from workbench.build.events import (
    BuildFinished,
    BuildStarted,
    BuildWarning,
    ContextSent,
    PlannedStep,
    StepFinished,
    StepStarted,
)
from workbench.build.request import BuildRequest
from workbench.context.digest import DigestCache
from workbench.context.ignore import IgnoreRules, load_rules
from workbench.context.scan import Scan
from workbench.dataclass import dataclass
from workbench.engines.embedded.bases import Bases
from workbench.engines.embedded.cache import StepCache
from workbench.engines.embedded.cache_from import CacheSources
from workbench.engines.embedded.context_tree import ContextTree
from workbench.engines.embedded.layer_files import LayerFiles
from workbench.engines.embedded.messages import StepFailed
from workbench.engines.embedded.plan import Plan
from workbench.engines.embedded.registry.settings import Registries
from workbench.engines.embedded.side_by_side import SideBySide
from workbench.engines.embedded.stages import Outcome, Stages
from workbench.engines.embedded.store import Store
from workbench.engines.embedded.tools import Tools, read_folder
from workbench.engines.embedded.trail import Trail
from workbench.engines.worker import Cancel, Emit
from workbench.errors import StoreError, WorkbenchError

if TYPE_CHECKING:
    from workbench.engines.embedded.run import Runner


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
    _started: float = field(default_factory=time.monotonic)

    def run(self) -> Scan | None:
        """Returns the context that it read."""
        stop = Cancel()  # also ends the other stages where one fails
        forget = self.cancel.on_ask(stop.ask)
        try:
            rules = self._rules()
            self.emit(BuildStarted(build=os.urandom(8).hex(), engine="embedded", steps=self.plan.steps))
            found = self.scan(rules)  # which takes its time where there are many files
            context = ContextTree(found, self.digests, stop.check) if found is not None else None
            if context is not None:
                self.emit(ContextSent(bytes=context.bytes, files=context.files))
            with open_tools(self, stop, found, context) as tools:
                try:
                    self._build(tools)
                finally:
                    tools.trail.save()
        finally:
            forget()
        self.digests.save()
        return found

    def warn(self, message: str) -> None:
        """Tells of what does not fail the build."""
        self.emit(BuildWarning(message=message, code="Chroot"))

    def scan(self, rules: IgnoreRules | None = None) -> Scan | None:
        """What is sent; None without a context. Raises InputError, Cancelled."""
        context = self.request.context
        if context is None:
            return None
        return read_folder(context, self._rules() if rules is None else rules, self.cancel)

    def _rules(self) -> IgnoreRules:
        """What is left out. Raises InputError."""
        context = self.request.context
        return IgnoreRules() if context is None else load_rules(context, self.request.dockerfile)

    # -- steps ---------------------------------------------------------------------------------------------------

    def _build(self, tools: Tools) -> None:
        with closing(Bases(self.request, self.store, self.registries, self.emit, tools.cancel)) as bases:
            stages = Stages(tools, bases)
            tools.elsewhere = CacheSources(self.request.cache_from, bases, self.emit).get
            try:
                missing = stages.missing_base()
                if missing is not None:
                    self._begin(missing[0])
                    raise StageFailed(missing[0], missing[1])
                self._steps(stages)
                self._finish(stages)
            except StageFailed as failed:
                self.cancel.check()
                self._failed(failed.step, failed.error)
            except StepFailed as error:
                self._failed(None, error)
            except StoreError:
                self.cancel.check()
                raise
            except WorkbenchError as error:
                self.cancel.check()
                self._failed(None, error)

    def _steps(self, stages: Stages) -> None:
        """The ARGs before the first FROM, the stages as soon as what they need is done, the labels."""
        steps = self.plan.steps
        first = self.plan.numbers[id(self.plan.stages[0].base)]
        for step in steps[: first - 1]:
            self._step(step, lambda step: Outcome())
        turns = SideBySide(stages.needs(), stages.tools.cancel.ask)
        stages.wait_for = turns.wait_for
        by_index = {stage.index: stage for stage in self.plan.stages}

        def work(index: int) -> None:
            stage = by_index[index]
            for step in stages.steps(stage):
                self._step(step, lambda step: stages.perform(stage, step.step))

        turns.run(work)
        for step in steps[len(self.plan.numbers) :]:
            self._step(step, lambda step: stages.label(step.step))

    def _step(self, step: PlannedStep, perform: Callable[[PlannedStep], Outcome]) -> None:
        self.cancel.check()
        self._begin(step)
        before = time.monotonic()
        try:
            outcome = perform(step)
        except (StepFailed, WorkbenchError) as error:
            raise StageFailed(step, error) from error
        self.emit(
            StepFinished(
                step=step.step, cached=outcome.cached, seconds=time.monotonic() - before, image=outcome.image,
                bytes=outcome.bytes, why=outcome.why,
            )
        )  # fmt: skip

    def _begin(self, step: PlannedStep) -> None:
        self.emit(
            StepStarted(
                step=step.step, total=len(self.plan.steps), text=step.text, line=step.line, end_line=step.end_line,
                stage=step.stage,
            )
        )  # fmt: skip

    # -- the end -------------------------------------------------------------------------------------------------

    def _finish(self, stages: Stages) -> None:
        build = stages.done[self.plan.target.index]
        unused = sorted(set(self.request.build_args) - stages.used - PREDEFINED)
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

    def _failed(self, step: PlannedStep | None, error: StepFailed | WorkbenchError) -> None:
        seconds = time.monotonic() - self._started
        message = error.message if isinstance(error, StepFailed) else str(error)
        if step is not None:
            self.emit(StepFinished(step=step.step, error=message))
        self.emit(
            BuildFinished(
                outcome="failed", error=message, hint=error.hint, seconds=seconds, step=step.step if step else None,
                line=(step.line or None) if step else None,
            )
        )  # fmt: skip


class StageFailed(Exception):
    """A step that ended the build, and why."""

    def __init__(self, step: PlannedStep, error: StepFailed | WorkbenchError) -> None:
        super().__init__(str(error))
        self.step = step
        self.error = error


@contextmanager
def open_tools(build: Executor, cancel: Cancel, found: Scan | None, context: ContextTree | None) -> Iterator[Tools]:
    """What the steps of a build use, for as long as it runs."""
    with build.store.keep(), build.store.temporary() as scratch:
        runner = _LazyRunner(build, scratch, cancel)
        cache = StepCache(build.store)
        trail = Trail(build.store, cache, build.request)
        tools = Tools(
            build.request, build.plan, build.store, scratch, build.emit, cancel, cache, trail, build.files, runner.get,
            found, context, build.digests,
        )  # fmt: skip
        with closing(runner):
            yield tools


class _LazyRunner:
    """A build in which every step is known runs nothing, and does not load what would. `get` is called from any
    thread."""

    def __init__(self, build: Executor, scratch: Path, cancel: Cancel) -> None:
        self._build = build
        self._scratch = scratch
        self._cancel = cancel
        self._lock = threading.Lock()
        self._made: Runner | None = None

    def get(self) -> Runner:
        from workbench.engines.embedded.bwrap import ability
        from workbench.engines.embedded.run import Runner

        with self._lock:
            if self._made is None:
                it = self._build
                self._made = Runner(it.store, self._scratch, ability, self._cancel, it.plan.groups, it.warn)
            return self._made

    def close(self) -> None:
        if self._made is not None:
            self._made.guardian.close()
