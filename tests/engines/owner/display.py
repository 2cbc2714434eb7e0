"""A display without a screen: attached to the owner of a context, it keeps what it was told."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from workbench.build.engine import Engine
from workbench.build.events import BuildEvent, BuildFinished, StepLog
from workbench.build.loop import LoopState
from workbench.build.request import BuildRequest
from workbench.cli.owner import owned_loop
from workbench.config import Config
from workbench.engines.choose import make
from workbench.engines.owner.loop import OwnedLoop


class Display:
    """`events` are of the build that was told last, with the revision that each belongs to."""

    def __init__(self, context: Path, config: Config, *, watching: bool = True, engine: Engine | None = None) -> None:
        self.request = BuildRequest(context=context, tags=("wb-owner-test",))
        self.events: list[tuple[int, BuildEvent]] = []
        self.states: list[LoopState] = []
        self.told: list[str] = []
        self.moved = asyncio.Event()
        self.loop: OwnedLoop = owned_loop(
            engine or make(config.engine, config), lambda: self.request, config=config, watching=watching,
            on_event=self._on_event, on_state=self._on_state, on_told=self.told.append,
        )  # fmt: skip
        self.task: asyncio.Task[None] | None = None

    def start(self, *, build_first: bool = True) -> Display:
        self.task = asyncio.create_task(self.loop.run(build_first=build_first))
        return self

    def _on_event(self, revision: int, event: BuildEvent) -> None:
        if type(event).__name__ == "BuildStarted":
            self.events.clear()
        self.events.append((revision, event))
        self.moved.set()

    def _on_state(self, state: LoopState) -> None:
        self.states.append(state)
        self.moved.set()

    @property
    def log(self) -> str:
        return "".join(event.text for _, event in self.events if isinstance(event, StepLog))

    @property
    def finished(self) -> BuildFinished | None:
        return next((event for _, event in self.events if isinstance(event, BuildFinished)), None)

    async def until(self, wanted: Callable[[], object], what: str, seconds: float = 20) -> None:
        """Waits for what the owner tells."""
        end = time.monotonic() + seconds
        while not wanted():
            assert time.monotonic() < end, f"{what}: {self.states[-4:]}, {self.told}, {self.events[-3:]}"
            self.moved.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.moved.wait(), 0.2)

    async def until_built(self) -> None:
        await self.until(lambda: self.loop.state.settled and self.finished is not None, "not built")

    async def until_running(self) -> None:
        await self.until(lambda: self.loop.state.building is not None and self.log, "nothing runs")

    async def _end(self, ending: Awaitable[None]) -> None:
        await asyncio.wait_for(ending, 10)
        assert self.task is not None
        await self.task

    async def stop(self) -> None:
        await self._end(self.loop.stop())

    async def leave(self) -> None:
        await self._end(self.loop.leave())

    async def drop(self) -> None:
        """The line breaks."""
        await self._end(self.loop.leave(dropped=True))


def owners_of(context: Path) -> list[int]:
    """Process IDs of the owners of a context: never more than one, one that is just starting or ending apart."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if words[-2:-1] == [os.fsencode(context)] and any(b"workbench.cli.owner" in word for word in words):
                found.append(int(folder.name))
    return found


async def until_gone(context: Path, seconds: float = 10) -> None:
    """Waits until no owner of the context is left."""
    end = time.monotonic() + seconds
    while owners_of(context):
        assert time.monotonic() < end, f"the owner is still there: {owners_of(context)}"
        await asyncio.sleep(0.02)
