"""BuildKit's status, turned into events: a vertex that is an instruction becomes its step, the rest is told as what
it means or not at all.

A vertex may start and end more than once (an image is resolved, then pulled), and may be missing (metadata, a step
that another stage shares): each step is still told exactly once.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from workbench.build.events import BuildEvent, BuildWarning, StepFinished, StepLog, StepProgress, StepStarted
from workbench.dataclass import dataclass
from workbench.engines.buildkit.plan import Plan, read_number

_STDERR = 2
_CLIPPED = "[output clipped, log limit "
"""How BuildKit begins the words by which it says that it keeps no more of a step's output."""

_CANCELLED = "context canceled"
"""How the error ends of what BuildKit stopped because something else failed."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The first vertex that failed, in the engine's words."""

    error: str
    step: int | None


class Vertices:
    """Feed it each StatusResponse in order with `take`; `finish` tells what a build that went well left untold."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._steps: dict[str, int | None] = {}
        self._last: dict[str, int] = {}
        """The highest number of each stage. A build's vertices are all named before the first of them starts."""
        self._begun: dict[int, float] = {}
        """The steps that were told, with the engine's clock when they began."""
        self._ended: set[int] = set()
        self._waiting: dict[int, StepFinished] = {}
        """Ends of FROM that are held for a moment: resolving an image may be followed by pulling it."""
        self._decoders: dict[tuple[int, int], codecs.IncrementalDecoder] = {}
        self._warned: set[tuple[str, int | None]] = set()
        self.logged: set[int] = set()
        """The steps that have a log."""
        self.failure: Failure | None = None

    @property
    def step(self) -> int | None:
        """The step that runs; the first where several do."""
        return min((step for step in self._begun if step not in self._ended), default=None)

    def take(self, response: Any) -> Iterator[BuildEvent]:
        """The events of one response."""
        waiting = list(self._waiting)
        for vertex in response.vertexes:
            if numbered := read_number(vertex.name):
                self._last[numbered.stage] = max(numbered.number, self._last.get(numbered.stage, 0))
        for vertex in response.vertexes:
            yield from self._vertex(vertex)
        for status in response.statuses:
            yield from self._progress(status)
        for log in response.logs:
            yield from self._log(log)
        for warning in response.warnings:
            yield from self._warning(warning)
        for step in waiting:
            yield from self._release(step)

    def finish(self) -> Iterator[BuildEvent]:
        """Every step that has no vertex, or whose vertex the engine did not speak of: nothing was to be done."""
        for step in list(self._waiting):
            yield from self._release(step)
        for planned in self._plan.steps:
            if planned.step not in self._begun:
                yield self._begin(planned.step, 0.0)
            if planned.step not in self._ended:
                yield from self._end(planned.step, cached=self._plan.counts(planned.step))

    def _vertex(self, vertex: Any) -> Iterator[BuildEvent]:
        if not (vertex.HasField("started") or vertex.HasField("completed")):
            return  # named only: what it is depends on those that are named with it
        step = self._steps.setdefault(vertex.digest, self._plan.find(vertex.name, self._last))
        if step is not None and vertex.HasField("started") and step not in self._ended:
            if step not in self._begun:
                yield from self._catch_up(step)
                yield self._begin(step, _seconds(vertex.started))
            if not vertex.HasField("completed"):
                self._waiting.pop(step, None)  # it goes on
        if not vertex.HasField("completed"):
            return
        if vertex.error:
            yield from self._fail(vertex.error, step, _seconds(vertex.completed))
        elif step is not None and step in self._begun and step not in self._ended:
            end = self._ending(step, _seconds(vertex.completed), cached=vertex.cached and self._plan.counts(step))
            if self._plan.keyword(step) == "FROM":
                self._waiting[step] = end
            else:
                yield from self._end_with(end)

    def _catch_up(self, step: int) -> Iterator[BuildEvent]:
        """The steps before it in its stage: metadata, and what the engine did not speak of, are behind it now."""
        for before in self._plan.before(step):
            if before in self._waiting:
                yield from self._release(before)
            elif before not in self._begun:
                yield self._begin(before, 0.0)
                yield from self._end(before, cached=self._plan.counts(before))

    def _fail(self, error: str, step: int | None, at: float) -> Iterator[BuildEvent]:
        """Only the first: others that end with an error are those that were cancelled because of it. They may be told
        before it."""
        if self.failure is not None or error.endswith(_CANCELLED):
            return
        self.failure = Failure(error, step)
        if step is None or step in self._ended:
            return
        if step not in self._begun:
            yield from self._catch_up(step)
            yield self._begin(step, 0.0)
        self._waiting.pop(step, None)
        yield from self._end_with(replace(self._ending(step, at), error=error))

    def _progress(self, status: Any) -> Iterator[BuildEvent]:
        step = self._steps.get(status.vertex)
        if step is not None and step in self._begun and step not in self._ended:
            what = status.name or status.ID
            yield StepProgress(step=step, what=what, current=status.current, total=status.total or None)

    def _log(self, log: Any) -> Iterator[BuildEvent]:
        step = self._steps.get(log.vertex)
        if step is None:  # the engine's own work: nobody's output is dropped
            step = self.step or max(self._begun, default=1)
        decoder = self._decoders.get((step, log.stream))
        if decoder is None:
            decoder = self._decoders[step, log.stream] = codecs.getincrementaldecoder("utf-8")("replace")
        if text := decoder.decode(log.msg):
            self.logged.add(step)
            yield StepLog(step=step, text=text, stream="stderr" if log.stream == _STDERR else "stdout")
            if _CLIPPED in text:
                said = text.strip().strip("[]")
                yield from self._warn(f"the log of step {step} is not whole: {said}", step, code="log-clipped")

    def _warning(self, warning: Any) -> Iterator[BuildEvent]:
        """BuildKit's checks say `Code: text`, and have a page about the rule."""
        message = warning.short.decode("utf-8", "replace")
        code, separator, rest = message.partition(": ")
        if not (separator and "/dockerfile/rule/" in warning.url):
            code, rest = "", message
        line = warning.ranges[0].start.line if warning.ranges else None
        yield from self._warn(rest, self._steps.get(warning.vertex), code=code, line=line or None)

    def _warn(self, message: str, step: int | None, *, code: str, line: int | None = None) -> Iterator[BuildEvent]:
        if (message, line) not in self._warned:
            self._warned.add((message, line))
            yield BuildWarning(message=message, code=code, step=step, line=line)

    def _begin(self, step: int, at: float) -> StepStarted:
        self._begun[step] = at
        planned = self._plan.steps[step - 1]
        return StepStarted(
            step=step, total=len(self._plan.steps), text=planned.text, line=planned.line, end_line=planned.end_line,
            stage=planned.stage,
        )  # fmt: skip

    def _ending(self, step: int, at: float, *, cached: bool = False) -> StepFinished:
        began = self._begun[step]
        return StepFinished(step=step, cached=cached, seconds=max(0.0, at - began) if began and at else 0.0)

    def _release(self, step: int) -> Iterator[BuildEvent]:
        if step in self._waiting:
            yield from self._end_with(self._waiting.pop(step))

    def _end(self, step: int, *, cached: bool) -> Iterator[BuildEvent]:
        yield from self._end_with(StepFinished(step=step, cached=cached))

    def _end_with(self, end: StepFinished) -> Iterator[BuildEvent]:
        for (step, stream), decoder in self._decoders.items():
            if step == end.step and (rest := decoder.decode(b"", final=True)):
                yield StepLog(step=step, text=rest, stream="stderr" if stream == _STDERR else "stdout")
        self._ended.add(end.step)
        yield end


def _seconds(stamp: Any) -> float:
    return float(stamp.seconds + stamp.nanos / 1e9)
