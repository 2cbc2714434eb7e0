"""The images of a buildkitd that stands alone: there are none. Listing finds nothing; the rest is refused by name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from workbench.build.images import HistoryEntry, Image, Removal
from workbench.build.usage import DiskUsage
from workbench.errors import ImageNotFound, Unsupported


class NoImages:
    """Implements `build.images.ImageStore`."""

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
        return Removal()

    async def usage(self) -> DiskUsage:
        return DiskUsage(())

    async def save(self, references: Sequence[str], out: Path) -> None:
        self._none(", ".join(references))

    async def load(self, archive: Path) -> Sequence[str]:
        self._refuse("load")

    async def import_(
        self, archive: Path, *, tag: str | None = None, changes: Sequence[str] = (), message: str = ""
    ) -> str:
        self._refuse("import")

    async def pull(self, reference: str) -> str:
        self._refuse("pull")

    async def push(self, reference: str) -> None:
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
