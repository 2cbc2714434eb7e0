"""What the images panel shows beside the list: containers, shared bytes, builds. Looked up later, off the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from workbench.build.history import History, Record
from workbench.build.images import ImageStore
from workbench.build.usage import ImageUsage
from workbench.errors import WorkbenchError
from workbench.tui.widgets.image_rows import Facts

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


async def look(store: ImageStore, *, sizes: bool) -> Facts:
    """What is known now. What the engine cannot or does not say is left out: a list without it is no failure."""

    async def usage() -> dict[str, ImageUsage]:
        return {it.id: it for it in await store.sizes()} if sizes else {}

    containers, shared, made = await asyncio.gather(store.containers(), usage(), builds(), return_exceptions=True)
    for found in (containers, shared, made):
        if isinstance(found, BaseException) and not isinstance(found, WorkbenchError | OSError):
            raise found
    return Facts(
        {} if isinstance(containers, BaseException) else containers,
        {} if isinstance(shared, BaseException) else shared,
        {} if isinstance(made, BaseException) else made,
    )
