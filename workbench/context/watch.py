"""Changes of a build context as they happen: batches of paths that a build would notice, after a moment of quiet.

Only the folders that may be sent are watched, each for itself: ignored trees cost nothing, links are not followed, and
`DefaultFilter` of watchfiles (which hides `.git` and `node_modules`) is not used; the ignore rules decide.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Protocol

from workbench.context.ignore import IgnoreRules
from workbench.dataclass import dataclass
from workbench.errors import InputError


@dataclass(frozen=True, slots=True)
class ContextChanged:
    """Paths that were made, changed or removed: relative to the context, absolute for what lies outside it.

    No paths: the watch is set up, and every change from here on will be told.
    """

    paths: frozenset[str]
    since: float | None = None
    """A time of `time.monotonic` that all of these changes came after, while every change before it was told before.
    None where other changes may have gone unseen: whoever judges by the paths must take it that anything changed."""


class Watched:
    """What counts: the context by its rules, and the `extra` files whatever the rules say. Used by one thread."""

    def __init__(self, context: Path, extra: Iterable[Path], rules: Callable[[], IgnoreRules]) -> None:
        self.context = context
        self.root = str(context.resolve())
        self._prefix = self.root.rstrip("/") + "/"
        self._rules = rules
        self.extra: dict[str, str] = {}
        """Real path of each extra file (and of what a link among them points to) -> how it is told."""
        for path in extra:
            file = context / path
            place = str(file.parent.resolve() / file.name)
            self.extra[place] = told = self.relative(place) or place
            self.extra.setdefault(str(file.resolve()), told)

    def rules(self) -> IgnoreRules:
        """The rules of now; where they cannot be read everything counts."""
        try:
            return self._rules()
        except InputError:
            return IgnoreRules()

    def relative(self, path: str) -> str | None:
        """`path` relative to the context, None for the context itself and what is outside."""
        return path[len(self._prefix) :] if path.startswith(self._prefix) and path != self._prefix else None


Tell = Callable[[ContextChanged], None]


class Watcher(Protocol):
    """Sees changes until `halt`. Runs on a thread of its own; `tell` a change without paths when it is set up."""

    def run(self, tell: Tell, halt: threading.Event) -> None: ...


async def watch(
    context: Path,
    *,
    extra: Iterable[Path] = (),
    rules: Callable[[], IgnoreRules],
    quiet: float,
    stop: asyncio.Event,
    force_polling: bool = False,
) -> AsyncIterator[ContextChanged]:
    """Tells each batch of changes once there was none for `quiet` seconds (half of that where files came by renames
    alone, and so are whole), or a while has passed.

    The first item has no paths and says that the watch is set up: a build that starts after it misses nothing.
    Excluded paths are silent, `extra` files (relative to the context, or absolute) never are, even where they do
    not exist yet. `rules` is asked for each batch, on another thread. Ends when `stop` is set. A context that is
    removed is told, and waited for.

    Args:
        force_polling: looks at the files again and again instead, for file systems without events (NFS, some
            container mounts). Costs up to a tenth of one processor; changes are seen a little later.

    Raises WorkbenchError, saying what to do, where the system has no watches left.
    """
    watched = Watched(context, extra, rules)
    watcher = _watcher(watched, quiet, force_polling)
    loop = asyncio.get_running_loop()
    told: asyncio.Queue[ContextChanged | BaseException] = asyncio.Queue()
    halt = threading.Event()

    def tell(item: ContextChanged | BaseException) -> None:
        try:
            loop.call_soon_threadsafe(told.put_nowait, item)
        except RuntimeError:  # the loop is closed: nobody listens any more
            halt.set()

    def work() -> None:
        try:
            watcher.run(tell, halt)
        except BaseException as error:
            tell(error)

    thread = threading.Thread(target=work, name="watch", daemon=True)
    thread.start()
    stopped = asyncio.ensure_future(stop.wait())
    try:
        while True:
            next_item = asyncio.ensure_future(told.get())
            try:
                await asyncio.wait({next_item, stopped}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not next_item.done():
                    next_item.cancel()
            if stopped.done():
                return
            item = next_item.result()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        halt.set()
        stopped.cancel()
        await asyncio.to_thread(thread.join)


def _watcher(watched: Watched, quiet: float, force_polling: bool) -> Watcher:
    if force_polling:
        from workbench.context.watch_polling import PollingWatcher

        return PollingWatcher(watched, quiet)
    from workbench.context.watch_events import EventWatcher

    return EventWatcher(watched, quiet)
