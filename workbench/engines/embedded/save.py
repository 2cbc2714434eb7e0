"""Writes images as a docker-archive, which `docker load` and `podman load` read. The same image, the same bytes."""

from __future__ import annotations

import io
import json
import os
import secrets
import stat
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO, cast

from workbench.engines.embedded.catalog import Catalog, LayerRef, StoredImage
from workbench.engines.embedded.compression import decompress
from workbench.engines.embedded.disk import disk_errors, sync_folder
from workbench.engines.embedded.refs import is_id_of, split_tag, tag_of
from workbench.engines.embedded.store import Store
from workbench.engines.meter import Meter
from workbench.errors import StoreError


def save(store: Store, references: Sequence[str], out: Path, meter: Meter | None = None) -> None:
    """One archive of all these images: complete at `out`, or nothing there. A name without a tag means all tags of
    the repository, as for `docker save`. Raises ImageNotFound, StoreError; Cancelled where the meter's end is
    asked."""
    meter = meter or Meter()
    catalog = store.catalog()
    chosen: dict[str, tuple[StoredImage, list[str]]] = {}
    for reference in references:
        for image, tag in _meant(catalog, reference):
            tags = chosen.setdefault(image.id, (image, []))[1]
            if tag and tag not in tags:
                tags.append(tag)
    # From a read-only store nobody can take anything meanwhile.
    with store.keep(chosen) if store.layout.writable else nullcontext(), _whole_file(out) as file:
        meter.expect(sum({it.diff_id: it.size for image, _ in chosen.values() for it in image.layers}.values()))
        _write(store, list(chosen.values()), file, out, meter)
        meter.finish()


def _meant(catalog: Catalog, reference: str) -> Iterator[tuple[StoredImage, str]]:
    if not split_tag(reference)[1] and not reference.startswith("sha256:"):
        name = split_tag(tag_of(reference))[0]
        found = [(image, tag) for image in catalog.images.values() for tag in image.tags if split_tag(tag)[0] == name]
        if found:
            yield from found
            return
    image = catalog.find(reference)
    yield image, "" if is_id_of(reference, image.id) else tag_of(reference)


def _write(
    store: Store, images: Sequence[tuple[StoredImage, list[str]]], file: BinaryIO, out: Path, meter: Meter
) -> None:
    manifest = []
    repositories: dict[str, dict[str, str]] = {}
    written: set[str] = set()
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.GNU_FORMAT) as tar:
        for image, tags in images:
            names = []
            for layer in image.layers:
                names.append(f"{layer.diff_id.removeprefix('sha256:')}/layer.tar")
                if layer.diff_id not in written:
                    written.add(layer.diff_id)
                    _add_layer(store, tar, layer, names[-1], out, meter)
            config = f"{image.id.removeprefix('sha256:')}.json"
            _add(tar, config, store.layout.read_bytes(image.id))
            manifest.append({"Config": config, "RepoTags": tags or None, "Layers": names})
            if image.layers:  # the oldest readers know images by their topmost layer
                for tag in tags:
                    name, version = split_tag(tag)
                    repositories.setdefault(name, {})[version] = image.layers[-1].diff_id.removeprefix("sha256:")
        _add(tar, "manifest.json", json.dumps(manifest).encode())
        if repositories:
            _add(tar, "repositories", json.dumps(repositories).encode())


def _add_layer(store: Store, tar: tarfile.TarFile, layer: LayerRef, name: str, out: Path, meter: Meter) -> None:
    blob = store.blob_path(layer.digest)
    if layer.digest != layer.diff_id:
        with store.temporary() as scratch:
            unpacked = scratch / "layer.tar"
            with disk_errors(blob), blob.open("rb") as packed:
                decompress(packed, unpacked, str(blob), meter.check)
            _add_file(tar, name, unpacked, out, meter)
    else:
        _add_file(tar, name, blob, out, meter)


def _add_file(tar: tarfile.TarFile, name: str, path: Path, out: Path, meter: Meter) -> None:
    with disk_errors(out, ours=False), path.open("rb") as data:
        entry = _entry(name, os.fstat(data.fileno()).st_size)
        try:
            tar.addfile(entry, cast(BinaryIO, meter.reader(data)))
        except OSError as error:
            if error.errno is not None:
                raise
            raise StoreError(f"{path}: the store is damaged: this layer is too short") from error


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    tar.addfile(_entry(name, len(data)), io.BytesIO(data))


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = 0o644
    return entry


@contextmanager
def _whole_file(out: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name when the block ends well. A pipe or device is written as it is."""
    with disk_errors(out, ours=False):
        if _is_special(out):
            with out.open("wb") as file:
                yield file
            return
        part = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
        try:
            with part.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(out)
            sync_folder(out.parent)
        finally:
            part.unlink(missing_ok=True)


def _is_special(out: Path) -> bool:
    try:
        return not stat.S_ISREG(out.stat().st_mode) and not out.is_dir()
    except FileNotFoundError:
        return False
