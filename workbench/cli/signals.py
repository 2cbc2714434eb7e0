"""Signals: outside a loop they raise, so that temporary folders go; inside they ask for an end, and a second one
does not wait."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asked this process to end."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


def _raise(signum: int, frame: FrameType | None) -> None:
    raise Interrupted(signum)


def _heard() -> list[signal.Signals]:
    """Those that the parent did not ask us to ignore (nohup)."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def raising() -> Iterator[None]:
    """Within it SIGINT, SIGTERM and SIGHUP raise Interrupted. Does nothing off the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _raise) for number in _heard()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Stop:
    """The wish to end: `signum` once it came; `on_stop` is called then, else the running task is cancelled."""

    def __init__(self) -> None:
        self.signum: int | None = None
        self.on_stop: Callable[[], None] | None = None


def run(work: Callable[[Stop], Coroutine[Any, Any, int]]) -> int:
    """Runs `work` in a loop; its exit code, or 128+N where signal N ended it. A second signal ends the process."""
    import asyncio

    stop = Stop()
    return asyncio.run(_guarded(work, stop))


async def _guarded(work: Callable[[Stop], Coroutine[Any, Any, int]], stop: Stop) -> int:
    import asyncio

    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work(stop))

    def heard(signum: int) -> None:
        if stop.signum is not None:
            os._exit(128 + signum)
        stop.signum = signum
        if stop.on_stop is not None:
            stop.on_stop()
        else:
            task.cancel()

    main_thread = threading.current_thread() is threading.main_thread()
    numbers = _heard() if main_thread else []
    for number in numbers:
        loop.add_signal_handler(number, heard, int(number))
    try:
        code = await task
    except asyncio.CancelledError:
        if stop.signum is None:
            raise
        raise Interrupted(stop.signum) from None
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, _raise)
    return 128 + stop.signum if stop.signum is not None and code != 0 else code


@contextmanager
def asking() -> Iterator[None]:
    """Within it SIGINT raises KeyboardInterrupt at once: for a question that blocks inside a loop."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
