"""What the next build will reuse, asked of the engine while somebody types and after a save that is not built yet."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, cast

from workbench.build.change import sentence
from workbench.build.forecast import Forecast, StepForecast
from workbench.build.text import one_line
from workbench.dataclass import dataclass
from workbench.dockerfile import parse
from workbench.errors import WorkbenchError
from workbench.tui.widgets.marks import Mark

if TYPE_CHECKING:
    from textual.timer import Timer

    from workbench.build.engine import Engine
    from workbench.build.request import BuildRequest
    from workbench.tui.app import WorkbenchApp
    from workbench.tui.live import Live
    from workbench.tui.workspace import Workspace

FORESEE_AFTER = 0.3
"""Seconds of quiet before the engine is asked: a forecast of a long Dockerfile takes some of its own."""

_MARKS = {
    "reuse": Mark("reuse", "·", "reuse"),
    "rerun": Mark("rerun", "○", "rerun"),
    "unknown": Mark("pending", "?", ""),
}


@dataclass(frozen=True, slots=True)
class Foresight:
    """A forecast of `text`, by the lines of its instructions. Lines count from 1."""

    text: str
    forecast: Forecast
    ends: Mapping[int, int] = field(default_factory=dict)
    """The last line of the instruction that begins on a line."""

    def marks(self) -> dict[int, Mark]:
        """What stands beside each instruction. Of several steps of a line the first that is not reused counts."""
        found: dict[int, Mark] = {}
        for step in self.forecast.steps:
            if step.line > 0 and found.get(step.line) in (None, _MARKS["reuse"]):
                found[step.line] = _MARKS[step.verdict]
        return found

    def said(self, line: int) -> str:
        """One line about the instruction on that line; "" where there is none."""
        steps = [it for it in self.forecast.steps if it.line <= line <= self.ends.get(it.line, it.line)]
        step = next((it for it in steps if it.verdict != "reuse"), steps[0] if steps else None)
        return "" if step is None else _said(step, step == self.forecast.first)


def _said(step: StepForecast, first: bool) -> str:
    why = one_line(sentence(step.why))
    if step.verdict == "reuse":
        return f"step {step.step}: the next build reuses it"
    if step.verdict == "unknown":
        return f"step {step.step}: known only when it is built{f' ({why})' if why else ''}"
    head = "the first to be rebuilt" if first else "will be rebuilt"
    return f"step {step.step}: {head}{f': {why}' if why else ''}"


async def foresee(engine: Engine, request: BuildRequest, text: str) -> Foresight | None:
    """What the next build of `text` would reuse; None where the text cannot be read or the engine cannot say."""
    try:
        ends = await asyncio.to_thread(_ends, text)
        forecast = await engine.forecast(replace(request, dockerfile_text=text))
    except WorkbenchError:
        return None  # what is wrong is said of the text, and by a build
    return None if forecast is None else Foresight(text, forecast, ends)


def _ends(text: str) -> dict[int, int]:
    return {node.range.start_line: node.range.end_line for node in parse(text).nodes}


class Foreseer:
    """Keeps the forecast beside the text: there is one while the text or the context is not what was built last and
    nothing is being built; each edit and each save asks for a new one, a little later."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._timer: Timer | None = None
        self._told: tuple[int | None, ...] = ()
        self._behind = True

    def follow(self, live: Live) -> None:
        """The build moved or ended, or something was saved."""
        state = live.state
        told = (state.saved, state.ended, state.building)
        if told == self._told:
            return
        self._told = told
        self._behind = state.building is None and state.ended != state.saved
        if state.building is not None:
            self._stop()
        else:
            self.look()

    def look(self) -> None:
        """The text may be another."""
        if len(self._told) == 3 and self._told[2] is not None:
            return
        if self._behind or self._workspace.editor_panel.main.unsaved:
            self._wait()
        else:
            self._stop()

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = self._workspace.set_timer(FORESEE_AFTER, self._ask, name="forecast")

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._workspace.workers.cancel_group(self._workspace, "forecast")
        self._workspace.editor_panel.show_foresight(None)

    def _ask(self) -> None:
        self._timer = None
        work: Any = self._asked  # as a function: a worker that is cancelled before it begins makes no coroutine
        self._workspace.run_worker(
            work, group="forecast", exclusive=True, exit_on_error=False, description="forecast the next build"
        )

    async def _asked(self) -> None:
        app = cast("WorkbenchApp", self._workspace.app)
        panel = self._workspace.editor_panel
        text = panel.editor.text
        found = await foresee(app.engine, app.request, text)
        if panel.is_attached and text == panel.editor.text:
            panel.show_foresight(found)
