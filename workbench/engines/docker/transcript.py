"""The classic builder's stream of messages, turned into events.

The builder speaks in the same stream in which it repeats the output of RUN. What a command prints is never taken for
the builder's words: while a step's container runs, everything is its output.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from workbench.build.events import BuildFinished, BuildWarning, StepFinished, StepLog, StepProgress, StepStarted
from workbench.engines.docker.containers import Containers
from workbench.engines.docker.hints import failure_hint
from workbench.engines.docker.plan import Plan
from workbench.engines.worker import Emit
from workbench.errors import EngineLost

_STEP = re.compile(r"Step (\d+)/(\d+) ?: (.*?)\n?", re.DOTALL)
_RUNNING = re.compile(r" ---> Running in ([0-9a-f]{12,64})\n?")
# 20.10 says "Removing intermediate container", later engines " ---> Removed intermediate container".
_REMOVED = re.compile(r"(?:Removing| ---> Removed) intermediate container ([0-9a-f]{12,64})\n?")
_CACHED = re.compile(r" ---> Using cache\n?")
_IMAGE = re.compile(r" ---> ?([0-9a-f]{11,64})?\n?")
_BUILT = re.compile(r"Successfully built ([0-9a-f]{11,64})\n?")
_TAGGED = re.compile(r"Successfully tagged (\S+)\n?")
_STDERR = re.compile(r"\x1b\[91m(.*)\x1b\[0m", re.DOTALL)
"""What the engine puts around each piece of stderr (streamformatter.StderrFormatter): red, and back."""

_LAYERS = ("ADD", "COPY", "RUN", "WORKDIR")
"""Instructions that may add to the file system."""

_PATIENCE = 0.5
"""Seconds in which `/events` may still tell what a trigger's container did."""


class Transcript:
    """Feed it messages in order; it emits. `outcome` is how the build ended, None as long as nobody said.

    Args:
        running: whether the container with that ID runs at this moment. The builder speaks of a container only when it
            has ended; a command that prints the same words is still running.
        rm: whether the builder removes containers, and so says that it did.
        size: bytes of the image with that ID, its base included; None where they cannot be known.
    """

    def __init__(
        self,
        emit: Emit,
        plan: Plan,
        containers: Containers,
        *,
        tags: tuple[str, ...] = (),
        rm: bool = True,
        running: Callable[[str], bool] = lambda identifier: False,
        size: Callable[[str], int | None] = lambda image: None,
    ) -> None:
        self._emit = emit
        self._plan = plan
        self._containers = containers
        self._asked_tags = tags
        self._rm = rm
        self._running = running
        self._size = size
        self._left: str | None = None  # the image that the step before left, empty for scratch
        self._begun = time.monotonic()
        self._step_begun = 0.0
        self._last = 0
        self._newline_due = False  # a step's heading comes in two messages, the second a bare newline
        self._before = 0  # steps of earlier stages, where the engine counts each stage anew
        self._total = len(plan.steps)
        self._cached = False
        self._tags: list[str] = []
        self._image = ""
        self._built = False
        self._failed: BuildFinished | None = None
        self.step: int | None = None
        """The step that is open."""
        self.container: str | None = None
        """Its container, as long as the builder is not done with it."""
        self._image_due: str | None = None  # a removed container whose image is still to be named

    def take(self, message: dict[str, Any]) -> None:
        """One object of the stream."""
        if (aux := message.get("aux")) is not None:
            if isinstance(aux, dict) and isinstance(aux.get("ID"), str):
                self._image = aux["ID"]
        elif "errorDetail" in message or "error" in message:
            self._fail(message)
        elif isinstance(text := message.get("stream"), str):
            self._speak(text)
        elif "status" in message:
            self._status(message)

    def lost(self, error: EngineLost) -> BuildFinished:
        """The last event of a build whose engine went away."""
        return BuildFinished(
            outcome="failed", error=str(error), hint=error.hint, step=self.step, lost=True,
            line=self._plan.at(self.step).line or None, seconds=time.monotonic() - self._begun,
        )  # fmt: skip

    def refused(self, message: str) -> BuildFinished:
        """The last event of a build that the engine would not begin, in the engine's words."""
        return BuildFinished(outcome="failed", error=message, seconds=time.monotonic() - self._begun)

    @property
    def keyword(self) -> str:
        """The keyword of the open step, empty where none is open."""
        return self._plan.keyword(self.step)

    def current_container(self) -> str | None:
        """The container of the open step, running or done with."""
        return self.container or self._image_due

    def outcome(self) -> BuildFinished | None:
        """The last event, once the stream has ended; None where it ended without a word."""
        if self._failed is not None:
            return self._failed
        if not self._built and not (self.container is not None and self._image):
            return None
        self._close_step()
        seconds = time.monotonic() - self._begun
        tags = tuple(self._tags) or self._asked_tags
        return BuildFinished(outcome="succeeded", image=self._image, tags=tags, seconds=seconds)

    def _speak(self, text: str) -> None:
        newline_due, self._newline_due = self._newline_due, False
        if newline_due and text == "\n":
            return
        if self.container is not None:
            self._during_container(text)
        elif found := _STEP.fullmatch(text):
            self._start_step(int(found[1]), int(found[2]), found[3])
        elif self.step is None:
            self._between(text)
        elif found := _RUNNING.fullmatch(text):
            self._end_container(self._image_due)
            self.container = found[1]
            self._containers.named(self.step, found[1])
        elif _CACHED.fullmatch(text):
            self._cached = self._plan.keyword(self.step) != "FROM"
        elif found := _IMAGE.fullmatch(text):
            self._close_step(found[1] or "")
        elif found := _BUILT.fullmatch(text):
            self._finish(found[1])
        else:
            self._log(text)

    def _during_container(self, text: str) -> None:
        assert self.container is not None
        if (found := _REMOVED.fullmatch(text)) and self.container.startswith(found[1][:12]) and self._over():
            self._containers.removed(self.container)
            self._image_due, self.container = self.container, None
        elif not self._rm and (found := _IMAGE.fullmatch(text)) and found[1] and self._over():
            self._image_due, self.container = self.container, None
            self._close_step(found[1])
        else:
            self._log(text)

    def _over(self) -> bool:
        """Whether the container has really ended. That of CMD and its like never ran, and so cannot have spoken."""
        assert self.container is not None
        keyword = self._plan.keyword(self.step)
        if keyword in ("RUN", "FROM", "") and self._running(self.container):
            return False
        if keyword == "FROM":  # a trigger; only the feed knows whether it ran
            self._containers.wait(self.container, "removed", _PATIENCE)
        return True

    def _between(self, text: str) -> None:
        """Outside of every step: the result, and what the builder wants to be known."""
        if found := _BUILT.fullmatch(text):
            self._finish(found[1])
        elif found := _TAGGED.fullmatch(text):
            self._tags.append(found[1])
        elif said := _plain(text)[0].strip():
            self._emit(BuildWarning(message=said))

    def _finish(self, image: str) -> None:
        self._close_step()
        self._built = True
        if not self._image.removeprefix("sha256:").startswith(image):
            self._image = image

    def _start_step(self, number: int, total: int, text: str) -> None:
        self._close_step()
        if self._before + number <= self._last:
            self._before = self._last
        self.step = self._last = self._before + number
        self._step_begun = time.monotonic()
        self._newline_due = not text.endswith("\n")
        self._total = max(self._total, total)
        planned = self._plan.at(self.step)
        self._emit(
            StepStarted(
                step=self.step, total=self._total, text=text, line=planned.line, end_line=planned.end_line,
                stage=planned.stage,
            )
        )  # fmt: skip

    def _close_step(self, image: str = "") -> None:
        if self.step is None:
            return
        self._end_container(self._image_due)
        seconds = time.monotonic() - self._step_begun
        added = None if self._cached else self._added(image)
        self._emit(StepFinished(step=self.step, cached=self._cached, seconds=seconds, image=image, bytes=added))
        self.step, self._cached, self._left = None, False, image

    def _added(self, image: str) -> int | None:
        """Bytes of the layer that the open step made, which the builder does not say."""
        if self.keyword not in _LAYERS or not image or self._left is None:
            return None
        before, after = self._size(self._left) if self._left else 0, self._size(image)
        return None if before is None or after is None else max(0, after - before)

    def _end_container(self, identifier: str | None) -> None:
        """The builder goes on: what the container ran went well, and was committed."""
        if identifier is None:
            return
        ran = self._plan.keyword(self.step) == "RUN" or self._containers.seen(identifier, "started")
        self._containers.ended(identifier, committed=True, ran=ran, exit_code=0)
        self._image_due = None

    def _fail(self, message: dict[str, Any]) -> None:
        detail = message.get("errorDetail")
        detail = detail if isinstance(detail, dict) else {}
        code = detail.get("code")
        code = code if isinstance(code, int) else None
        error = str(detail.get("message") or message.get("error") or "the build failed").strip()
        for identifier in (self.container, self._image_due):
            if identifier is not None:
                ran = code is not None or self._containers.seen(identifier, "started")
                self._containers.ended(identifier, committed=False, ran=ran, exit_code=code)
        step = self.step
        if step is not None:
            seconds = time.monotonic() - self._step_begun
            self._emit(StepFinished(step=step, seconds=seconds, error=error))
        # Between two steps it is the next one that cannot begin.
        place = self._last + 1 if step is None and self._last else step
        self._failed = BuildFinished(
            outcome="failed", error=error, hint=failure_hint(self._plan.keyword(step), code), step=step,
            line=self._plan.at(place).line or None, seconds=time.monotonic() - self._begun,
        )  # fmt: skip
        self.step = None

    def _log(self, text: str) -> None:
        assert self.step is not None
        text, stderr = _plain(text)
        self._emit(StepLog(step=self.step, text=text, stream="stderr" if stderr else "stdout"))

    def _status(self, message: dict[str, Any]) -> None:
        detail = message.get("progressDetail")
        detail = detail if isinstance(detail, dict) else {}
        what = " ".join(str(message[key]) for key in ("id", "status") if message.get(key))
        current, total = detail.get("current"), detail.get("total")
        if self.step is None:
            return
        if isinstance(current, int):
            self._emit(StepProgress(step=self.step, what=what, current=current, total=total if total else None))
        elif not message.get("id"):
            self._emit(StepLog(step=self.step, text=f"{what}\n"))


def _plain(text: str) -> tuple[str, bool]:
    """The text without the engine's red, and whether it had it: what came from stderr."""
    found = _STDERR.fullmatch(text)
    return (found[1], True) if found else (text, False)
