"""Textual's Linux driver that sends only the cells that changed, in frames, and never more than the line takes."""

from __future__ import annotations

import signal
import threading
import time
from asyncio import TimerHandle
from typing import TYPE_CHECKING, Any, TextIO, cast

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from workbench.tui.driver.dialect import Dialect, first_environment
from workbench.tui.driver.sender import Sender
from workbench.tui.driver.shadow import Shadow
from workbench.tui.driver.signs import fit_for

if TYPE_CHECKING:
    from workbench.tui.first_paint import FirstPaint

FRAME = 1 / 20
"""Seconds between two frames. The first one after a pause does not wait."""

_START = 0.5
"""Seconds from the start in which no frame waits for another: the first paint is what a person waits for."""

_TOGETHER = 0.004
"""Seconds that output which no flush has followed waits for more."""

_SETTLE = 0.15
"""Seconds that frames wait, after the terminal's size has changed, for Textual to draw for the new one."""


class ShadowDriver(LinuxDriver):
    """What `write` gets goes to a `Shadow`; a timer of the app's loop sends the frames by a thread of their own.

    While the terminal has not taken the last frame no other is made: over a slow line the next one shows what is on
    the screen by then, and nothing of what was there in between.
    """

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        self._dialect = Dialect.of(first_environment())
        super().__init__(app, debug=debug, mouse=mouse and self._dialect.mouse, size=size)
        encoding = "ascii" if self._dialect.ascii else str(getattr(self._file, "encoding", None) or "utf-8")
        self._shadow = Shadow(*(size or self._get_terminal_size()), fit=fit_for(encoding))
        self._painted: FirstPaint | None = getattr(app, "painted", None)
        self._sender: Sender | None = None
        self._lock = threading.RLock()  # the thread that reads keys writes too
        self._within = False
        self._timer: TimerHandle | None = None
        self._next_frame = 0.0
        self._started = 0.0

    # -- what Textual calls

    def start_application_mode(self) -> None:
        if self._painted is not None:
            self._shadow = self._painted.taken_over() or self._shadow
            self._painted = None
        if self._sender is None:
            self._started = time.monotonic()
            self._sender = Sender(cast(TextIO, self._file))
            self._sender.start()
        super().start_application_mode()  # type: ignore[no-untyped-call]
        resized = signal.getsignal(signal.SIGWINCH)

        def on_resize(number: int, frame: Any) -> None:
            self._loop.call_soon_threadsafe(self._forget_size)
            if callable(resized):
                resized(number, frame)

        if resized is not signal.SIG_DFL:
            signal.signal(signal.SIGWINCH, on_resize)
        self._loop.call_soon_threadsafe(self._wait)  # a signal may have brought us here: the loop may be asleep

    def close(self) -> None:
        """All that is pending is written before this returns."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.when_idle = None
            sender.stop()
        super().close()

    def write(self, data: str) -> None:
        if self._sender is None:
            return  # closed, or not in application mode: there is no terminal to write to
        with self._lock:
            self._within = True
            try:
                size = self._app.size
                if size != self._shadow.size:
                    self._shadow.resize(size.width, size.height)
                    self._next_frame = 0.0
                at_once = self._shadow.feed(data)
            finally:
                self._within = False
            if at_once:
                self._sender.put(self._dialect.speak(at_once))
        if self._shadow.waiting and self._timer is None:
            if threading.get_ident() == self._app._thread_id:
                self._wait()
            else:
                self._loop.call_soon_threadsafe(self._wait)

    def flush(self) -> None:
        """Textual has drawn what it wanted to: the end of a frame."""
        if (
            self._shadow.waiting
            and time.monotonic() >= self._next_frame
            and threading.get_ident() == self._app._thread_id
        ):
            self._send()

    # -- frames

    def _wait(self, seconds: float = _TOGETHER) -> None:
        if self._timer is None and self._sender is not None:
            seconds = max(seconds, self._next_frame - time.monotonic())
            self._timer = self._loop.call_later(seconds, self._due)

    def _due(self) -> None:
        self._timer = None
        if self._shadow.waiting:
            if time.monotonic() < self._next_frame:
                self._wait()
            else:
                self._send()

    def _send(self) -> None:
        sender = self._sender
        if sender is None:
            return
        if sender.busy:
            sender.when_idle = self._go_on
            if sender.busy:  # still: it will tell
                return
        with self._lock:
            self._within = True
            try:
                out = self._shadow.frame()
            finally:
                self._within = False
            if out:
                sender.put(self._dialect.speak(out))
                now = time.monotonic()
                self._next_frame = now + FRAME if now - self._started > _START else now

    def _go_on(self) -> None:
        self._loop.call_soon_threadsafe(self._wait, 0.0)

    # -- what happens to the terminal

    def _forget_size(self) -> None:
        """Terminals move text about when their size changes. Where Textual does not draw again (the old size came
        back before it looked) the shadow does."""
        with self._lock:
            self._shadow.forget()
        self._next_frame = time.monotonic() + _SETTLE
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wait()

    def _sigtstp_application(self, *_: Any) -> None:
        """A signal may come in the middle of a frame; it waits for its end."""
        if self._within:
            self._loop.call_soon_threadsafe(self._sigtstp_application)
        else:
            super()._sigtstp_application()
