"""The owner: takes displays in over its socket, does what they ask, and ends when nobody is there and nothing runs."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.build.loop import LoopState
from workbench.build.turns import Turn
from workbench.dataclass import dataclass
from workbench.engines.owner.builds import Builds, Remember, state_after, told_of
from workbench.engines.owner.journal import Left, left_in
from workbench.engines.owner.place import LOG_BOUND, Place, peer_of
from workbench.engines.owner.settings import MakeEngine, Settings
from workbench.engines.owner.wire import LINE_BOUND, decode, encode

PATIENCE = 15.0
"""Seconds that an owner waits for its first display."""

_BEHIND = 1024 * 1024
"""Bytes of messages that a display may have before it; beyond them (it was stopped) it is let go, and may come again:
all is in the journal."""
_TURN_WITHIN = 10.0


@dataclass(eq=False, slots=True)
class _Display:
    """One that is attached. `cancels` says what its line's end means for a build that runs."""

    writer: asyncio.StreamWriter
    cancels: bool = False
    let_go: bool = False

    def send(self, message: dict[str, Any]) -> None:
        """With when it was told, which may be long before it is read."""
        if self.writer.is_closing():
            return
        self.writer.write(encode({**message, "at": time.time()}))
        if self.writer.transport.get_write_buffer_size() > _BEHIND:
            self.let_go = True
            self.writer.transport.abort()


class Owner:
    """`serve` is its whole life. `version` is what both ends must have in common."""

    def __init__(
        self, context: Path, place: Place, make_engine: MakeEngine, remember: Remember, *, version: str
    ) -> None:
        self._context = context
        self._place = place
        self._version = version
        self._displays: set[_Display] = set()
        self._builds = Builds(place.folder, make_engine, remember, self._tell, lambda: len(self._displays))
        self._starting = asyncio.Lock()
        self._watching = True
        self._retiring = False
        self._over = asyncio.Event()
        self._left: Left | None = None

    async def serve(self, ready: Callable[[], None]) -> None:
        """Owns the context's builds until nobody needs it; returns at once where another owner does. `ready` is called
        when a display can connect to either. Raises OSError where the state folder cannot be used."""
        turn = Turn(self._context, of="owner")
        if not await self._take(turn):
            ready()
            return
        try:
            self._place.make()
            self._left = await asyncio.to_thread(left_in, self._place.folder)
            server = await asyncio.start_unix_server(self._attached, sock=self._place.listen(), limit=LINE_BOUND)
            self._hear_signals()
            ready()
            asyncio.get_running_loop().call_later(PATIENCE, self._settle)
            await self._over.wait()
            self._place.leave()
            server.close()
            await self._builds.stop()
            for display in list(self._displays):
                display.send({"bye": True})
                display.writer.close()
            self._place.leave()
        finally:
            turn.end()

    async def _take(self, turn: Turn) -> bool:
        """Waits for an owner that is about to end; one that answers stays."""
        end = asyncio.get_running_loop().time() + _TURN_WITHIN
        while not turn.take(alone=True):
            try:
                self._place.connect().close()
                return False
            except OSError as error:
                if asyncio.get_running_loop().time() > end:
                    raise TimeoutError("another owner neither answers nor ends") from error
            await asyncio.sleep(0.02)
        return True

    def _hear_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._over.set)
        for number in (signal.SIGHUP, signal.SIGINT):  # heard, not ignored: a step would inherit that
            loop.add_signal_handler(number, lambda: None)

    # -- displays

    async def _attached(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        display = _Display(writer)
        said_bye = False
        try:
            if peer_of(writer.get_extra_info("socket")) == os.geteuid() and await self._greet(reader, display):
                said_bye = await self._hear(reader, display)
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a line that broke: what it means is for `_detach`
        finally:
            self._detach(display, said_bye)
            writer.close()

    async def _greet(self, reader: asyncio.StreamReader, display: _Display) -> bool:
        """Whether it is one of ours, attached now."""
        hello = decode(await reader.readline() or b"{}")
        if hello.get("hello") != self._version or self._retiring or self._over.is_set():
            self._retiring = self._retiring or ("hello" in hello and not self._over.is_set())
            display.send({"hello": self._version, "retiring": True})
            return False
        settings = Settings.of(hello)
        display.cancels = hello["on_disconnect"] == "cancel"
        async with self._starting:
            told = await self._start(settings, hello)
        display.send({"hello": self._version, "building": self._builds.loop.state.building})
        for message in [*self._builds.present(), *told]:
            display.send(message)
        self._displays.add(display)
        self._builds.seen = True
        return True

    async def _start(self, settings: Settings, hello: dict[str, Any]) -> list[dict[str, Any]]:
        """Starts the loop for the first display, and goes on with it for others. What the new one is told."""
        if self._builds.started:
            if not self._displays:
                self._builds.loop.set_watching(self._watching)
            if self._use(settings) and hello["build_first"]:
                self._builds.loop.build_next()
            return []
        state: LoopState = hello["state"]
        build_first, since, told = bool(hello["build_first"]), hello["since"], []
        left, self._left = self._left, None
        if left is not None and left.build == hello["seen"]:
            left.path.unlink(missing_ok=True)
        elif left is not None:
            state = state_after(left, state)
            build_first, since = build_first and left.finished.lost, left.at
            self._builds.take(left)
            told = [{"told": told_of(left.finished)}]
        self._builds.start(settings, state, build_first=build_first, since=since)
        return told

    def _use(self, settings: Settings, by: _Display | None = None) -> bool:
        """Builds with them from the next one on; whether something else comes of it than before. Others are told."""
        before, self._builds.settings = self._builds.settings, settings
        assert before is not None, "there are some from the start on"
        if settings.place == before.place and settings.request == before.request:
            return False
        how = f"on {settings.config.engine}" if settings.place != before.place else "with other options"
        told = f"Another workbench has this context built {how}. F5 builds as this one says."
        for display in self._displays - {by}:
            display.send({"told": told})
        return True

    async def _hear(self, reader: asyncio.StreamReader, display: _Display) -> bool:
        """Does what the display asks, until it says that it goes."""
        while line := await reader.readline():
            message = decode(line)
            if "request" in message:
                self._use(Settings.of(message), by=display)
            match message.get("do"):
                case "build_now":
                    self._builds.loop.build_now()
                case "cancel":
                    self._builds.loop.cancel()
                case "set_watching":
                    self._builds.loop.set_watching(bool(message["on"]))
                case "set_mode":
                    self._builds.loop.set_mode(message["mode"])
                case "attend":
                    self._builds.loop.attend()
                case "bye":
                    if message["cancel"]:
                        await self._cancel()
                    return True
        return False

    async def _cancel(self) -> None:
        self._builds.loop.cancel()
        while not self._builds.idle:
            self._builds.ended.clear()
            await self._builds.ended.wait()

    def _detach(self, display: _Display, said_bye: bool) -> None:
        if display not in self._displays:
            if self._builds.started or self._retiring:  # who only looks whether somebody is here ends nothing
                self._settle()
            return
        self._displays.discard(display)
        if not self._displays:
            loop = self._builds.loop
            if display.cancels and not said_bye and not display.let_go:
                loop.cancel()
            self._watching = loop.state.watching
            loop.set_watching(False)  # nobody sees what a save would start
        self._settle()

    def _tell(self, message: dict[str, Any]) -> None:
        for display in list(self._displays):
            display.send(message)
        if "state" in message:
            asyncio.get_running_loop().call_soon(self._settle)

    def _settle(self) -> None:
        """Ends where nobody is attached and nothing runs, or where one of another version wants its place."""
        if self._builds.idle and (self._retiring or not self._displays) and not self._starting.locked():
            self._over.set()
        log = self._place.log
        if log.exists() and log.stat().st_size > LOG_BOUND:
            os.truncate(log, 0)
