"""Tells that the store's index changed, whichever process changed it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

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
    from watchfiles import awatch

    try:
        async for _ in awatch(
            folder, recursive=False, watch_filter=_is_index, debounce=50, step=10, yield_on_timeout=True,
            rust_timeout=int(poll * 1000), ignore_permission_denied=True,
        ):  # fmt: skip
            yield None
    except (OSError, RuntimeError):  # no more watches on this machine, or no such folder
        while True:
            await asyncio.sleep(poll)
            yield None


def _is_index(change: object, path: str) -> bool:
    return Path(path).name == "index.json"
