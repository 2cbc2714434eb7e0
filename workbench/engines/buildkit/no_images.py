"""The images of a buildkitd that stands alone: there are none. What it keeps is a build cache."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from workbench.build.images import HistoryEntry, Image, Removal
from workbench.build.talk import Talk
from workbench.build.usage import DiskUsage, ImageUsage, Usage
from workbench.engines.address import Address
from workbench.engines.buildkit.usage import prune_usage, read_usage
from workbench.errors import ImageNotFound, Unsupported


class NoImages:
    """Implements `build.images.ImageStore` for the buildkitd at an address, whose disk has a build cache alone."""

    def __init__(self, address: Address) -> None:
        self._address = address

    async def list(self, *, all: bool = False, name: str = "", filters: Sequence[str] = ()) -> Sequence[Image]:
        return ()

    async def inspect(self, reference: str) -> dict[str, Any]:
        self._none(reference)

    async def history(self, reference: str) -> Sequence[HistoryEntry]:
        self._none(reference)

    async def tag(self, reference: str, tag: str) -> None:
        self._none(reference)

    async def plan_removal(self, references: Sequence[str], *, force: bool = False) -> Removal:
        self._none(", ".join(references))

    async def remove(self, references: Sequence[str], *, force: bool = False) -> Removal:
        self._none(", ".join(references))

    async def prune(self, *, all: bool = False, dry_run: bool = False) -> Removal:
        return Removal()

    async def prune_cache(self, *, dry_run: bool = False) -> Removal:
        found = await prune_usage(self._address, all=True, dry_run=dry_run)
        return Removal(bytes_freed=found.reclaimable)

    async def usage(self) -> DiskUsage:
        found = await read_usage(self._address)
        active = sum(it.in_use for it in found.records)
        return DiskUsage((Usage("Build Cache", len(found.records), active, found.size, found.reclaimable),))

    async def sizes(self) -> Sequence[ImageUsage]:
        return ()

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
        raise Unsupported("commit", engine="buildkit", engines=["docker"], hint="A buildkitd has no containers.")

    async def save(self, references: Sequence[str], out: Path, talk: Talk | None = None) -> None:
        self._none(", ".join(references))

    async def load(self, archive: Path, talk: Talk | None = None) -> Sequence[str]:
        self._refuse("load")

    async def import_(
        self, archive: Path, *, tag: str | None = None, changes: Sequence[str] = (), message: str = "",
        talk: Talk | None = None,
    ) -> str:  # fmt: skip
        self._refuse("import")

    async def pull(self, reference: str, talk: Talk | None = None) -> str:
        self._refuse("pull")

    async def push(self, reference: str, talk: Talk | None = None) -> None:
        self._none(reference)

    async def changes(self) -> AsyncIterator[None]:
        """Nothing ever changes."""
        while True:
            await asyncio.Event().wait()
            yield

    def _none(self, reference: str) -> NoReturn:
        raise ImageNotFound(
            f"a buildkitd has no images: {reference} is not there", hint="Builds go elsewhere with --output."
        )

    def _refuse(self, what: str) -> NoReturn:
        raise Unsupported(what, engine="buildkit", engines=["docker", "embedded"], hint="A buildkitd has no images.")
