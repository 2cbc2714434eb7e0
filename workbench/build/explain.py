"""Builds that say why a step was not reused, and leave a record of their steps, on engines that keep no manifests.

While the engine builds, a thread looks at the same context; the reasons come from comparing it with the records of
earlier builds. Where nobody is told reasons, the record alone is left, and no event waits for it. A build never fails,
and never ends later than its cancelling allows, because of this; that the engine went away is told at once, reasons or
not. What looks at steps is imported when it begins to: a build does not begin later for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.build.change import Change
from workbench.build.engine import Build
from workbench.build.events import BuildEvent, BuildFinished, ContextSent, StepFinished, StepStarted
from workbench.build.images import ImageStore, short_id
from workbench.build.request import BuildRequest
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.build.forecast import Forecast
    from workbench.build.step_records import KnownSteps
    from workbench.build.steps import Builder, Step
    from workbench.build.survey import Survey
    from workbench.context.scan import Scan

_AHEAD = 4096
"""Events that are read while reasons are awaited, to see whether the engine went away meanwhile."""


async def image_ids(images: ImageStore, names: Iterable[str]) -> dict[str, str]:
    """Names with the short IDs that the engine has for them now (the classic builder's steps have no others); a name
    without an image is left out."""
    found: dict[str, str] = {}
    for name in names:
        with contextlib.suppress(WorkbenchError):
            found[name] = short_id(str((await images.inspect(name)).get("Id") or ""))
    return found


async def forecast_from_records(
    images: ImageStore, request: BuildRequest, engine: str, builder: Builder
) -> Forecast | None:
    """What the next build of `request` will reuse, as far as records tell; None where there is no telling: a context
    that is fetched. Cancelling ends it soon. Raises WorkbenchError, OSError."""
    from workbench.build.survey import Survey

    if request.remote is not None:
        return None
    asked: list[bool] = []
    try:
        survey = await asyncio.to_thread(Survey.look, request, engine, builder, lambda: bool(asked))
        bases = await image_ids(images, await asyncio.to_thread(survey.base_names))
        present = {image.short for image in await images.list(all=True)} if builder == "classic" else None
        return await asyncio.to_thread(survey.forecast, bases, present)
    finally:
        asked.append(True)


class ExplainedBuild:
    """Implements `build.engine.Build` over another one.

    Unless it `tells` the reasons it only leaves a record, made while the engine builds and written by `aclose`.
    """

    def __init__(
        self, inner: Build, request: BuildRequest, engine: str, builder: Builder, images: ImageStore, *,
        tells: bool = True,
    ) -> None:  # fmt: skip
        self._inner = inner
        self._request = request
        self._engine = engine
        self._builder: Builder = builder
        self._images = images
        self._tells = tells
        self._asked = False
        """Whether the reasons are no longer wanted: what is being read for them is left."""
        self._looking: asyncio.Task[_Explanations | None] | None = None
        self._reading: asyncio.Task[BuildEvent] | None = None
        self._ahead: deque[BuildEvent] = deque()
        self._over = False
        """Whether the inner build has told its end."""
        self._ended: list[StepFinished] = []
        self._bases: set[int] = set()
        """The steps that are a FROM."""
        self._begun: list[StepFinished] = []
        """Those of them that ended, and that nobody compared yet."""
        self._due = False
        """Whether the record is still to be written."""

    def __aiter__(self) -> AsyncIterator[BuildEvent]:
        return self

    async def __anext__(self) -> BuildEvent:
        event = self._ahead.popleft() if self._ahead else await self._read()
        if isinstance(event, ContextSent):
            self._begin()
        if isinstance(event, StepStarted) and event.text[:5].upper() == "FROM ":
            self._bases.add(event.step)
        elif isinstance(event, StepFinished) and event.error is None:
            if self._tells and not (event.cached or event.why):
                event = await self._explained(event)
            self._ended.append(event)
        elif isinstance(event, BuildFinished):
            self._asked = self._asked or event.lost
            self._due = True
            if self._asked or self._tells:
                await self._record()
        return event

    @property
    def scan(self) -> Scan | None:
        return self._inner.scan

    def cancel(self) -> None:
        self._asked = True
        self._inner.cancel()

    async def aclose(self) -> None:
        if self._due:
            await self._record()
        self._asked = True
        await self._inner.aclose()
        if self._looking is not None:
            self._looking.cancel()
        tasks = [task for task in (self._looking, self._reading) if task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self) -> asyncio.Task[_Explanations | None]:
        """Looks, unless it was begun: when the engine has the context, or when the first step needs it. Before that
        the engine waits for us, and two readers of one context would hold each other up."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="looks at the steps of a build")
        return self._looking

    async def _explained(self, event: StepFinished) -> StepFinished:
        """The event with its reasons. A FROM has none, and does not wait for what others are compared with."""
        if event.step in self._bases:
            self._begun.append(event)
            return event
        if (found := await self._found()) is None:
            return event
        begun, self._begun = self._begun, []
        for base in begun:
            await asyncio.to_thread(found.why, base)
        return replace(event, why=await asyncio.to_thread(found.why, event))

    async def _read(self) -> BuildEvent:
        """The inner build's next event."""
        if self._reading is None:
            event = await self._inner.__anext__()
        else:
            event = await asyncio.shield(self._reading)
            self._reading = None
        self._over = isinstance(event, BuildFinished)
        return event

    async def _found(self) -> _Explanations | None:
        """None where nothing was found, and where nobody waits for it any more."""
        looking = self._begin()
        while not (looking.done() or self._asked):
            await self._look_ahead(looking)
        return looking.result() if looking.done() and not looking.cancelled() else None

    async def _look_ahead(self, looking: asyncio.Task[_Explanations | None]) -> None:
        """Waits for what is looked for or for one more event, and gives it up where that is the engine's going away."""
        if self._over or len(self._ahead) >= _AHEAD:
            await asyncio.wait([looking])
            return
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._inner.__anext__())
        await asyncio.wait([looking, self._reading], return_when=asyncio.FIRST_COMPLETED)
        if self._reading.done() and self._reading.exception() is None:
            event = await self._read()
            self._ahead.append(event)
            self._asked = self._asked or (isinstance(event, BuildFinished) and event.lost)
        elif self._reading.done():  # which is raised when its turn comes
            await asyncio.wait([looking])

    async def _look(self) -> _Explanations | None:
        from workbench.build.survey import TROUBLE, Survey

        if self._request.remote is not None:
            return None
        try:
            survey = await asyncio.to_thread(
                Survey.look, self._request, self._engine, self._builder, lambda: self._asked
            )
            bases = await image_ids(self._images, await asyncio.to_thread(survey.base_names))
            return await asyncio.to_thread(_Explanations, survey, bases)
        except TROUBLE:
            return None

    async def _record(self) -> None:
        self._due = False
        looking = self._looking
        if self._asked and (looking is None or not looking.done()):
            if looking is not None:
                looking.cancel()  # an engine that does not answer must not hold up the end
            return
        if (found := await self._found()) is None:
            return
        from workbench.build.survey import TROUBLE

        bases = found.told_bases(self._ended)
        if missing := [name for name in found.base_names if name not in bases]:
            bases = {**bases, **await image_ids(self._images, missing)}  # it came while the build ran
        with contextlib.suppress(*TROUBLE):
            await asyncio.to_thread(found.record, self._ended, bases)


class _Explanations:
    """The steps of one build, and what is known of them."""

    def __init__(self, survey: Survey, bases: Mapping[str, str]) -> None:
        self._survey = survey
        self._bases = dict(bases)
        self._steps = {step.number: step for step in survey.steps(bases)}
        self._known: KnownSteps = survey.known()
        self._fresh = survey.fresh_stages()
        self._anew: dict[int, int] = {}

    @property
    def base_names(self) -> list[str]:
        return [step.base for step in self._steps.values() if step.base]

    def why(self, event: StepFinished) -> tuple[Change, ...]:
        """The reasons for a step that was not reused."""
        step = self._steps.get(event.step)
        if step is None or step.stage < 0 or not step.counts:
            return ()
        if step.manifest.keyword == "FROM":
            self._begin(step, event)
            return ()
        why = self._reasons(step)
        self._anew.setdefault(step.stage, step.number)
        return why

    def _begin(self, step: Step, event: StepFinished) -> None:
        """A stage begins, on another stage or on an image; which one the engine knows best."""
        for index in step.needs:
            if index in self._anew:
                self._anew[step.stage] = self._anew[index]
        image = short_id(event.image)
        if step.base and image and image != self._bases.get(step.base):
            self._bases[step.base] = image
            self._steps = {it.number: it for it in self._survey.steps(self._bases)}

    def _reasons(self, step: Step) -> tuple[Change, ...]:
        if self._survey.request.no_cache or step.stage in self._fresh:
            return (Change("no-cache"),)
        if step.stage in self._anew and not step.apart:
            return (Change("previous", str(self._anew[step.stage])),)
        for index, name in zip(step.needs, step.needed, strict=True):
            if index in self._anew:
                return (Change("stage", name),)
        return () if step.problem else self._known.why(step)

    def told_bases(self, ended: Iterable[StepFinished]) -> dict[str, str]:
        """The IDs of the bases, as the engine told them where it did."""
        told = {self._steps[it.step].base: short_id(it.image) for it in ended if it.image and it.step in self._steps}
        return {**self._bases, **{name: image for name, image in told.items() if name}}

    def record(self, ended: Iterable[StepFinished], bases: Mapping[str, str]) -> None:
        """Leaves what the next build is compared with."""
        steps = self._steps
        if dict(bases) != self._bases:
            steps = {step.number: step for step in self._survey.steps(bases)}
        done = [(steps[it.step], short_id(it.image)) for it in ended if it.step in steps]
        self._survey.records.add([(step, image) for step, image in done if step.stage >= 0])
