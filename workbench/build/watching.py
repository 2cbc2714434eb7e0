"""Keeps a watch alive on what a build is made from, and says honestly when it cannot.

The watch itself is `workbench.context.watch`; here it is pointed at the context and Dockerfile of the last request,
given the ignore rules as they are on disk, and replaced by polling where events of the file system cannot be had.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from workbench.build.request import BuildRequest
from workbench.errors import WorkbenchError
from workbench.files import is_unfinished

if TYPE_CHECKING:
    from workbench.context.ignore import IgnoreRules
    from workbench.context.watch import ContextChanged

READY_WITHIN = 1.0
"""Seconds that a build waits for the watch to be set up, so that no save falls between its reading and the watch."""


class Watch(Protocol):
    """The shape of `workbench.context.watch.watch`. A change without paths says that the watch is ready."""

    def __call__(
        self,
        context: Path,
        *,
        extra: Iterable[Path],
        rules: Callable[[], IgnoreRules],
        quiet: float,
        stop: asyncio.Event,
        force_polling: bool,
    ) -> AsyncIterator[ContextChanged]: ...


LoadRules = Callable[[Path, str], "IgnoreRules"]


def in_words(error: BaseException) -> str:
    """One line for a person; an error that nobody foresaw says its type."""
    return str(error) if isinstance(error, WorkbenchError) else f"internal error: {type(error).__name__}: {error}"


class Watcher:
    """One watch on the context and Dockerfile of the last request; it polls where events cannot be had."""

    def __init__(
        self,
        on_change: Callable[[ContextChanged], Awaitable[None]],
        on_notice: Callable[[str, bool], None],
        *,
        quiet: float,
        watch: Watch | None = None,
        load_rules: LoadRules | None = None,
        own: Iterable[Path] = (),
    ) -> None:
        """`on_change` gets each change in its turn; `on_notice` what is the trouble and whether changes are still seen.
        Below `own`, and where a request has its results written, the workbench itself writes; what changes there is
        told to nobody."""
        self._on_change = on_change
        self._on_notice = on_notice
        self._quiet = quiet
        self._watch = watch or _watch_files
        self._load_rules = load_rules or _load_rules
        self._own = self._always_own = tuple(folder.resolve() for folder in own)
        self._place: tuple[Path, str] | None = None
        self._rules: IgnoreRules | None = None
        self._task: asyncio.Task[None] | None = None
        self._end = asyncio.Event()
        self._ready = asyncio.Event()
        self._late: tuple[BuildRequest, float] | None = None
        """For what, and since when, somebody went on before the watch was ready: a save may have been missed."""

    async def follow(self, request: BuildRequest) -> None:
        """Watches what `request` is built from, and returns when changes from here on are seen, or after
        READY_WITHIN seconds; in that case what changed meanwhile is told as soon as they are."""
        place = (request.context, request.dockerfile) if request.context is not None else None
        self._own = (*self._always_own, *(path.resolve() for path in request.written))
        if place is None:
            self._on_notice("no folder belongs to this build; there is nothing to watch", False)
        if place != self._place:
            await self.stop()
            self._place = place
            self.revive()
        if self._task is not None and not self._ready.is_set():
            try:
                await asyncio.wait_for(self._ready.wait(), READY_WITHIN)
            except TimeoutError:
                self._late = request, time.time()

    def revive(self) -> None:
        """Starts the watch again where it ended by an error."""
        if self._place is not None and (self._task is None or self._task.done()):
            self._end, self._ready, self._late = asyncio.Event(), asyncio.Event(), None
            self._task = asyncio.create_task(self._run(*self._place), name="watch")

    def release(self) -> None:
        """Lets `follow` return at once."""
        self._ready.set()

    async def stop(self) -> None:
        """Ends the watch and waits for it. `follow` starts another."""
        task, self._task, self._place = self._task, None, None
        if task is None:
            return
        self._end.set()
        done, _ = await asyncio.wait({task}, timeout=READY_WITHIN)
        if not done:
            task.cancel()
            await asyncio.wait({task})

    async def _run(self, context: Path, dockerfile: str) -> None:
        for polling in (False, True):
            try:
                await self._once(context, dockerfile, polling)
                why = "the folder is no longer watched"
            except Exception as error:
                why = in_words(error)
            if self._end.is_set():
                return
            if not polling:
                self._on_notice(f"{why}; looking at the files in turns instead", True)
        self._ready.set()
        self._on_notice(f"{why}; watching is off", False)

    async def _once(self, context: Path, dockerfile: str, polling: bool) -> None:
        await self._read_rules(context, dockerfile)
        place = context / dockerfile
        extra = (place, place.with_name(f"{place.name}.dockerignore"), context / ".dockerignore")
        changes = self._watch(
            context, extra=extra, rules=self._current_rules, quiet=self._quiet, stop=self._end, force_polling=polling
        )
        from workbench.context.watch import ContextChanged

        async for change in changes:
            if any(path.endswith(".dockerignore") for path in change.paths):
                await self._read_rules(context, dockerfile)
            late, self._late = self._late, None
            self._ready.set()
            if late is not None and await asyncio.to_thread(_changed, *late, time.time()):
                await self._on_change(ContextChanged(frozenset()))
            if paths := self._of_others(context, change.paths):
                await self._on_change(ContextChanged(paths, change.since))

    def _of_others(self, context: Path, paths: frozenset[str]) -> frozenset[str]:
        """Without files that are being saved here, which are told again by their names, and without what lies below
        `own`: a context may hold the store, as a home folder does, and each build writes there, which must not start
        the next one."""
        paths = frozenset(path for path in paths if not is_unfinished(path.rpartition("/")[2]))
        root = context.resolve()
        own = [folder for folder in self._own if root in folder.parents]
        if not own:
            return paths
        return frozenset(path for path in paths if not any((root / path).is_relative_to(folder) for folder in own))

    async def _read_rules(self, context: Path, dockerfile: str) -> None:
        """Keeps the rules that were where the file cannot be read: the build says what is wrong with it."""
        try:
            self._rules = await asyncio.to_thread(self._load_rules, context, dockerfile)
        except (WorkbenchError, OSError) as error:
            self._on_notice(f"{error}; changes are judged without the new ignore rules", True)

    def _current_rules(self) -> IgnoreRules:
        if self._rules is None:
            from workbench.context.ignore import IgnoreRules

            self._rules = IgnoreRules(())
        return self._rules


def _watch_files(context: Path, **options: Any) -> AsyncIterator[ContextChanged]:
    from workbench.context.watch import watch

    return watch(context, **options)


def _changed(request: BuildRequest, since: float, until: float) -> bool:
    from workbench.build.changed import changed_since

    return changed_since(request, since, until)


def _load_rules(context: Path, dockerfile: str) -> IgnoreRules:
    from workbench.context.ignore import load_rules

    return load_rules(context, dockerfile)
