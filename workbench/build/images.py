"""Images as every engine shows them, and the store protocol behind the images panel and the image commands.

IDs are `sha256:` and 64 hexadecimal digits (the digest of the config); sizes are bytes; times are seconds since
the epoch. References are what `docker` takes: `genesis`, `genesis:latest`, an ID or a prefix of one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, Protocol

from workbench.build.talk import Talk
from workbench.build.usage import DiskUsage, ImageUsage
from workbench.dataclass import dataclass


def short_id(identifier: str) -> str:
    """`sha256:c5de1cf67f83…` -> `c5de1cf67f83`."""
    return identifier.removeprefix("sha256:")[:12]


@dataclass(frozen=True, slots=True)
class Image:
    """A row of `docker images` before it is split by tag."""

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    created: float = 0.0
    size: int = 0
    parent: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    intermediate: bool = False
    """An untagged step of some build, hidden unless `--all`: it has a child."""

    @property
    def short(self) -> str:
        return short_id(self.id)

    @property
    def dangling(self) -> bool:
        return not self.tags and not self.digests and not self.intermediate


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A line of `docker history`, newest first. `id` is empty where the engine keeps none (`<missing>`)."""

    id: str
    created: float
    created_by: str
    size: int
    comment: str = ""
    empty_layer: bool = False
    diff_id: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Removal:
    """What a removal takes, or took. `containers` are names that stand in the way (with their state)."""

    untagged: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    bytes_freed: int = 0
    children: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    blocked: str = ""
    """Why it would be refused, where it would; empty otherwise."""


class ImageStore(Protocol):
    """Everything that can be done with images. Every method may raise EngineLost; each names what else it raises.

    What takes a `talk` tells it how far it is; cancelling the task ends it within a second and leaves nothing half
    done.
    """

    async def list(self, *, all: bool = False, name: str = "", filters: Sequence[str] = ()) -> Sequence[Image]:
        """Newest first. `name` is REPO[:TAG]; `filters` are docker's `key=value` (dangling, label, reference,
        before, since). Raises UsageError for a filter that does not exist."""
        ...

    async def inspect(self, reference: str) -> dict[str, Any]:
        """`docker image inspect`, one object. Raises ImageNotFound."""
        ...

    async def history(self, reference: str) -> Sequence[HistoryEntry]:
        """Newest first. Raises ImageNotFound."""
        ...

    async def tag(self, reference: str, tag: str) -> None:
        """Raises ImageNotFound, UsageError."""
        ...

    async def plan_removal(self, references: Sequence[str], *, force: bool = False) -> Removal:
        """What `remove` would do, without doing it. Raises ImageNotFound."""
        ...

    async def remove(self, references: Sequence[str], *, force: bool = False) -> Removal:
        """`docker rmi`. Raises ImageNotFound, ImageInUse."""
        ...

    async def prune(self, *, all: bool = False, dry_run: bool = False) -> Removal:
        """Dangling images, or with `all` every image that no container uses."""
        ...

    async def prune_cache(self, *, dry_run: bool = False) -> Removal:
        """What is kept only to build faster; no image goes. `bytes_freed` is all that is said."""
        ...

    async def usage(self) -> DiskUsage:
        """What there is takes of the disk. Raises Unsupported."""
        ...

    async def sizes(self) -> Sequence[ImageUsage]:
        """What each image that is no step between shares with others, and what it has alone. Costly: a look at every
        layer."""
        ...

    async def containers(self) -> Mapping[str, Sequence[str]]:
        """Image ID -> the containers made of it, as `web (running)`. An engine without containers says none."""
        ...

    async def commit(
        self,
        container: str,
        *,
        tag: str | None = None,
        changes: Sequence[str] = (),
        message: str = "",
        author: str = "",
    ) -> str:
        """`docker commit`: a container's file system becomes an image; its ID. Raises Unsupported, ImageNotFound (no
        such container), UsageError."""
        ...

    async def save(self, references: Sequence[str], out: Path, talk: Talk | None = None) -> None:
        """A docker-archive for `docker load` and `podman load`; `out` is complete or absent. Raises ImageNotFound."""
        ...

    async def load(self, archive: Path, talk: Talk | None = None) -> Sequence[str]:
        """Reads a docker-archive or OCI archive; the tags (or IDs) that came. Raises InputError."""
        ...

    async def import_(
        self, archive: Path, *, tag: str | None = None, changes: Sequence[str] = (), message: str = "",
        talk: Talk | None = None,
    ) -> str:  # fmt: skip
        """A file system tar becomes a one-layer image; its ID. Raises InputError, UsageError."""
        ...

    async def pull(self, reference: str, talk: Talk | None = None) -> str:
        """Raises Unsupported, ImageNotFound."""
        ...

    async def push(self, reference: str, talk: Talk | None = None) -> None:
        """Raises Unsupported, ImageNotFound."""
        ...

    def changes(self) -> AsyncIterator[None]:
        """Yields once whenever the images may have changed, by whomever. Ends only when closed."""
        ...
