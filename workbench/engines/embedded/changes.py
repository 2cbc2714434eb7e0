"""Tells that the store's index changed, whichever process changed it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from workbench.context.notify import backend

_STEP_MS, _DEBOUNCE_MS = 10, 50
"""How long the backend sleeps between two looks, and for how long it collects what comes in."""

_Signature = tuple[int, int, int] | None


def signature(index: Path) -> _Signature:
    """Changes whenever the index is replaced; None where there is none."""
    try:
        found = index.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


async def index_changes(index: Path, *, poll: float = 1.0) -> AsyncIterator[None]:
    """Yields once for each time the index was found changed; several changes at once are one.

    By the kernel's notifications, and by a look every `poll` seconds for file systems that send none.
    """
    last = await asyncio.to_thread(signature, index)
    async for _ in _wakes(index.parent, poll):
        now = await asyncio.to_thread(signature, index)
        if now != last:
            last = now
            yield None


async def _wakes(folder: Path, poll: float) -> AsyncIterator[None]:
    notify, halt = backend(), threading.Event()
    thread = ThreadPoolExecutor(1, thread_name_prefix="store index")
    try:
        watch = notify.RustNotify([str(folder)], False, False, 0, False, True)
        look = partial(watch.watch, _DEBOUNCE_MS, _STEP_MS, int(poll * 1000), halt)
        while True:
            await asyncio.get_running_loop().run_in_executor(thread, look)
            yield None
    except (OSError, RuntimeError):  # no more watches on this machine, or no such folder
        while True:
            await asyncio.sleep(poll)
            yield None
    finally:
        halt.set()
        thread.shutdown(wait=False)
