"""The store of the embedded engine: images, layers and scratch space in one folder that two processes may share.

Everything blocks and may raise StoreError; callers on an event loop use threads.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.engines.embedded.cache_roots import CacheRoots
from workbench.engines.embedded.catalog import (
    CONFIG_NOTE,
    CONTAINERD_NAME,
    CONTENT,
    DIGESTS,
    PARENT,
    REF_NAME,
    TAGGED,
    Catalog,
    LayerRef,
    StoredImage,
    entries_of,
    entry_tag,
    find_image,
    read_catalog,
)  # fmt: skip
from workbench.engines.embedded.layout import CONFIG, LAYER, MANIFEST, BlobWriter, Descriptor, Layout
from workbench.engines.embedded.refs import domain_name, familiar, split_tag
from workbench.engines.embedded.scratch import Lease
from workbench.engines.embedded.unpacked import UnpackedLayers
from workbench.errors import StoreError

__all__ = ["BlobWriter", "Descriptor", "LayerRef", "Store", "StoredImage"]


class Store:
    """`Store(root).open()` makes the folder where it is missing. Methods may be called from any thread."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.layout = Layout(root)
        self.layers = UnpackedLayers(self.layout)
        self.cache_roots = CacheRoots(self.layout.private / "cache-roots", self.layout)
        """The layers that the step cache names: `put` with each entry, `has` before an entry is believed."""

    def open(self) -> Store:
        """Raises StoreError where the folder cannot be made or holds something else."""
        self.layout.open()
        return self

    @property
    def private(self) -> Path:
        """The folder beside the layout for what only workbench reads: the step cache has its place there."""
        return self.layout.private

    # -- blobs ---------------------------------------------------------------------------------------------------

    def blob_path(self, digest: str) -> Path:
        return self.layout.blob_path(digest)

    def has_blob(self, digest: str, size: int | None = None) -> bool:
        return self.layout.has_blob(digest, size)

    def write_blob(self) -> BlobWriter:
        """`with store.write_blob() as blob: blob.write(data); found = blob.commit()`."""
        return self.layout.write_blob()

    def put_json(self, value: Mapping[str, Any]) -> str:
        """The digest of a JSON object written as a blob: sorted keys, no spaces."""
        return self.layout.put_bytes(to_json(value)).digest

    def read_json(self, digest: str) -> dict[str, Any]:
        return self.layout.read_json(digest)

    # -- scratch and leases --------------------------------------------------------------------------------------

    @contextmanager
    def temporary(self) -> Iterator[Path]:
        """A scratch folder on the store's file system, removed when the block ends or at the next `open` after
        its process died."""
        with self.layout.scratch.directory() as folder:
            yield folder

    @contextmanager
    def keep(self, ids: Iterable[str] = ()) -> Iterator[Lease]:
        """For as long as a build runs: these images' blobs, every blob written through this Store meanwhile, and
        what `hold` names, stay, whatever any process removes."""
        with self.layout.lease() as lease:
            for identifier in ids:
                image = self.image(identifier)
                lease.write((*image.entries, image.manifest_digest, image.id))
                if not self.hold(image.layers):
                    raise StoreError(f"{self.root}: a layer of {identifier} is missing")
            yield lease

    def hold(self, layers: Iterable[LayerRef]) -> bool:
        """Puts layers under the open leases. False where a blob is gone already: a cache entry that is void."""
        with self.layout.lock.held():
            wanted = list(layers)
            if not all(self.has_blob(layer.digest, layer.size or None) for layer in wanted):
                return False
            self.layout.hold([digest for layer in wanted for digest in (layer.digest, layer.diff_id)])
        return True

    # -- layers as folders ---------------------------------------------------------------------------------------

    def unpacked(self, layer: LayerRef | str) -> Path:
        """The layer's folder for an overlay, unpacked at its first use. A bare diff ID is looked up in the images
        where no plain blob has that digest."""
        diff_id = layer if isinstance(layer, str) else layer.diff_id
        if found := self.layers.get(diff_id):
            return found
        digest = diff_id if isinstance(layer, str) else layer.digest
        if not self.has_blob(digest) and self.has_blob(diff_id):
            digest = diff_id
        if not self.has_blob(digest):
            digest = self._blob_of(diff_id)
        return self.layers.make(diff_id, self.blob_path(digest))

    def _blob_of(self, diff_id: str) -> str:
        for image in self.catalog().images.values():
            for layer in image.layers:
                if layer.diff_id == diff_id and self.has_blob(layer.digest):
                    return layer.digest
        raise StoreError(f"{self.blob_path(diff_id)}: the store is damaged: this layer is missing")

    def lowers(self, layers: Sequence[LayerRef | str]) -> list[Path]:
        """The folders of a chain of layers, lowest first, as `bwrap --overlay-src` wants them."""
        return [self.unpacked(layer) for layer in layers]

    def flatten(self, layers: Iterable[LayerRef], folder: Path) -> None:
        """Writes the whole file system of a chain of layers into an empty folder: for where no overlay can be
        mounted. Raises StoreError, InputError."""
        from workbench.engines.embedded.layers import Form, unpack_blob

        for layer in layers:
            blob = self.blob_path(layer.digest)
            unpack_blob(blob, folder, form=Form.APPLY)

    def adopt(self, diff_id: str, folder: Path, *, content: int = 0) -> Path:
        """Takes an overlay's upper folder as the unpacked form of the layer that was written from it (moved)."""
        return self.layers.adopt(diff_id, folder, content=content)

    # -- images --------------------------------------------------------------------------------------------------

    def catalog(self) -> Catalog:
        """All images, as they stand now. Damaged ones are in its `problems`."""
        catalog = read_catalog(self.layout, self.layout.entries())
        if catalog.problems and self.private.exists():  # another process may have removed one meanwhile
            catalog = read_catalog(self.layout, self.layout.entries())
        return catalog

    def image(self, reference: str) -> StoredImage:
        """By tag, ID or prefix of an ID. Raises ImageNotFound."""
        return find_image(self.layout, self.layout.entries(), reference)

    def put_image(
        self, config: Mapping[str, Any] | bytes, layers: Sequence[LayerRef], *, tags: Sequence[str] = (),
        parent: str = "",
    ) -> str:  # fmt: skip
        """Makes an image of layers whose blobs are there; returns its ID, the digest of the config.

        Tags move here from whatever had them. When it returns the image is on the disk; before, a kill or a power
        loss leaves the store as it was. The same config again is the same image. `parent` is the image that FROM
        named. Raises StoreError where a blob is missing, UsageError for a tag that is no name.
        """
        names = [familiar(tag) for tag in tags]
        data = config if isinstance(config, bytes) else to_json(config)
        with self.layout.lease(), self.layout.lock.held():
            for layer in layers:
                if not self.has_blob(layer.digest):
                    raise StoreError(f"{self.blob_path(layer.digest)}: this layer went away while it was used")
            made = self.layout.put_bytes(data)
            with self.layout.changing() as entries:
                same = entries_of(self.layout, entries, made.digest)
                known = read_catalog(self.layout, same).images.get(made.digest)
                if known is None:
                    entry = self._write_manifest(made, [self._counted(layer) for layer in layers], parent)
                    entries.append(entry)
                else:
                    entry = next(entry for entry in entries if entry["digest"] == known.entries[0])
                for name in names:
                    set_tag(entries, entry, name)
        return made.digest

    def _counted(self, layer: LayerRef) -> LayerRef:
        if layer.content is not None or layer.digest != layer.diff_id:
            return layer
        from workbench.engines.embedded.sizes import content_size  # a list of images needs no tarfile

        return LayerRef(
            layer.digest, layer.diff_id, layer.size, layer.media_type, content_size(self.blob_path(layer.digest))
        )

    def _write_manifest(self, config: Descriptor, layers: Sequence[LayerRef], parent: str) -> dict[str, Any]:
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": config.digest, "size": config.size},
            "layers": [_layer_json(layer) for layer in layers],
        }
        made = self.layout.put_bytes(to_json(manifest))
        self.layout.sync({layer.digest for layer in layers} | {config.digest, made.digest})
        notes = {CONFIG_NOTE: config.digest} | ({PARENT: parent} if parent else {})
        return {"mediaType": MANIFEST, "digest": made.digest, "size": made.size, "annotations": notes}

    def tag(self, reference: str, tag: str) -> str:
        """Gives an image one more name, taking it from whatever had it; the ID. Raises ImageNotFound, UsageError."""
        name = familiar(tag)
        with self.layout.changing() as entries:
            image = find_image(self.layout, entries, reference)
            entry = next(entry for entry in entries if entry["digest"] == image.entries[0])
            set_tag(entries, entry, name)
        return image.id

    def add_digest(self, identifier: str, name: str) -> None:
        """Remembers that a registry calls this image `name`, a `repository@sha256:...`. Raises ImageNotFound."""
        with self.layout.changing() as entries:
            image = find_image(self.layout, entries, identifier)
            for entry in entries:
                if name not in image.digests and entry["digest"] in image.entries:
                    notes = entry.get("annotations") or {}
                    entry["annotations"] = {**notes, DIGESTS: " ".join((*image.digests, name))}


def set_tag(entries: list[dict[str, Any]], entry: dict[str, Any], tag: str) -> None:
    """Changes index entries so that `tag` names what `entry` describes."""
    for other in list(entries):
        if entry_tag(other) == tag:
            if other["digest"] == entry["digest"]:
                return
            clear_tag(entries, other)
    notes = dict(entry.get("annotations") or {})
    notes |= {REF_NAME: tag, CONTAINERD_NAME: domain_name(tag), TAGGED: f"{time.time():.3f}"}
    named = {**entry, "annotations": notes}
    for place, other in enumerate(entries):
        if other["digest"] == entry["digest"] and not entry_tag(other):
            entries[place] = named
            return
    entries.append(named)


def clear_tag(entries: list[dict[str, Any]], entry: dict[str, Any]) -> None:
    """Takes the name off an entry, and the digests that the name's registry gave it: what an old `latest` was is
    dangling. The entry itself goes where another one still describes the same image."""
    if any(other is not entry and other["digest"] == entry["digest"] for other in entries):
        entries[:] = [other for other in entries if other is not entry]
        return
    notes = {key: value for key, value in entry["annotations"].items() if key not in (REF_NAME, CONTAINERD_NAME)}
    repository = split_tag(entry_tag(entry))[0]
    digests = [name for name in str(notes.pop(DIGESTS, "")).split() if name.partition("@")[0] != repository]
    entry["annotations"] = notes | ({DIGESTS: " ".join(digests)} if digests else {})


def to_json(value: Mapping[str, Any]) -> bytes:
    """The one way in which this store writes JSON, so that the same value has the same digest everywhere."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _layer_json(layer: LayerRef) -> dict[str, Any]:
    found: dict[str, Any] = {"mediaType": layer.media_type or LAYER, "digest": layer.digest, "size": layer.size}
    if layer.content is not None:
        found["annotations"] = {CONTENT: str(layer.content)}
    return found
