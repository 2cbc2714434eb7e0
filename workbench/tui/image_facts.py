"""What the images panel shows beside the list: containers, shared bytes, builds. Looked up later, off the loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from workbench.build.history import History, Record
from workbench.build.images import ImageStore
from workbench.build.usage import ImageUsage
from workbench.errors import WorkbenchError
from workbench.tui.widgets.image_rows import Facts

_SHARE = 20
"""How much longer the engine is left alone than it took to count."""
PAUSE = 0.5
"""Seconds without another change before somebody looks: a build changes the images at each step."""


def builds_by_image(records: Iterable[Record]) -> dict[str, int]:
    """Image ID -> the number of the last build that made it. `records` are the newest first."""
    found: dict[str, int] = {}
    for record in records:
        if record.image and record.number:
            found.setdefault(record.image, record.number)
    return found


async def builds() -> dict[str, int]:
    """`builds_by_image` of all that this user built. Raises OSError."""
    return await asyncio.to_thread(lambda: builds_by_image(History().all()))


async def look(store: ImageStore) -> Facts:
    """What is known at little cost. What the engine does not say is left out: a list without it is no failure."""
    containers, made = await asyncio.gather(store.containers(), builds(), return_exceptions=True)
    for found in (containers, made):
        if isinstance(found, BaseException) and not isinstance(found, WorkbenchError | OSError):
            raise found
    return Facts(
        {} if isinstance(containers, BaseException) else containers,
        builds={} if isinstance(made, BaseException) else made,
    )


class Sizes:
    """What images share. An engine may look at all its disk for it, so the more it costs the rarer it is asked."""

    def __init__(self) -> None:
        self._not_before = 0.0

    async def look(self, store: ImageStore) -> dict[str, ImageUsage] | None:
        """Waits for its time; None where the engine does not say."""
        await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
        begun = time.monotonic()
        try:
            return {it.id: it for it in await store.sizes()}
        except WorkbenchError:
            return None
        finally:
            now = time.monotonic()
            self._not_before = now + _SHARE * (now - begun)
