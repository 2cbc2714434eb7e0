"""Never two builds of one context at once: a turn that one holder has alone, or that several share.

A live loop builds alone. Headless builds share a turn with each other, as they do with Docker, and none runs while a
live loop builds. A turn ends with its process. Source: "Open file description locks" in fcntl(2).
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.build.engine import Build, Capabilities, Engine, EngineInfo
from workbench.build.events import BuildEvent, BuildFinished
from workbench.build.images import ImageStore
from workbench.build.request import BuildRequest
from workbench.config import state_dir

if TYPE_CHECKING:
    from workbench.build.forecast import Forecast
    from workbench.context.scan import Scan

WAITING = "another workbench builds this context; waiting for its end"
_AGAIN = 0.05
"""Seconds between two looks at whether the turn is free."""


def identity(context: Path) -> bytes:
    """The digest that stands for a context on this machine, by whatever links it is reached. The machine's name is
    part of it: homes, and with them state folders, may be shared."""
    text = os.fsencode(os.uname().nodename) + b"\0" + os.fsencode(context.resolve())
    return hashlib.sha256(text).digest()


class Turn:
    """A lock on one byte of one file for all contexts, so that no file is left for each. Raises OSError where the
    state folder cannot be written."""

    def __init__(self, context: Path, *, of: str = "build") -> None:
        """`of` names what it is a turn of."""
        digest = hashlib.sha256(of.encode() + identity(context)).digest()
        self._at = int.from_bytes(digest[:8], "big") >> 2
        self._file: int | None = None

    def take(self, *, alone: bool) -> bool:
        """Whether it was free, and is now held."""
        if self._file is None:
            folder = state_dir()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(folder / "turns", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        kind = fcntl.F_WRLCK if alone else fcntl.F_RDLCK
        wanted = struct.pack("hhqqi4x", kind, os.SEEK_SET, self._at, 1, 0)
        try:
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, wanted)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise
        return True

    def end(self) -> None:
        """Gives it up. Not holding it is no error."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


class InTurn:
    """An engine whose builds wait for their turn. Everything else is the engine's own.

    `on_wait` is called once where a build has to wait. Where there can be no turns (a state folder that cannot be
    written), it builds without.
    """

    def __init__(self, engine: Engine, *, alone: bool, on_wait: Callable[[], None]) -> None:
        self.engine = engine
        self._alone = alone
        self._on_wait = on_wait

    @property
    def name(self) -> str:
        return self.engine.name

    @property
    def images(self) -> ImageStore:
        return self.engine.images

    def capabilities(self) -> Capabilities:
        return self.engine.capabilities()

    async def check(self) -> EngineInfo:
        return await self.engine.check()

    def build(self, request: BuildRequest) -> Build:
        build = self.engine.build(request)
        if request.context is None:
            return build
        return _BuildInTurn(build, Turn(request.context), self._alone, self._on_wait)

    async def forecast(self, request: BuildRequest) -> Forecast | None:
        return await self.engine.forecast(request)

    async def close(self) -> None:
        await self.engine.close()


class _BuildInTurn:
    """Implements `build.engine.Build`: the turn is held from before the first event until the last or `aclose`."""

    def __init__(self, build: Build, turn: Turn, alone: bool, on_wait: Callable[[], None]) -> None:
        self._build = build
        self._turn = turn
        self._alone = alone
        self._on_wait = on_wait
        self._started = False
        self._cancelled = asyncio.Event()

    def __aiter__(self) -> AsyncIterator[BuildEvent]:
        return self

    async def __anext__(self) -> BuildEvent:
        if not self._started:
            self._started = True
            await self._wait()
        try:
            event = await self._build.__anext__()
        except Exception:
            self._turn.end()
            raise
        if isinstance(event, BuildFinished):
            self._turn.end()
        return event

    async def _wait(self) -> None:
        told = False
        try:
            while not self._turn.take(alone=self._alone) and not self._cancelled.is_set():
                if not told:
                    told = True
                    self._on_wait()
                try:
                    await asyncio.wait_for(self._cancelled.wait(), _AGAIN)
                except TimeoutError:
                    continue
        except OSError:
            self._turn.end()

    @property
    def scan(self) -> Scan | None:
        return self._build.scan

    def cancel(self) -> None:
        self._cancelled.set()
        self._build.cancel()

    async def aclose(self) -> None:
        self._cancelled.set()
        try:
            await self._build.aclose()
        finally:
            self._turn.end()
