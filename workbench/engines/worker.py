"""A build whose work blocks: run on a thread of its own, told to the loop as events, cancelled from outside.

Every engine whose work is disk, sockets or subprocesses wraps it in a `ThreadBuild`, which keeps the laws that do
not depend on the engine: one `BuildFinished`, last; a failure to start raises, a later one is data; cancelling ends
in `cancelled`; a loop that reads slowly slows the work down, and loses nothing.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from workbench.build.events import BuildEvent, BuildFinished
from workbench.errors import EngineLost, InputError, WorkbenchError

if TYPE_CHECKING:
    from workbench.context.scan import Scan

QUEUE_BOUND = 4096
"""Events that wait for the loop before the work is held."""


class Cancelled(Exception):
    """Raised in the work's thread at its next `Cancel.check`."""


class Cancel:
    """Asked once, heard everywhere: `check` raises Cancelled, callbacks end what blocks (a process, a socket)."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []

    @property
    def asked(self) -> bool:
        return self._event.is_set()

    def ask(self) -> None:
        """From any thread, any number of times."""
        with self._lock:
            if self._event.is_set():
                return
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def check(self) -> None:
        if self._event.is_set():
            raise Cancelled

    def on_ask(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls `callback` when cancelling is asked (at once if it was). Returns a function that forgets it."""
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return lambda: self._forget(callback)
        callback()
        return lambda: None

    def _forget(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)


Emit = Callable[[BuildEvent], None]
Work = Callable[[Emit, Cancel], None]


class ThreadBuild:
    """Implements `build.engine.Build` over `work(emit, cancel)`, which blocks and runs on its own thread.

    `work` emits its events, `BuildFinished` included, and may raise: before its first event the error reaches the
    reader of the first event; after it the error becomes `BuildFinished("failed")` (a WorkbenchError in its own words;
    an InputError is `unfit`). `Cancelled`, or any error once cancelling was asked, becomes
    `BuildFinished("cancelled")`.
    """

    def __init__(self, work: Work, *, name: str = "build") -> None:
        self.scan: Scan | None = None
        """As `Build` has it; `work` may set it."""
        self._work = work
        self._name = name
        self._cancel = Cancel()
        self._events: deque[BuildEvent] = deque()
        self._room = threading.Condition()
        self._error: BaseException | None = None
        self._ended = False  # the thread has nothing more to say
        self._started_at = time.monotonic()
        self._emitted = False
        self._finished = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None

    def __aiter__(self) -> AsyncIterator[BuildEvent]:
        return self

    async def __anext__(self) -> BuildEvent:
        if self._thread is None:
            self._start()
        assert self._wake is not None
        while True:
            with self._room:
                if self._events:
                    event = self._events.popleft()
                    self._room.notify()
                    return event
                if self._ended:
                    error, self._error = self._error, None
                    if error is not None:
                        raise error
                    raise StopAsyncIteration
                self._wake.clear()
            await self._wake.wait()

    def cancel(self) -> None:
        self._cancel.ask()
        with self._room:
            self._room.notify_all()

    async def aclose(self) -> None:
        self.cancel()
        thread = self._thread
        if thread is not None and thread.is_alive():
            with self._room:
                self._events.clear()
                self._room.notify_all()
            await asyncio.to_thread(self._drain, thread)

    def _drain(self, thread: threading.Thread) -> None:
        while thread.is_alive():
            with self._room:
                self._events.clear()
                self._room.notify_all()
            thread.join(0.02)

    def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._cancel.check()
            self._work(self._emit, self._cancel)
            if not self._finished:
                raise RuntimeError("the engine ended a build without saying how")
        except BaseException as error:
            self._end_with(error)
        finally:
            with self._room:
                self._ended = True
            self._tell()

    def _end_with(self, error: BaseException) -> None:
        if self._finished:
            return
        seconds = time.monotonic() - self._started_at
        if self._cancel.asked or isinstance(error, Cancelled):
            self._emit(BuildFinished(outcome="cancelled", seconds=seconds))
        elif not self._emitted:
            self._error = error
        elif isinstance(error, WorkbenchError):
            self._emit(
                BuildFinished(
                    outcome="failed", error=str(error), hint=error.hint, seconds=seconds,
                    lost=isinstance(error, EngineLost), unfit=isinstance(error, InputError),
                )
            )  # fmt: skip
        else:
            what = f"{type(error).__name__}: {error}"
            self._emit(BuildFinished(outcome="failed", error=f"internal error: {what}", seconds=seconds))

    def _emit(self, event: BuildEvent) -> None:
        with self._room:
            if self._finished:
                raise RuntimeError(f"{type(event).__name__} after BuildFinished")
            while len(self._events) >= QUEUE_BOUND and not self._cancel.asked:
                self._room.wait(0.5)
            self._events.append(event)
            self._emitted = True
            self._finished = isinstance(event, BuildFinished)
            first = len(self._events) == 1
        if first:
            self._tell()

    def _tell(self) -> None:
        assert self._loop is not None and self._wake is not None
        try:
            self._loop.call_soon_threadsafe(self._wake.set)
        except RuntimeError:
            self._cancel.ask()  # the loop is closed: nobody reads any more
