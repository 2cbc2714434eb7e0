"""The live loop of an owner, as a display has it: the same methods and the same calls as `build.loop.LiveLoop`."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench.build.engine import Engine
from workbench.build.events import BuildEvent, BuildFinished
from workbench.build.loop import LiveLoop, LoopState, Mode
from workbench.build.request import BuildRequest
from workbench.build.turns import WAITING, InTurn
from workbench.config import Config
from workbench.engines.owner.journal import Reader, Span, build_of, ended_in
from workbench.engines.owner.reach import Reach
from workbench.engines.owner.settings import here
from workbench.engines.owner.wire import LINE_BOUND, decode, encode
from workbench.errors import EngineLost, EngineUnavailable

_AGAIN = 0.3
"""Seconds between two looks at whether an owner of another version has ended."""
_LATE = 5.0
"""Seconds without an answer to a greeting after which a person should know why nothing is built."""
_TURN = 0.01
"""Seconds of folding events after which others on the loop have their turn."""
_UNTOLD = 0.5
"""Seconds before its end from which an owner may not have told a change."""
_DEATHS = 3
"""Owners that may die under one display; then it builds in its own process."""


class OwnedLoop:
    """Every method is called on the thread of the loop that runs `run`; callbacks as those of LiveLoop.

    Where no owner can be had, a LiveLoop of this process takes its place, and `on_told` says so.
    """

    keeps_records = True
    """The owner writes the history."""

    def __init__(
        self,
        engine: Engine,
        make_request: Callable[[], BuildRequest],
        *,
        reach: Reach,
        config: Config,
        version: str,
        watching: bool = True,
        on_focus: bool = False,
        quiet: float = 0.05,
        own: Iterable[Path] = (),
        on_event: Callable[[int, BuildEvent], None] | None = None,
        on_state: Callable[[LoopState], None] | None = None,
        on_told: Callable[[str], None] | None = None,
    ) -> None:
        self.on_event: Callable[[int, BuildEvent], None] = on_event or (lambda revision, event: None)
        self.on_state: Callable[[LoopState], None] = on_state or (lambda state: None)
        self.on_told: Callable[[str], None] = on_told or (lambda text: None)
        self._state = LoopState(watching=watching, on_focus=on_focus)
        self._engine = engine
        self._make_request = make_request
        self._reach = reach
        self._config = replace(config, quiet=quiet)
        self._version = version
        self._own = tuple(own)
        self._inner: LiveLoop | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._unsent: list[dict[str, Any]] = []
        self._reader = Reader(reach.place.folder)
        self._started = False
        self._stopping = False
        self._cancels = False
        self._deaths = 0
        self._unwatched: float | None = None  # since when nobody is known to have watched, where an owner did
        self._seen = ""  # the build (see `build_of`) whose end was told last
        self._hurry = asyncio.Event()
        self._over = asyncio.Event()
        self._over.set()

    # -- what LiveLoop has

    @property
    def state(self) -> LoopState:
        return self._inner.state if self._inner is not None else self._state

    @property
    def engine(self) -> Engine:
        return self._engine

    @engine.setter
    def engine(self, engine: Engine) -> None:
        self._engine = engine
        if self._inner is not None:
            self._inner.engine = self._in_turn()

    @property
    def outlives(self) -> bool:
        """Whether a build goes on when this display leaves it running."""
        return self._inner is None

    async def run(self, *, build_first: bool = False) -> None:
        """Attached to the owner until `stop` or `leave`, once. An owner that dies is replaced, and what it built is
        told to have failed."""
        self._over.clear()
        try:
            while not self._stopping and self._deaths < _DEATHS:
                try:
                    await self._attach(build_first)
                except EngineUnavailable as error:
                    self.on_told(f"Builds end with this window: {error}. {error.hint}".strip())
                    break
                build_first = build_first and self._state.ended is None
                if not self._stopping and not await self._still_there():
                    self._deaths += 1
                    build_first = False
                    if await asyncio.to_thread(ended_in, self._reach.place.folder) in ("", self._seen):
                        self._lost()
            if not self._stopping:
                await self._run_here(build_first)
        finally:
            self._reader.close()
            self._over.set()

    def build_now(self) -> None:
        """Builds the context as it is, with this display's request; a running build is cancelled first."""
        if self._inner is not None:
            self._inner.build_now()
        else:
            self._send({"do": "build_now", **self._settings()})

    def cancel(self) -> None:
        if self._inner is not None:
            self._inner.cancel()
        else:
            self._send({"do": "cancel"})

    def set_watching(self, on: bool) -> None:
        if self._inner is not None:
            self._inner.set_watching(on)
        else:
            self._send({"do": "set_watching", "on": on})

    def set_mode(self, mode: Mode) -> None:
        if self._inner is not None:
            self._inner.set_mode(mode)
        else:
            self._send({"do": "set_mode", "mode": mode})

    def attend(self) -> None:
        """Somebody looks: builds what waited for that. While nobody is attached yet, somebody will be seen to look."""
        if self._inner is not None:
            self._inner.attend()
        elif self._writer is not None:
            self._send({"do": "attend"})

    async def made_from(self) -> tuple[str | None, str]:
        """Known to whoever builds: the owner keeps the records itself."""
        return await self._inner.made_from() if self._inner is not None else (None, "")

    async def stop(self) -> None:
        """Cancels the build, whoever else looks at it, and returns when nothing of it is left."""
        await self._end(cancel=True)

    async def leave(self, *, dropped: bool = False) -> None:
        """Leaves a build running, or to the rule for a dropped line. Without an owner it is cancelled."""
        await self._end(cancel=False, dropped=dropped)

    async def _end(self, *, cancel: bool, dropped: bool = False) -> None:
        self._stopping, self._cancels = True, cancel
        self._hurry.set()
        if self._inner is not None:
            await self._inner.stop()
        elif self._writer is not None and dropped:
            self._writer.close()
        elif self._writer is not None:
            self._send({"do": "bye", "cancel": cancel})
        await self._over.wait()

    # -- the line

    def _settings(self) -> dict[str, Any]:
        config = replace(self._config, **getattr(self._engine, "place", {}))  # another Docker context was chosen
        return here(self._make_request(), config, self._engine.name).to_message()

    def _send(self, message: dict[str, Any]) -> None:
        if self._writer is not None:
            self._writer.write(encode(message))
        else:
            self._unsent.append(message)

    async def _attach(self, build_first: bool) -> None:
        """Follows the owner until its line ends. Raises EngineUnavailable where there is none."""
        told = False
        while not self._stopping:
            line = await asyncio.to_thread(self._reach.connect)
            reader, writer = await asyncio.open_unix_connection(sock=line, limit=LINE_BOUND)
            try:
                answer = await self._greet(reader, writer, build_first)
                if answer is not None and not answer.get("retiring"):
                    await self._follow(reader, writer, answer)
                    return
            finally:
                writer.close()
            if answer is not None and not told and answer["hello"] != self._version:
                told = True
                self.on_told(f"workbench {answer['hello']} still builds here; this one waits for its end")
            if answer is not None:
                await self._pause(_AGAIN)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._hurry.wait(), seconds)
        except TimeoutError:
            return

    async def _greet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, build_first: bool
    ) -> dict[str, Any] | None:
        """The owner's answer; None from one that is about to end."""
        hello = {
            "hello": self._version,
            "build_first": build_first,
            "on_disconnect": self._config.on_disconnect,
            "state": self._state,
            "seen": self._seen,
            "since": self._unwatched,
            **self._settings(),
        }
        late = "The process that runs the builds of this context does not answer; it is waited for"
        told = asyncio.get_running_loop().call_later(_LATE, self.on_told, late)
        try:
            writer.write(encode(hello))
            answer = await reader.readline()
            return decode(answer) if answer else None
        except (OSError, ValueError):
            return None
        finally:
            told.cancel()

    async def _follow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
        self._writer = writer
        unsent, self._unsent = self._unsent, []
        for message in unsent:
            self._send(message)
        if self._stopping:
            self._send({"do": "bye", "cancel": self._cancels})
        if answer["building"] is not None and not self._started:
            self.on_told(f"Attached to the build that runs here, r{answer['building']}")
        self._started = True
        try:
            while (line := await reader.readline()).endswith(b"\n"):  # the last one may be cut short
                await self._take(decode(line))
        except OSError:
            return
        except ValueError as error:  # what the owner wrote cannot be read: begun anew, but not for ever
            self._deaths += 1
            self.on_told(f"The build is shown from its beginning again: {error}")
        finally:
            self._writer = None

    async def _take(self, message: dict[str, Any]) -> None:
        self._unwatched = message["at"] - _UNTOLD  # an owner that lives goes on, and takes no notice of it
        if "journal" in message:
            span = Span(message["journal"], message["from"], message["to"], message["text"])
            await self._take_events(message["revision"], span)
        elif "state" in message:
            self._tell(message["state"])
        elif "told" in message:
            self.on_told(message["told"])

    async def _take_events(self, revision: int, span: Span) -> None:
        pieces = self._reader.read(span)
        rest = time.monotonic()
        while (events := await asyncio.to_thread(_next, pieces)) is not None:
            for event in events:
                self.on_event(revision, event)
                if isinstance(event, BuildFinished):
                    self._seen = build_of(span.name)
                if time.monotonic() - rest > _TURN:
                    await asyncio.sleep(0)
                    rest = time.monotonic()

    def _tell(self, state: LoopState) -> None:
        known = self._state
        if type(state.error) is type(known.error) and (state.problem, state.ended) == (known.problem, known.ended):
            state = replace(state, error=known.error)  # the same one, which came over the line again
        if state != self._state:
            self._state = state
            self.on_state(state)

    # -- when it is gone

    async def _still_there(self) -> bool:
        """Whether the owner lives, and only this line ended: it lets go of a display that was stopped for long."""
        line: socket.socket | None = await asyncio.to_thread(self._reach.there)
        if line is not None:
            line.close()
        return line is not None

    def _lost(self) -> None:
        revision = self._state.building
        if revision is None:
            return
        lost = EngineLost(
            "the process that ran the build went away",
            hint="Build again (F5). Where it keeps going away, see whether memory ran out (dmesg).",
        )
        self.on_event(revision, BuildFinished(outcome="failed", error=str(lost), hint=lost.hint, lost=True))
        self._seen = self._reader.build
        self._tell(replace(self._state, building=None, ended=revision, outcome="failed", problem=str(lost), error=lost))

    def _in_turn(self) -> Engine:
        return InTurn(self._engine, alone=True, on_wait=lambda: self.on_told(WAITING))

    async def _run_here(self, build_first: bool) -> None:
        self._inner = LiveLoop(
            self._in_turn(), self._make_request, quiet=self._config.quiet,
            own=self._own, on_event=self.on_event, on_state=self.on_state,
        )  # fmt: skip
        self._inner.take_up(self._state)
        self.keeps_records = False
        if any(message["do"] == "build_now" for message in self._unsent):
            build_first = True
        await self._inner.run(build_first=build_first, since=self._unwatched)


def _next(pieces: Any) -> Sequence[BuildEvent] | None:
    """The next piece, None at the end: StopIteration cannot cross a future."""
    found: Sequence[BuildEvent] | None = next(pieces, None)
    return found
