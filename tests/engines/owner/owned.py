"""An engine whose builds run in the owner of their context, one after the other: what the contract looks at."""

from __future__ import annotations

import asyncio
from pathlib import Path

from workbench.build.engine import Capabilities, Engine, EngineInfo
from workbench.build.events import BuildEvent, BuildFinished
from workbench.build.images import ImageStore
from workbench.build.loop import LoopState
from workbench.build.request import BuildRequest
from workbench.cli.owner import owned_loop
from workbench.config import Config
from workbench.engines.owner.loop import OwnedLoop


class OwnedEngine:
    """`inner` is the same engine in this process: it has the images."""

    def __init__(self, inner: Engine, context: Path, config: Config) -> None:
        self.inner = inner
        self.request = BuildRequest(context=context)
        self.current: OwnedBuild | None = None
        self.loop: OwnedLoop = owned_loop(
            inner, lambda: self.request, config=config, watching=False,
            on_event=self._on_event, on_state=self._on_state,
        )  # fmt: skip
        self._task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def images(self) -> ImageStore:
        return self.inner.images

    def capabilities(self) -> Capabilities:
        return self.inner.capabilities()

    async def check(self) -> EngineInfo:
        return await self.inner.check()

    def build(self, request: BuildRequest) -> OwnedBuild:
        return OwnedBuild(self, request)

    def begin(self, build: OwnedBuild) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self.loop.run())
        self.current, self.request = build, build.request
        self.loop.build_now()

    def _on_event(self, revision: int, event: BuildEvent) -> None:
        if self.current is not None:
            self.current.told.put_nowait(event)

    def _on_state(self, state: LoopState) -> None:
        """A build that could not start has no event: its error is in the state."""
        if self.current is not None and state.building is None and state.error is not None:
            self.current.told.put_nowait(state.error)

    async def close(self) -> None:
        if self._task is not None:
            await self.loop.stop()
            await self._task
        await self.inner.close()


class OwnedBuild:
    """Implements `build.engine.Build`."""

    def __init__(self, engine: OwnedEngine, request: BuildRequest) -> None:
        self.request = request
        self.told: asyncio.Queue[BuildEvent | BaseException] = asyncio.Queue()
        self._engine = engine
        self._over = False

    def __aiter__(self) -> OwnedBuild:
        return self

    async def __anext__(self) -> BuildEvent:
        if self._over:
            raise StopAsyncIteration
        if self._engine.current is not self:
            self._engine.begin(self)
        event = await self.told.get()
        if isinstance(event, BaseException):
            self._over = True
            raise event
        self._over = isinstance(event, BuildFinished)
        return event

    def cancel(self) -> None:
        self._engine.loop.cancel()

    async def aclose(self) -> None:
        if not self._over and self._engine.current is self:
            self.cancel()
            async for _ in self:
                pass
