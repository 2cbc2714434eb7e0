"""What images and caches take of a disk, as `docker system df` tells it. Bytes are whole numbers."""

from __future__ import annotations

from workbench.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """One kind of thing. `active` are those in use; `reclaimable` is what a prune would free of `size`."""

    kind: str
    total: int
    active: int
    size: int
    reclaimable: int


@dataclass(frozen=True, slots=True)
class ImageUsage:
    """What an image's `size` is made of: bytes of layers that other images have too, and of its own. They are those of
    its files; what deleting it gives the disk back is a `Removal`'s to say."""

    id: str
    tags: tuple[str, ...]
    created: float
    shared: int
    unique: int

    @property
    def size(self) -> int:
        return self.shared + self.unique


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """Kinds in the order in which they are shown, and the images, the newest first."""

    kinds: tuple[Usage, ...]
    images: tuple[ImageUsage, ...] = ()
