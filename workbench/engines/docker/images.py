"""The images of a Docker Engine: implements `build.images.ImageStore` over the Engine API. Nothing blocks the loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.build.images import HistoryEntry, Image, Removal
from workbench.build.request import normalise_tag
from workbench.build.talk import Talk
from workbench.build.usage import DiskUsage, ImageUsage
from workbench.engines.address import Address
from workbench.engines.docker import removal, transfer, usage
from workbench.engines.docker.calls import Calls, Looks
from workbench.engines.docker.changes import Changes
from workbench.engines.meter import Meter
from workbench.engines.worker import Cancel
from workbench.errors import ImageNotFound, UsageError

if TYPE_CHECKING:
    from workbench.engines.docker.client import Client

FILTERS = ("before", "dangling", "label", "reference", "since")
_BOOLEANS = {"true": "true", "1": "true", "t": "true", "false": "false", "0": "false", "f": "false"}
_NO_TAG = "<none>:<none>"
_NO_DIGEST = "<none>@<none>"
_MISSING = "<missing>"


class DockerImages:
    """`address` is asked when the engine is first needed; it has `patience` seconds for an answer. Every method may
    raise EngineUnavailable too."""

    def __init__(self, address: Callable[[], Address], patience: float = 60.0) -> None:
        self._calls = Calls(address, patience)
        self._graph = removal.Graph()

    async def list(self, *, all: bool = False, name: str = "", filters: Sequence[str] = ()) -> Sequence[Image]:
        wanted = read_filters(filters, name)
        return await self._calls.run(lambda client: list_images(client, all=all, filters=wanted))

    async def inspect(self, reference: str) -> dict[str, Any]:
        return await self._calls.look(lambda client: client.facts(reference))

    async def history(self, reference: str) -> Sequence[HistoryEntry]:
        return await self._calls.look(lambda client: history(client, reference))

    async def tag(self, reference: str, tag: str) -> None:
        repository, _, name = normalise_tag(tag).rpartition(":")

        def work(client: Client) -> None:
            client.facts(reference)
            client.tag(reference, repository, name, force=True)

        await self._calls.run(work)

    async def plan_removal(self, references: Sequence[str], *, force: bool = False) -> Removal:
        return await self._calls.run(lambda client: removal.plan(client, self._graph, references, force=force))

    async def remove(self, references: Sequence[str], *, force: bool = False) -> Removal:
        return await self._calls.run(lambda client: removal.remove(client, self._graph, references, force=force))

    async def prune(self, *, all: bool = False, dry_run: bool = False) -> Removal:
        work = removal.plan_prune if dry_run else removal.prune
        return await self._calls.run_apart(lambda client, _: work(client, self._graph, every=all))

    async def prune_cache(self, *, dry_run: bool = False) -> Removal:
        return await self._calls.run(lambda client: usage.prune_cache(client, dry_run=dry_run))

    async def usage(self) -> DiskUsage:
        return await self._calls.run(usage.disk_usage)

    async def sizes(self) -> Sequence[ImageUsage]:
        return await self._calls.run(usage.image_sizes)

    async def containers(self) -> Mapping[str, Sequence[str]]:
        return await self._calls.run(removal.users)

    async def commit(
        self,
        container: str,
        *,
        tag: str | None = None,
        changes: Sequence[str] = (),
        message: str = "",
        author: str = "",
    ) -> str:
        name = normalise_tag(tag) if tag else ""
        return await self._calls.run_apart(
            lambda client, cancel: transfer.commit(client, container, name, changes, message, author)
        )

    async def save(self, references: Sequence[str], out: Path, talk: Talk | None = None) -> None:
        await self._calls.run_apart(
            lambda client, cancel: transfer.save(client, references, out, Meter(talk, 0, cancel))
        )

    async def load(self, archive: Path, talk: Talk | None = None) -> Sequence[str]:
        return await self._calls.run_apart(
            lambda client, cancel: transfer.load(client, archive, Meter(talk, 0, cancel))
        )

    async def import_(
        self, archive: Path, *, tag: str | None = None, changes: Sequence[str] = (), message: str = "",
        talk: Talk | None = None,
    ) -> str:  # fmt: skip
        name = normalise_tag(tag) if tag else ""

        def work(client: Client, cancel: Cancel) -> str:
            return transfer.import_tar(client, archive, name, changes, message, Meter(talk, 0, cancel))

        return await self._calls.run_apart(work)

    async def pull(self, reference: str, talk: Talk | None = None) -> str:
        return await self._calls.run_apart(lambda client, _: transfer.pull(client, reference, talk))

    async def push(self, reference: str, talk: Talk | None = None) -> None:
        await self._calls.run_apart(lambda client, _: transfer.push(client, reference, talk))

    async def changes(self) -> AsyncIterator[None]:
        """Once at the start too: what changed before the engine began to tell is not missed. When the engine goes away,
        and again when it is back: it is tried until then."""
        changes = Changes(self._calls.address)
        try:
            while True:
                await changes.wait()
                yield None
        finally:
            changes.close()

    def close(self) -> None:
        self._calls.close()


def read_filters(filters: Sequence[str], name: str = "") -> dict[str, Any]:
    """docker's `key=value` as the API's mapping. Raises UsageError for a filter that does not exist."""
    found: dict[str, Any] = {"reference": [name]} if name else {}
    for text in filters:
        key, equals, value = text.partition("=")
        key = key.strip().lower()
        if not equals or key not in FILTERS:
            raise UsageError(f"no filter is called {key!r}", hint=f"Filters are KEY=VALUE; keys: {', '.join(FILTERS)}.")
        if key == "dangling":
            if value.lower() not in _BOOLEANS:
                raise UsageError(f"dangling is true or false, not {value!r}")
            value = _BOOLEANS[value.lower()]
        found.setdefault(key, []).append(value)
    return found


def list_images(client: Client, *, all: bool, filters: dict[str, Any]) -> Sequence[Image]:
    """Newest first. What has a child is intermediate when it has no name."""
    rows = client.images(all=all, filters=filters)
    parents = {row.get("ParentId") for row in rows} if all else set()
    images = [_image(row, parents) for row in rows]
    return sorted(images, key=lambda image: -image.created)


def _image(row: dict[str, Any], parents: set[Any]) -> Image:
    tags = tuple(tag for tag in row.get("RepoTags") or () if tag != _NO_TAG)
    return Image(
        id=row["Id"],
        tags=tags,
        digests=tuple(digest for digest in row.get("RepoDigests") or () if digest != _NO_DIGEST),
        created=float(row.get("Created") or 0),
        size=int(row.get("Size") or 0),
        parent=row.get("ParentId") or "",
        labels=dict(row.get("Labels") or {}),
        intermediate=not tags and row["Id"] in parents,
    )


def history(client: Looks, reference: str) -> Sequence[HistoryEntry]:
    """Newest first, with the diff ID of each layer where the engine lets it be known."""
    layers = client.facts(reference).get("RootFS", {}).get("Layers") or []
    rows = client.rows(reference)
    diff_ids = _diff_ids(client, rows, layers)
    return [
        HistoryEntry(
            id="" if row.get("Id") == _MISSING else row.get("Id") or "",
            created=float(row.get("Created") or 0),
            created_by=row.get("CreatedBy") or "",
            size=int(row.get("Size") or 0),
            comment=row.get("Comment") or "",
            empty_layer=not diff_id,
            diff_id=diff_id,
            tags=tuple(row.get("Tags") or ()),
        )
        for row, diff_id in zip(rows, diff_ids, strict=True)
    ]


def _diff_ids(client: Looks, rows: Sequence[dict[str, Any]], layers: Sequence[str]) -> Sequence[str]:
    """Which row made which layer. The API does not say; a row that is still an image of its own shows how many layers
    it had, and elsewhere a row with a size made one. Rows that then remain without a layer are taken as empty."""
    known = [_layer_count(client, row) for row in rows]
    found = [""] * len(rows)
    top = len(layers)
    for index, row in enumerate(rows):
        below = next((count for count in known[index + 1 :] if count is not None), None)
        exact = index + 1 < len(rows) and known[index + 1] is not None
        if index + 1 == len(rows):
            made = top > 0
        elif exact:
            made = top > (below or 0)
        else:
            made = bool(row.get("Size")) and top > (below or 0)
        if made:
            top -= 1
            found[index] = layers[top]
    return found


def _layer_count(client: Looks, row: dict[str, Any]) -> int | None:
    identifier = row.get("Id")
    if not identifier or identifier == _MISSING:
        return None
    try:
        return len(client.facts(identifier).get("RootFS", {}).get("Layers") or ())
    except ImageNotFound:
        return None
