"""An image of the store into a registry: its layers packed and sent, four at a time, then its config and manifest."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections import Counter
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import field
from pathlib import Path
from typing import BinaryIO, cast

from workbench.build.talk import Talk
from workbench.dataclass import dataclass
from workbench.engines.embedded.catalog import LayerRef, StoredImage
from workbench.engines.embedded.compression import chunks, compression, open_plain_file, plain
from workbench.engines.embedded.disk import disk_errors
from workbench.engines.embedded.layout import CONFIG, LAYER, MANIFEST
from workbench.engines.embedded.registry.access import FIRST, Access
from workbench.engines.embedded.registry.manifests import Blob
from workbench.engines.embedded.registry.pull import short
from workbench.engines.embedded.registry.records import Place, Records
from workbench.engines.embedded.registry.reference import Reference
from workbench.engines.embedded.registry.settings import Registries, api_host
from workbench.engines.embedded.registry.upload import has_blob, mount, upload
from workbench.engines.embedded.store import Store
from workbench.engines.worker import Cancel
from workbench.errors import ImageError, StoreError, UsageError

_AT_ONCE = 4
_PACKED = {"gzip": f"{LAYER}+gzip", "zstd": f"{LAYER}+zstd"}


def push(
    store: Store, reference: Reference, settings: Registries, cancel: Cancel, talk: Talk | None = None
) -> str:  # fmt: skip
    """The digest of the manifest. Raises ImageNotFound where the store has no such image, ImageError, UsageError
    (a digest; credentials), StoreError, Cancelled."""
    if reference.digest:
        raise UsageError(f"{reference}: an image is pushed by its tag, not by a digest")
    talk = talk or Talk()
    image = store.image(str(reference))
    records = Records(store)
    known = {layer.diff_id: records.places(layer.diff_id) for layer in image.layers}
    source = _mount_source(reference, known)
    talk.say(f"The push refers to repository [{reference.domain}/{reference.repository}]")
    host = api_host(reference.domain)
    with (
        store.keep([image.id]),
        store.temporary() as scratch,
        Access(reference, host, settings, cancel, push=True, mount_from=source) as access,
    ):
        access.request("GET", "/v2/", limits=FIRST, what="/v2/").close()  # is there a registry at all?
        work = _Push(store, access, image, scratch, talk, known, source)
        blobs = work.layers()
        digest, size = work.manifest(blobs)
    records.add_layers(
        {diff: Place(reference.domain, reference.repository, blob) for diff, blob in blobs.items()}
    )  # fmt: skip
    records.add_image(reference.name, digest, image.id)
    talk.say(f"{reference.tag}: digest: {digest} size: {size}")
    return digest


def _mount_source(reference: Reference, known: dict[str, list[Place]]) -> str:
    """The other repository of this registry that has most of the layers, or ""."""
    names = Counter(
        place.repository
        for places in known.values()
        for place in places
        if place.domain == reference.domain and place.repository != reference.repository
    )
    return names.most_common(1)[0][0] if names else ""


@dataclass(slots=True)
class _Push:
    store: Store
    access: Access
    image: StoredImage
    scratch: Path
    talk: Talk
    known: dict[str, list[Place]]
    source: str
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _went: int = 0
    _total: int = 0
    _failed: threading.Event = field(default_factory=threading.Event)

    # -- layers --------------------------------------------------------------------------------------------------

    def layers(self) -> dict[str, Blob]:
        """Diff ID -> the blob as the registry now has it."""
        wanted = {layer.diff_id: layer for layer in self.image.layers}
        pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="push")
        try:
            jobs = {diff_id: pool.submit(self._layer, layer) for diff_id, layer in wanted.items()}
            done, _ = wait(jobs.values(), return_when=FIRST_EXCEPTION)
            for job in done:
                job.result()
            return {diff_id: job.result() for diff_id, job in jobs.items()}
        finally:
            self._failed.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _layer(self, layer: LayerRef) -> Blob:
        there = self._there(layer)
        if there is not None:
            return there
        blob, path = self._pack(layer)
        if has_blob(self.access, blob.digest):
            self.talk.say(f"{short(layer.diff_id)}: Layer already exists")
        else:
            with self._lock:
                self._total += blob.size
            upload(self.access, blob, path, self._count)
            self.talk.say(f"{short(layer.diff_id)}: Pushed")
        return blob

    def _there(self, layer: LayerRef) -> Blob | None:
        """The layer where the registry has it already, or takes it over from another repository of its own."""
        reference = self.access.reference
        places = [place for place in self.known[layer.diff_id] if place.domain == reference.domain]
        for place in places:
            if place.repository == reference.repository and has_blob(self.access, place.blob.digest):
                self.talk.say(f"{short(layer.diff_id)}: Layer already exists")
                return place.blob
        for place in places:
            if place.repository == self.source and mount(self.access, place.blob.digest, self.source):
                self.talk.say(f"{short(layer.diff_id)}: Mounted from {self.source}")
                return place.blob
        return None

    def _pack(self, layer: LayerRef) -> tuple[Blob, Path]:
        """As gzip, the same bytes every time; what lies packed in the store goes as it is."""
        stored = self.store.blob_path(layer.digest)
        with open_plain_file(stored) as packed:
            kind = compression(packed.peek(6)[:6])
            if kind in _PACKED and layer.digest != layer.diff_id:
                return Blob(layer.digest, stored.stat().st_size, _PACKED[kind]), stored
            target = self.scratch / layer.diff_id.removeprefix("sha256:")
            # A plain layer is a tar and no archive in an archive, whatever its first bytes look like.
            if layer.digest == layer.diff_id:
                return self._gzip(cast(BinaryIO, packed), target, layer), target
            with plain(cast(BinaryIO, packed), str(stored)) as tar:
                return self._gzip(tar, target, layer), target

    def _gzip(self, tar: BinaryIO, target: Path, layer: LayerRef) -> Blob:
        content = hashlib.sha256()
        with disk_errors(target), target.open("w+b") as file:
            with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as out:
                for piece in chunks(tar):
                    self._check()
                    content.update(piece)
                    out.write(piece)
            if f"sha256:{content.hexdigest()}" != layer.diff_id:
                raise StoreError(f"{self.store.blob_path(layer.digest)}: the store is damaged: this layer is not what "
                                 "its name says", hint="Build or load the image again.")  # fmt: skip
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return Blob(f"sha256:{digest}", file.tell(), _PACKED["gzip"])

    def _check(self) -> None:
        self.access.cancel.check()
        if self._failed.is_set():
            raise ImageError("another layer failed")

    def _count(self, new: int) -> None:
        self._check()
        with self._lock:
            self._went += new
            went, total = self._went, self._total
        self.talk.progress(went, total)

    # -- what describes them -------------------------------------------------------------------------------------

    def manifest(self, blobs: dict[str, Blob]) -> tuple[str, int]:
        """Sends config and manifest; the manifest's digest and size."""
        config = Blob(self.image.id, self.store.blob_path(self.image.id).stat().st_size, CONFIG)
        self.store.layout.read_bytes(self.image.id)  # checks it
        if not has_blob(self.access, config.digest):
            upload(self.access, config, self.store.blob_path(self.image.id))
        data = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": _descriptor(config),
                "layers": [_descriptor(blobs[layer.diff_id]) for layer in self.image.layers],
            },
            separators=(",", ":"),
        ).encode()
        tag = self.access.reference.tag
        headers = {"Content-Type": MANIFEST, "Content-Length": str(len(data))}
        self.access.request("PUT", f"manifests/{tag}", headers=headers, body=lambda: [data], expect=(201,)).close()
        return f"sha256:{hashlib.sha256(data).hexdigest()}", len(data)


def _descriptor(blob: Blob) -> dict[str, object]:
    return {"mediaType": blob.media_type or _PACKED["gzip"], "digest": blob.digest, "size": blob.size}
