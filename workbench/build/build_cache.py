"""The build cache of an engine that keeps one of its own: its records, and what a prune takes of them."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class CacheRecord:
    """One thing that the cache keeps. Times are seconds since the epoch, 0.0 where the engine tells none.

    `kind` is the engine's word (`regular`, `source.local`, `exec.cachemount`, `frontend`, `internal`). What is `shared`
    belongs to an image as well, and frees nothing.
    """

    id: str
    kind: str
    size: int
    shared: bool = False
    in_use: bool = False
    description: str = ""
    created: float = 0.0
    last_used: float = 0.0
    uses: int = 0

    @property
    def reclaimable(self) -> bool:
        """Whether pruning everything takes it."""
        return not self.in_use and not self.shared


@dataclass(frozen=True, slots=True)
class CacheUsage:
    """All of it, or what a prune took."""

    records: tuple[CacheRecord, ...]

    @property
    def size(self) -> int:
        """Bytes, those of images that are shared left out."""
        return _sum(it for it in self.records if not it.shared)

    @property
    def reclaimable(self) -> int:
        """Bytes that pruning everything frees."""
        return _sum(it for it in self.records if it.reclaimable)


def _sum(records: Iterable[CacheRecord]) -> int:
    return sum(it.size for it in records)
