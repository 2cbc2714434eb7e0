"""The transcript of Docker's classic builder, for every engine: what `workbench build --progress plain` prints.

The words are those of Docker 20.10 with `DOCKER_BUILDKIT=0`. Steps that run side by side are told one after the
other: in the order of their numbers where the engine does every step of its plan in its turn (the embedded one), so
that a stage stays together; else, as BuildKit tells of metadata only when a build ends, in the order they began in.
"""

from __future__ import annotations

from typing import TextIO

from workbench.build.change import sentence
from workbench.build.events import (
    BuildEvent,
    BuildFinished,
    BuildStarted,
    BuildWarning,
    ContainerEvent,
    ContextSent,
    StepFinished,
    StepLog,
    StepStarted,
)
from workbench.build.format import human_size
from workbench.build.images import short_id
from workbench.build.text import Cleaner, clean, one_line

_StepEvent = StepStarted | StepLog | ContainerEvent | StepFinished


class PlainTranscript:
    """Writes each event to `out` as it comes, and flushes. Control sequences of the build's output are dropped.

    With `explain` a step that was not reused has one more line, which says why.
    """

    def __init__(self, out: TextIO, *, explain: bool = False) -> None:
        self._out = out
        self._explain = explain
        self._engine = "docker"
        self._waiting: dict[int, list[_StepEvent]] = {}
        """Steps that began and are not told yet, in that order; the first is the one being told."""
        self._next = 0
        """The step to be told next, where steps are told by their numbers; else 0."""
        self._texts: dict[int, str] = {}
        self._cleaner = Cleaner()
        self._line_open = False

    def feed(self, event: BuildEvent) -> None:
        match event:
            case BuildStarted():
                self._engine = event.engine
                self._next = 1 if event.engine == "embedded" and event.steps else 0
            case ContextSent():
                whom = "Docker daemon" if self._engine == "docker" else f"{self._engine} engine"
                self._line(f"Sending build context to {whom}  {human_size(event.bytes, digits=4)}")
            case StepStarted() | StepLog() | ContainerEvent() | StepFinished():
                self._step(event)
            case BuildFinished():
                self._finish(event)
        self._out.flush()

    def _step(self, event: _StepEvent) -> None:
        if self._next or isinstance(event, StepStarted):
            self._waiting.setdefault(event.step, [])
        told = self._next or next(iter(self._waiting), event.step)
        if event.step != told and event.step in self._waiting:
            self._waiting[event.step].append(event)
            return
        self._tell(event)
        while isinstance(event, StepFinished) and event.step in self._waiting:
            del self._waiting[event.step]
            self._next += bool(self._next)
            held = self._waiting.get(self._next or next(iter(self._waiting), 0), [])
            if not held:
                return
            for earlier in held:
                self._tell(earlier)
            event = held[-1]

    def _tell(self, event: BuildEvent) -> None:
        match event:
            case StepStarted():
                self._texts[event.step] = event.text
                self._line(f"Step {event.step}/{event.total} : {clean(event.text)}")
            case StepLog():
                self._log(self._cleaner.feed(event.text))
            case ContainerEvent(action="created"):
                self._line(f" ---> Running in {short_id(event.container)}")
            case ContainerEvent(action="removed"):
                self._line(f"Removing intermediate container {short_id(event.container)}")
            case StepFinished():
                if event.error is not None:
                    self._log(self._cleaner.finish())
                if self._explain and event.why:
                    self._line(f" ---> Not reused: {one_line(sentence(event.why))}")
                if event.error is None:
                    self._left(event)

    def _left(self, event: StepFinished) -> None:
        """What a step that went well left behind."""
        keyword = self._texts.get(event.step, "").partition(" ")[0].upper()
        if event.cached and keyword != "FROM":
            self._line(" ---> Using cache")
        if event.image:
            self._line(f" ---> {short_id(event.image)}")
        elif keyword == "FROM":
            self._line(" --->")

    def _finish(self, event: BuildFinished) -> None:
        told = self._next or next(iter(self._waiting), 0)
        for step in sorted(self._waiting) if self._next else self._waiting:
            for held in self._waiting[step] if step != told else ():
                self._tell(held)
        self._waiting.clear()
        self._log(self._cleaner.finish())
        if self._line_open:
            self._line("")
        if event.outcome == "succeeded":
            self._line(f"Successfully built {short_id(event.image)}" if event.image else "Successfully built")
            for tag in event.tags:
                self._line(f"Successfully tagged {clean(tag)}")

    def _log(self, text: str) -> None:
        if text:
            self._out.write(text)
            self._line_open = not text.endswith("\n")

    def _line(self, text: str) -> None:
        """A line of ours begins at the margin, also after output that did not end its own."""
        rest = self._cleaner.finish()
        if rest:
            self._log(rest)
        if self._line_open:
            self._line_open = False
            self._out.write("\n")
            if not text:
                return
        self._out.write(f"{text}\n")


def warning_line(event: BuildWarning, path: str) -> str:
    """`Dockerfile:3: CODE: message`, with as much of it as is known."""
    place = f"{path}:{event.line}: " if event.line else ""
    code = f"{event.code}: " if event.code else ""
    return f"warning: {place}{code}{event.message}"


def failure_line(event: BuildFinished, path: str) -> str:
    """What a failed build says on stderr: `Dockerfile:3: The command ... returned a non-zero code: 1`."""
    place = f"{path}:{event.line}: " if event.line else ""
    return f"{place}{event.error or 'the build failed'}"
