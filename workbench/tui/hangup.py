"""A terminal that went away: noticed also where no SIGHUP comes (nohup, a terminal that is not the controlling one),
and let go of, so that nothing that is still written can block or fail the ending."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable

TERMINAL = (0, 1, 2)
"""Descriptors that a terminal program holds its terminal by."""


def hung_up(descriptor: int) -> bool:
    """Whether what is behind the descriptor is gone for good."""
    return bool(_poll(descriptor, 0))


def watch(descriptor: int, gone: Callable[[], None]) -> None:
    """Calls `gone`, on a thread of its own, once the terminal has hung up. Costs nothing until then."""

    def wait() -> None:
        if _poll(descriptor, None):
            gone()

    threading.Thread(target=wait, name="hangup", daemon=True).start()


def let_go() -> bool:
    """Puts /dev/null in the place of every descriptor whose terminal hung up: writing to one would raise EIO.
    Returns whether there was one."""
    lost = [descriptor for descriptor in TERMINAL if hung_up(descriptor)]
    if lost:
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in lost:
            os.dup2(nothing, descriptor)
        os.close(nothing)
    return bool(lost)


def end_at_the_latest(seconds: float, code: int) -> None:
    """Ends the process with that code when it has not ended by itself until then."""
    timer = threading.Timer(seconds, os._exit, (code,))
    timer.daemon = True
    timer.start()


def _poll(descriptor: int, milliseconds: int | None) -> bool:
    poll = select.poll()
    poll.register(descriptor, 0)  # POLLHUP and POLLERR are always reported
    return any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(milliseconds))
