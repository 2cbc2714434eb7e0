"""The images of the embedded store, as every display and command asks for them. Nothing blocks the loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from workbench.build.images import HistoryEntry, Image, Removal
from workbench.build.talk import Talk
from workbench.build.usage import DiskUsage, ImageUsage
from workbench.engines.embedded import describe, filters
from workbench.engines.embedded.registry.settings import Registries
from workbench.engines.embedded.store import Store
from workbench.engines.meter import Meter
from workbench.engines.worker import Cancel
from workbench.errors import StoreError, Unsupported

_Some = TypeVar("_Some")
_NO_SETTINGS = Registries()


class EmbeddedImages:
    """Implements `build.images.ImageStore` on a Store, which is opened at the first use.

    Beside what the protocol names, every method may raise StoreError: the disk, or a damaged store.
    """

    def __init__(self, store: Store, registries: Registries = _NO_SETTINGS) -> None:
        self._store = store
        self._registries = registries
        self._opening = threading.Lock()
        self._opened = False
        self.problems: tuple[StoreError, ...] = ()
        """What the last `list` could not show: images that are damaged."""

    async def list(self, *, all: bool = False, name: str = "", filters: Sequence[str] = ()) -> Sequence[Image]:
        return await self._run(lambda store: self._list(store, all, name, filters))

    def _list(self, store: Store, all: bool, name: str, wanted: Sequence[str]) -> Sequence[Image]:
        catalog = store.catalog()
        self.problems = tuple(catalog.problems.values())
        if self.problems and not catalog.images:
            raise self.problems[0]
        return filters.select(catalog, filters.read_filters(catalog, wanted, name), all=all)

    async def inspect(self, reference: str) -> dict[str, Any]:
        return await self._run(lambda store: describe.inspect(store.image(reference)))

    async def history(self, reference: str) -> Sequence[HistoryEntry]:
        def work(store: Store) -> Sequence[HistoryEntry]:
            catalog = store.catalog()
            return describe.history(catalog.find(reference), catalog)

        return await self._run(work)

    async def tag(self, reference: str, tag: str) -> None:
        await self._run(lambda store: store.tag(reference, tag))

    async def plan_removal(self, references: Sequence[str], *, force: bool = False) -> Removal:
        from workbench.engines.embedded.removal import plan_removal

        return await self._run(lambda store: plan_removal(store, references, force=force).removal)

    async def remove(self, references: Sequence[str], *, force: bool = False) -> Removal:
        from workbench.engines.embedded.removal import remove

        return await self._run(lambda store: remove(store, references, force=force))

    async def prune(self, *, all: bool = False, dry_run: bool = False) -> Removal:
        from workbench.engines.embedded.removal import prune

        return await self._run(lambda store: prune(store, all=all, dry_run=dry_run))

    async def prune_cache(self, *, dry_run: bool = False) -> Removal:
        from workbench.engines.embedded.cache_removal import prune_cache

        return await self._run(lambda store: prune_cache(store, dry_run=dry_run))

    async def usage(self) -> DiskUsage:
        from workbench.engines.embedded.usage import usage

        return await self._run(usage)

    async def sizes(self) -> Sequence[ImageUsage]:
        from workbench.engines.embedded.usage import image_sizes

        return await self._run(image_sizes)

    async def containers(self) -> Mapping[str, Sequence[str]]:
        return {}

    async def commit(
        self,
        container: str,
        *,
        tag: str | None = None,
        changes: Sequence[str] = (),
        message: str = "",
        author: str = "",
    ) -> str:
        raise Unsupported(
            "commit",
            engine="embedded",
            engines=["docker"],
            hint="No container outlives its step: what a RUN did is a layer already.",
        )

    async def save(self, references: Sequence[str], out: Path, talk: Talk | None = None) -> None:
        from workbench.engines.embedded.save import save

        await self._cancellable(lambda store, cancel: save(store, references, out, Meter(talk, 0, cancel)))

    async def load(self, archive: Path, talk: Talk | None = None) -> Sequence[str]:
        from workbench.engines.embedded.load import load

        return await self._cancellable(lambda store, cancel: load(store, archive, _meter(archive, talk, cancel)))

    async def import_(
        self, archive: Path, *, tag: str | None = None, changes: Sequence[str] = (), message: str = "",
        talk: Talk | None = None,
    ) -> str:  # fmt: skip
        from workbench.engines.embedded.importing import import_tar

        def work(store: Store, cancel: Cancel) -> str:
            meter = _meter(archive, talk, cancel)
            return import_tar(store, archive, tag=tag, changes=changes, message=message, meter=meter)

        return await self._cancellable(work)

    async def pull(self, reference: str, talk: Talk | None = None) -> str:
        """Raises ImageNotFound; ImageError where the registry cannot be reached or refuses; UsageError."""
        from workbench.engines.embedded.registry.pull import pull
        from workbench.engines.embedded.registry.reference import parse_reference

        wanted = parse_reference(reference)
        return await self._cancellable(lambda store, cancel: pull(store, wanted, self._registries, cancel, talk))

    async def push(self, reference: str, talk: Talk | None = None) -> None:
        """Raises ImageNotFound; ImageError where the registry cannot be reached or refuses; UsageError."""
        from workbench.engines.embedded.registry.push import push
        from workbench.engines.embedded.registry.reference import parse_reference

        target = parse_reference(reference)
        await self._cancellable(lambda store, cancel: push(store, target, self._registries, cancel, talk))

    async def changes(self) -> AsyncIterator[None]:
        from workbench.engines.embedded.changes import index_changes

        await self._run(lambda store: None)
        async for _ in index_changes(self._store.root / "index.json"):
            yield None

    async def _cancellable(self, work: Callable[[Store, Cancel], _Some]) -> _Some:
        """For work that takes long: it ends soon after its caller does."""
        cancel = Cancel()
        try:
            return await self._run(lambda store: work(store, cancel))
        finally:
            cancel.ask()

    async def _run(self, work: Callable[[Store], _Some]) -> _Some:
        return await asyncio.to_thread(lambda: work(self._ready()))

    def _ready(self) -> Store:
        with self._opening:
            if not self._opened:
                self._store.open()
                self._opened = True
        return self._store


def _meter(archive: Path, talk: Talk | None, cancel: Cancel) -> Meter:
    """Of an archive that is read: its size is the best guess at the bytes that will come."""
    try:
        size = archive.stat().st_size
    except OSError:
        size = 0  # who opens it says why
    return Meter(talk, size, cancel)
