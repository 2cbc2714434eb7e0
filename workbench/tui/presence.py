"""Whether the engine is there: the title and the images say so, and what could not be built is built when it is back.

The engine's images tell when they may have changed, its going and coming included: nobody asks again and again while
all is well. An engine that hangs keeps its connections, which tell nothing: one that owes an answer is asked for it.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

from workbench.build.engine import Engine
from workbench.errors import EngineError, WorkbenchError
from workbench.tui.widgets.title import TitleLine

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

_PAUSES = (1.0, 1.0, 2.0, 3.0, 5.0)
"""Seconds before an engine that owes an answer is asked again; the last one for ever. Over ssh each time is a login."""


class Presence:
    """Of the app's engine, whichever that is now."""

    def __init__(self, app: WorkbenchApp) -> None:
        self._app = app
        self._away = False
        self._asked: Engine | None = None

    async def introduce(self) -> None:
        """Puts the engine's version into the title. One that does not answer is left to who needs it."""
        engine = self._app.engine
        try:
            info = await engine.check()
        except WorkbenchError:
            return
        if engine is self._app.engine:
            self._title.version = info.version

    def changed(self, name: str, version: str) -> None:
        """Another engine, which has answered."""
        self._title.engine, self._title.version = name, version
        self._show(away=False)

    def lost(self, error: EngineError) -> None:
        """It does not answer. Told once, however often it is tried."""
        if self._away:
            return
        self._show(away=True)
        told = f"{error}\nIt is tried again until it answers. {error.hint}".strip()
        self._app.notify(told, title="The engine does not answer", severity="warning", markup=False, timeout=10)
        self.doubt()

    def doubt(self) -> None:
        """A build could not be made for want of the engine: is it there?"""
        if self._asked is not self._app.engine:
            self._asked = self._app.engine
            self._app.work(self._ask(self._asked), "presence", "ask whether the engine is there")

    async def _ask(self, engine: Engine) -> None:
        """Until it answers, and has listed its images if it was away, or another engine is taken."""
        try:
            for pause in itertools.chain(_PAUSES, itertools.repeat(_PAUSES[-1])):
                trouble = await _trouble(engine)
                if engine is not self._app.engine:
                    return
                if trouble is not None:
                    self.lost(trouble)
                elif self._away:
                    await self._app.image_actions.refresh()
                if not self._away:
                    return
                await asyncio.sleep(pause)
        finally:
            if self._asked is engine:
                self._asked = None

    def found(self) -> None:
        """It answers. Where it was away: the revision whose build it could not make is built now, while watching."""
        if not self._away:
            return
        self._show(away=False)
        self._app.notify(f"{self._app.engine_in_use} answers again", title="Engine", markup=False)
        self._app.work(self.introduce(), "introduce", "ask the engine for its version")
        live = self._app.live
        if live is None or live.running or live.state.mode != "on":
            return
        if isinstance(live.state.error, EngineError):
            live.loop.build_now()

    def _show(self, *, away: bool) -> None:
        self._away = self._title.away = self._app.workspace.images_box.away = away

    @property
    def _title(self) -> TitleLine:
        return self._app.base.query_one(TitleLine)


async def _trouble(engine: Engine) -> EngineError | None:
    try:
        await engine.check()
    except EngineError as error:
        return error
    return None
