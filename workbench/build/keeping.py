"""A build that ended comes into the history, with what it was made from and what became of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.build.details import details_of
from workbench.build.engine import Engine
from workbench.build.history import Bounds, History, LayerRecord, record_of
from workbench.build.progress import BuildProgress
from workbench.build.request import BuildRequest
from workbench.dockerfile import decode
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.context.scan import Scan

_WITHIN = 2.0
"""Seconds that an engine has to describe its image, and a large context to be read; then it is kept without."""


async def keep(
    request: BuildRequest,
    progress: BuildProgress,
    engine: Engine,
    made_from: Awaitable[tuple[str | None, str]],
    *,
    revision: int = 0,
    bounds: Bounds | None = None,
) -> int | None:
    """The number that the build got; None where no folder belongs to it. Raises OSError."""
    finished = progress.finished
    if request.context is None or finished is None:
        return None
    text, digest = await made_from
    size, layers = await _image(engine, finished.image)
    record = record_of(request, progress, revision=revision, text=text, context_digest=digest, size=size, layers=layers)
    details = details_of(request, progress, text)
    return await asyncio.to_thread(History(bounds=bounds).add, request.context, record, details)


async def _image(engine: Engine, image: str) -> tuple[int | None, list[LayerRecord]]:
    if not image:
        return None, []
    try:
        async with asyncio.timeout(_WITHIN):
            inspected, history = await asyncio.gather(engine.images.inspect(image), engine.images.history(image))
    except (WorkbenchError, TimeoutError):
        return None, []
    diff_ids = (inspected.get("RootFS") or {}).get("Layers") or []
    sizes = [entry.size for entry in reversed(history) if not entry.empty_layer and (entry.size or entry.diff_id)]
    known = sizes if len(sizes) == len(diff_ids) else [None] * len(diff_ids)
    return inspected.get("Size"), [LayerRecord(*pair) for pair in zip(diff_ids, known, strict=True)]


def read_text(request: BuildRequest) -> str:
    """The Dockerfile of now. Blocks. Raises OSError, DockerfileError where it is not UTF-8."""
    if request.dockerfile_text is not None:
        return request.dockerfile_text
    return decode(((request.context or Path()) / request.dockerfile).read_bytes())


def read_now(
    request: BuildRequest, asked: Callable[[], bool] = lambda: False, known: Scan | None = None
) -> tuple[str | None, str]:
    """The Dockerfile and the digest of the context as they are, or as a scan that is `known` found it. Blocks; gives
    the digest up after a while, and when `asked` answers True."""
    from workbench.build.facts import digest_of, facts_of
    from workbench.config import state_dir
    from workbench.context.digest import DigestCache
    from workbench.context.ignore import load_rules
    from workbench.context.scan import Cancelled, scan

    try:
        text: str | None = read_text(request)
    except (WorkbenchError, OSError):
        text = None
    if request.context is None or asked():
        return text, ""
    end = time.monotonic() + _WITHIN
    digests = DigestCache(state_dir() / "digests")

    def late() -> bool:
        return asked() or time.monotonic() > end

    try:
        if known is None:
            rules = load_rules(request.context, request.dockerfile)
            known = scan(request.context, rules, cancel=late, list_ignored=False)
        facts = facts_of(known, digests, late)
        digests.save()
    except (WorkbenchError, OSError, Cancelled):
        return text, ""
    return text, "" if facts is None else digest_of(facts)
