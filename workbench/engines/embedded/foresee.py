"""What the next build will reuse: the build's own steps, looked up in the step cache, with nothing done or fetched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import field, replace

from workbench.build.change import Change
from workbench.build.events import PlannedStep
from workbench.build.forecast import Forecast, StepForecast
from workbench.build.platforms import Platform
from workbench.dataclass import dataclass
from workbench.dockerfile import Stage
from workbench.engines.embedded.archive_base import archive_name
from workbench.engines.embedded.bases import Bases
from workbench.engines.embedded.cache_from import CacheSources
from workbench.engines.embedded.context_tree import ContextTree
from workbench.engines.embedded.executor import Executor, open_tools
from workbench.engines.embedded.messages import StepFailed
from workbench.engines.embedded.stages import Stages
from workbench.engines.embedded.step import NotReused
from workbench.engines.embedded.store import StoredImage
from workbench.engines.embedded.tools import NotForeseen
from workbench.errors import StoreError, WorkbenchError


class StoredBases(Bases):
    """Only what is in the store: no registry is asked, no archive is brought in."""

    def get(self, name: str, step: int, platform: Platform | None = None) -> StoredImage:
        image = None if archive_name(name) is not None else self._stored(name, platform)
        if image is None or not self.store.hold(image.layers):
            raise NotForeseen
        return image


@dataclass(slots=True)
class Foresight:
    """Of one request, which an Executor would build."""

    build: Executor
    _anew: dict[int, tuple[Change, ...]] = field(default_factory=dict)
    """Stages with a step that is done anew, and what those behind it say."""

    def look(self) -> Forecast:
        """Raises WorkbenchError, Cancelled."""
        build = self.build
        found = build.scan()
        context = ContextTree(found, build.digests, build.cancel.check) if found is not None else None
        with open_tools(build, build.cancel, found, context) as tools:
            bases = StoredBases(build.request, build.store, build.registries, build.emit, build.cancel)
            elsewhere = CacheSources(build.request.cache_from, bases, build.emit).get
            tools = replace(tools, foresees=True, elsewhere=elsewhere)
            with closing(bases):
                steps = tuple(self._steps(Stages(tools, bases)))
        build.digests.save()
        return Forecast(steps)

    def _steps(self, stages: Stages) -> Iterator[StepForecast]:
        plan = self.build.plan
        first = plan.numbers[id(plan.stages[0].base)]
        for step in plan.steps[: first - 1]:
            yield StepForecast(step.step, step.line, "reuse")
        for stage in plan.stages:
            for step in stages.steps(stage):
                yield self._judge(stages, stage, step)
        for step in plan.steps[len(plan.numbers) :]:
            yield self._judge(stages, plan.target, step)

    def _judge(self, stages: Stages, stage: Stage, step: PlannedStep) -> StepForecast:
        self.build.cancel.check()
        if stage.index in self._anew:
            return StepForecast(step.step, step.line, "rerun", self._anew[stage.index])
        if stage.index in stages.unforeseen and stage.index not in stages.done:
            return StepForecast(step.step, step.line, "unknown")
        try:
            if self._begins_anew(stages, stage, step):
                return StepForecast(step.step, step.line, "reuse")
            if step.step > len(self.build.plan.numbers):
                stages.label(step.step)
            else:
                stages.perform(stage, step.step)
        except NotReused as missed:
            return self._rerun(stages, stage, step, missed.why)
        except NotForeseen:
            stages.unforeseen.add(stage.index)
            stages.done.pop(stage.index, None)
            return StepForecast(step.step, step.line, "unknown")
        except StoreError:
            raise
        except (StepFailed, WorkbenchError):  # the build will say what is wrong, at this step
            return self._rerun(stages, stage, step, ())
        return StepForecast(step.step, step.line, "reuse")

    def _begins_anew(self, stages: Stages, stage: Stage, step: PlannedStep) -> bool:
        """Whether this is the FROM of a stage on one that is built anew."""
        if step.step != self.build.plan.numbers[id(stage.base)]:
            return False
        below = stages.below(stage)
        if below is None or below.index not in self._anew:
            return False
        self._anew[stage.index] = (Change("stage", below.name or str(below.index)),)
        stages.unforeseen.add(stage.index)
        return True

    def _rerun(self, stages: Stages, stage: Stage, step: PlannedStep, why: tuple[Change, ...]) -> StepForecast:
        no_cache = self.build.request.no_cache
        self._anew[stage.index] = (Change("no-cache"),) if no_cache else (Change("previous", str(step.step)),)
        stages.unforeseen.add(stage.index)
        return StepForecast(step.step, step.line, "rerun", why)
