"""An image from a registry into the store: its manifest first, then the layers that are missing, four at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import field
from pathlib import Path

from workbench.build.platforms import Platform, here
from workbench.build.talk import Talk
from workbench.dataclass import dataclass
from workbench.engines.embedded.catalog import LayerRef
from workbench.engines.embedded.compression import chunks, open_plain_file, plain
from workbench.engines.embedded.load import read_config
from workbench.engines.embedded.refs import familiar
from workbench.engines.embedded.registry.access import FIRST, Access, NotReached
from workbench.engines.embedded.registry.download import download
from workbench.engines.embedded.registry.manifests import Blob, Remote, find_image
from workbench.engines.embedded.registry.records import Place, Records
from workbench.engines.embedded.registry.reference import Reference
from workbench.engines.embedded.registry.settings import Registries
from workbench.engines.embedded.sizes import content_size
from workbench.engines.embedded.store import Store
from workbench.engines.worker import Cancel
from workbench.errors import ImageError, ImageNotFound, InputError, StoreError

_AT_ONCE = 4
_LARGEST_CONFIG = 16 << 20
_OFTEN = 0.1


@dataclass(slots=True)
class Found:
    """An image that a registry has, not pulled yet. `close` it."""

    access: Access
    remote: Remote
    platform: Platform | None = None
    """What was asked for, where it was; an image for another machine gets no tag."""

    def close(self) -> None:
        self.access.close()


def find(reference: Reference, settings: Registries, cancel: Cancel, platform: Platform | None = None) -> Found:
    """Asks the mirrors, then the registry. Raises the registry's own NotReached, ImageNotFound, ImageError."""
    hosts = settings.hosts(reference.domain)
    for number, host in enumerate(hosts, 1):
        access = Access(reference, host, settings, cancel)
        try:
            return Found(access, find_image(access, limits=FIRST, platform=platform), platform)
        except ImageError:
            access.close()
            if number == len(hosts):
                raise
        except BaseException:
            access.close()
            raise
    raise NotReached(f"{reference.domain} has no host")


def pull(store: Store, reference: Reference, settings: Registries, cancel: Cancel, talk: Talk | None = None) -> str:
    """The image's ID. Raises ImageNotFound, ImageError, UsageError (credentials), StoreError, Cancelled."""
    found = find(reference, settings, cancel)
    try:
        return bring(store, found, talk or Talk())
    finally:
        found.close()


def bring(store: Store, found: Found, talk: Talk) -> str:
    """Pulls what was found. The store gets the image whole or not at all."""
    reference = found.access.reference
    talk.say(f"{reference.version}: Pulling from {reference.repository}")
    known = _known(store, found.remote.config.digest)
    with store.keep(), store.temporary() as scratch:
        foreign = found.platform is not None and found.platform != here()
        tags = () if reference.digest or foreign else (familiar(str(reference)),)
        try:
            identifier = known or _Pull(store, found, talk, scratch).run(tags)
        except InputError as error:  # what is wrong is the image, not what a person gave
            raise ImageError(str(error), hint=error.hint) from error
        if known and tags:
            store.tag(identifier, *tags)
        if foreign:
            Records(store).add_image(f"{reference.name}:{reference.version}", str(found.platform), identifier)
        else:
            store.add_digest(identifier, f"{reference.name}@{found.remote.digest}")
            Records(store).add_image(reference.name, found.remote.digest, identifier)
    talk.say(f"Digest: {found.remote.digest}")
    state = "Image is up to date" if known else "Downloaded newer image"
    talk.say(f"Status: {state} for {reference}")
    return identifier


def _known(store: Store, identifier: str) -> str:
    """The ID, where that image is here with all its layers."""
    try:
        image = store.image(identifier)
    except (ImageNotFound, StoreError):
        return ""
    return identifier if store.hold(image.layers) else ""


@dataclass(slots=True)
class _Pull:
    store: Store
    found: Found
    talk: Talk
    scratch: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _came: int = 0
    _total: int = 0
    _told: float = 0.0
    _failed: threading.Event = field(default_factory=threading.Event)

    def run(self, tags: Sequence[str]) -> str:
        remote = self.found.remote
        data = self._read_config(remote.config)
        config = read_config(data, str(self.found.access.reference))
        diff_ids: list[str] = config["rootfs"]["diff_ids"]
        if len(diff_ids) != len(remote.layers):
            raise ImageError(
                f"{self.found.access.reference}: {len(remote.layers)} layers, but the config names {len(diff_ids)}"
            )
        layers = self._layers(list(zip(remote.layers, diff_ids, strict=True)))
        self._remember(dict(zip(diff_ids, remote.layers, strict=True)))
        return self.store.put_image(data, layers, tags=tags)

    def _read_config(self, blob: Blob) -> bytes:
        if blob.size > _LARGEST_CONFIG:
            raise ImageError(f"{self.found.access.reference}: its config is too big to be one")
        path = self.scratch / "config"
        download(self.found.access, blob, path)
        return path.read_bytes()

    # -- layers --------------------------------------------------------------------------------------------------

    def _layers(self, pairs: Sequence[tuple[Blob, str]]) -> list[LayerRef]:
        wanted: dict[str, Blob] = {}
        for blob, diff_id in pairs:
            if self.store.hold([LayerRef(diff_id, diff_id, 0)]):
                self.talk.say(f"{short(blob.digest)}: Already exists")
            else:
                wanted.setdefault(diff_id, blob)
        self._total = sum(blob.size for blob in wanted.values())
        pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pull")
        try:
            jobs = [pool.submit(self._layer, blob, diff_id) for diff_id, blob in wanted.items()]
            done, _ = wait(jobs, return_when=FIRST_EXCEPTION)
            for job in done:
                job.result()
        finally:
            self._failed.set()
            pool.shutdown(wait=True, cancel_futures=True)
        return [self._reference(diff_id) for _, diff_id in pairs]

    def _layer(self, blob: Blob, diff_id: str) -> None:
        path = self.scratch / diff_id.removeprefix("sha256:")
        download(self.found.access, blob, path, self._count)
        self._unpack(blob, path, diff_id)
        path.unlink()
        self.talk.say(f"{short(blob.digest)}: Pull complete")

    def _unpack(self, blob: Blob, path: Path, diff_id: str) -> None:
        """Into the store as the plain tar that it is, in whatever it was packed."""
        name = f"{self.found.access.reference}: layer {blob.digest}"
        with open_plain_file(path) as packed, plain(packed, name) as tar, self.store.write_blob() as out:
            for piece in chunks(tar):
                self.found.access.cancel.check()
                if self._failed.is_set():
                    raise ImageError("another layer failed")
                out.write(piece)
            found = out.commit()
        if found.digest != diff_id:
            raise ImageError(f"{name}: its content has the digest {found.digest}, not {diff_id} as the config says")

    def _reference(self, diff_id: str) -> LayerRef:
        path = self.store.blob_path(diff_id)
        return LayerRef(diff_id, diff_id, path.stat().st_size, content=content_size(path))

    def _count(self, new: int) -> None:
        if self._failed.is_set():
            raise ImageError("another layer failed")
        with self._lock:
            self._came += new
            now = time.monotonic()
            if now - self._told < _OFTEN and self._came < self._total:
                return
            self._told = now
            came = self._came
        self.talk.progress(came, self._total)

    def _remember(self, blobs: dict[str, Blob]) -> None:
        it = self.found.access
        if it.shown == it.reference.domain:  # a mirror's blobs are not the registry's
            places = {diff: Place(it.shown, it.reference.repository, blob) for diff, blob in blobs.items()}
            Records(self.store).add_layers(places)


def short(digest: str) -> str:
    """`sha256:0123456789abcdef...` -> `0123456789ab`."""
    return digest.removeprefix("sha256:")[:12]
