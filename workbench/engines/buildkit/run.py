"""A build under way: what is asked of the engine, what it tells meanwhile, and how it ended.

Runs on an event loop of the build's own, apart from the screen's.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from workbench.build.events import BuildEvent, BuildFinished, BuildStarted, BuildWarning, ContextSent
from workbench.build.request import BuildRequest
from workbench.context.ignore import IGNORE_FILE
from workbench.engines.buildkit.filesync import Sent
from workbench.engines.buildkit.plan import Plan
from workbench.engines.buildkit.session import Session
from workbench.engines.buildkit.solver import Solved, SolveFailed, Solver
from workbench.engines.buildkit.vertices import Vertices
from workbench.engines.worker import Cancel, Emit
from workbench.errors import EngineLost, WorkbenchError

_FAREWELL = 0.5
"""Seconds in which the engine may end what was cancelled: a tenth is usual, and all in all there is one second."""
_REST = 5.0
"""Seconds in which a build that is done may still tell its status."""


class Run:
    """Tells the events of one build. `began` is when it was asked for (time.monotonic)."""

    def __init__(self, request: BuildRequest, plan: Plan, emit: Emit, cancel: Cancel, began: float) -> None:
        self._request = request
        self._plan = plan
        self._emit = emit
        self._cancel = cancel
        self._vertices = Vertices(plan)
        self._began = began
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="buildkit events")
        self._told_context = False
        self.ending = False
        """Whether a wish to cancel was heard: the engine is given time to end what runs."""
        self.sent: list[Sent] = []
        """Each transfer of files that is done."""

    async def start(self, warnings: Iterable[str]) -> None:
        """The first events: nothing but the build itself may fail from now on."""
        started = BuildStarted(build=os.urandom(6).hex(), engine="buildkit", steps=self._plan.steps)
        await self._tell([started, *(BuildWarning(message=text) for text in warnings)])

    async def follow(self, solver: Solver, session: Session | None) -> Solved | BuildFinished:
        """What the engine answers in the end, everything else told; or how the build failed. Raises one of LOSSES."""
        if self._cancel.asked:  # whoever swallowed it: nothing is begun any more
            raise asyncio.CancelledError
        solving = asyncio.create_task(solver.solve())
        following = asyncio.create_task(self._follow(solver))
        try:
            result = await solving
        except asyncio.CancelledError:
            self.ending = True
            solving.cancel()  # the engine ends what runs, and then the status
            await asyncio.wait([solving, following], timeout=_FAREWELL)
            raise
        except SolveFailed as error:
            await asyncio.wait([following], timeout=_REST)
            if error.gone and (session is None or session.problem is None):
                raise ConnectionError(str(error)) from error
            return self._failed(str(error), session)
        else:
            await asyncio.wait([following], timeout=_REST)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        await self._tell([*self._context_sent(last=True), *self._vertices.finish()])
        return result

    def close(self) -> None:
        """Waits for what is being told, unless nobody wants it any more."""
        self._writer.shutdown(wait=not self._cancel.asked)

    async def _follow(self, solver: Solver) -> None:
        async for response in solver.status():
            events = [*self._vertices.take(response)]
            await self._tell([*self._context_sent(), *events])

    async def _tell(self, events: Iterable[BuildEvent]) -> None:
        """A reader that is slow holds this up, and not the calls of the engine, which wants answers meanwhile."""
        batch = list(events)
        if batch:
            await asyncio.get_running_loop().run_in_executor(self._writer, self._emit_all, batch)

    def _emit_all(self, batch: list[BuildEvent]) -> None:
        for event in batch:
            self._emit(event)

    def _context_sent(self, *, last: bool = False) -> list[BuildEvent]:
        """Once: when the engine has the files of the context, or the Dockerfile where no step wants any."""
        if self._told_context or not (last or any(map(self._is_last, self.sent))):
            return []
        self._told_context = True
        return [
            ContextSent(
                bytes=sum(it.bytes for it in self.sent), files=sum(it.files for it in self.sent),
                total_bytes=sum(it.total_bytes for it in self.sent),
            )
        ]  # fmt: skip

    def _is_last(self, sent: Sent) -> bool:
        """Of the context the engine first asks for the ignore file alone."""
        if not self._plan.uses_context:
            return sent.tree == "dockerfile"
        return sent.tree == "context" and sent.wanted.follow != (IGNORE_FILE,)

    def _failed(self, message: str, session: Session | None) -> BuildFinished:
        failure = self._vertices.failure
        if session is not None and session.problem is not None:
            return BuildFinished(
                outcome="failed", error=str(session.problem), hint=session.problem.hint, seconds=self._seconds(),
                step=failure.step if failure else None, line=self._line(failure.step if failure else None),
            )  # fmt: skip
        if failure is None:
            return BuildFinished(outcome="failed", error=message, seconds=self._seconds())
        return BuildFinished(
            outcome="failed", error=failure.error, hint=self._hint(failure.step), step=failure.step,
            line=self._line(failure.step), seconds=self._seconds(),
        )  # fmt: skip

    def lost(self, error: EngineLost) -> BuildFinished:
        step = self._vertices.step
        return BuildFinished(
            outcome="failed", error=str(error), hint=error.hint, step=step, line=self._line(step), lost=True,
            seconds=self._seconds(),
        )  # fmt: skip

    def _hint(self, step: int | None) -> str:
        return {
            "RUN": "The log of the step says why." if step in self._vertices.logged else "",
            "COPY": "Paths are relative to the build context; `workbench context` shows what is sent.",
            "ADD": "Paths are relative to the build context; `workbench context` shows what is sent.",
            "FROM": "The base image is neither on the engine nor to be had from its registry: check the name, or load "
            "it.",
        }.get(self._plan.keyword(step) if step else "", "")

    def _line(self, step: int | None) -> int | None:
        return self._plan.steps[step - 1].line if step else None

    def succeeded(self, image: str, names: tuple[str, ...]) -> BuildFinished:
        return BuildFinished(outcome="succeeded", image=image, tags=names, seconds=self._seconds())

    def broken(self, error: WorkbenchError) -> BuildFinished:
        """The steps went well, and what came after them did not."""
        return BuildFinished(outcome="failed", error=str(error), hint=error.hint, seconds=self._seconds())

    def _seconds(self) -> float:
        return time.monotonic() - self._began
