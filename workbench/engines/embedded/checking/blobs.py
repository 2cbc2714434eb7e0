"""The layout's own files, its blobs against their names, and the images that stand on them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench.engines.embedded.catalog import Catalog, LayerRef, StoredImage, read_catalog
from workbench.engines.embedded.checking.findings import Finding
from workbench.engines.embedded.compression import chunks, plain
from workbench.engines.embedded.disk import disk_errors
from workbench.engines.embedded.layout import is_digest
from workbench.engines.embedded.load import CONFIG_TYPES
from workbench.engines.embedded.reach import reach_of
from workbench.engines.embedded.store import Store
from workbench.errors import InputError, StoreError


class Seen:
    """Blobs whose bytes were read already: nobody writes into a blob that has its name, so once is enough."""

    def __init__(self, *, quick: bool = False) -> None:
        self.quick = quick
        self._digests: dict[tuple[str, int, int, int], str] = {}
        self._plain: dict[str, str] = {}

    def digest(self, path: Path) -> str:
        """The digest of the bytes of a file; its name's own where nothing is to be read. Raises StoreError."""
        if self.quick:
            return f"sha256:{path.name}"
        with disk_errors(path):
            found = path.stat()
            key = (path.name, found.st_ino, found.st_size, found.st_mtime_ns)
            if key not in self._digests:
                with path.open("rb") as file:
                    self._digests[key] = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        return self._digests[key]

    def diff_id(self, path: Path) -> str:
        """The digest of the plain tar in a layer blob. Raises InputError where it cannot be unpacked."""
        if path.name not in self._plain:
            found = hashlib.sha256()
            with disk_errors(path), path.open("rb") as file, plain(file, str(path)) as tar:
                for piece in chunks(tar):
                    found.update(piece)
            self._plain[path.name] = f"sha256:{found.hexdigest()}"
        return self._plain[path.name]


def check_layout(root: Path) -> Iterator[Finding]:
    """`oci-layout` and `index.json`."""
    for name, key, wanted in (("oci-layout", "imageLayoutVersion", str), ("index.json", "manifests", list)):
        try:
            value = json.loads((root / name).read_bytes())
        except FileNotFoundError:
            yield Finding("layout" if name == "oci-layout" else "index", name, f"{name} is missing")
            continue
        except (OSError, ValueError, RecursionError) as error:
            yield Finding("layout" if name == "oci-layout" else "index", name, f"{name} cannot be read: {error}")
            continue
        if not isinstance(value, dict) or not isinstance(value.get(key), wanted):
            yield Finding("layout" if name == "oci-layout" else "index", name, f"{name} has no {key}")


def blob_files(store: Store) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Digest (or "" for a name that is none) and file."""
    with os.scandir(store.layout.blobs) as files:
        for file in files:
            digest = f"sha256:{file.name}"
            yield (digest if is_digest(digest) else ""), file


def check_blobs(store: Store, seen: Seen, users: Mapping[str, list[str]]) -> Iterator[Finding]:
    """Every blob against its name. `users` are the images that stand on each."""
    for digest, file in blob_files(store):
        if not digest:
            yield Finding("stranger", f"blobs/sha256/{file.name}", "no blob of a store has this name", harmless=True)
            continue
        try:
            found = seen.digest(Path(file.path))
        except StoreError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                yield Finding("blob-damaged", digest, f"this blob cannot be read: {error}", _names(users, digest))
            continue
        if found != digest:
            yield Finding(
                "blob-damaged", digest, f"this blob is not what its name says: its bytes have the digest {found}",
                _names(users, digest),
            )  # fmt: skip


def users_of(store: Store, entries: Iterable[Mapping[str, Any]], catalog: Catalog) -> dict[str, list[str]]:
    """Blob -> names of the images that stand on it, damaged ones by their tag or the digest of their entry."""
    owners: dict[str, list[str]] = {}
    for image in catalog.images.values():
        for entry in image.entries:
            owners[entry] = list(image.tags) or [image.id]
    for tag, entry in catalog.damaged_tags.items():
        owners.setdefault(entry, []).append(tag)
    users: dict[str, list[str]] = {}
    for digest in {entry["digest"] for entry in entries}:
        for blob in reach_of(store, [digest]).blobs:
            users.setdefault(blob, []).extend(owners.get(digest, [digest]))
    return users


def check_images(store: Store, seen: Seen, catalog: Catalog, users: Mapping[str, list[str]]) -> Iterator[Finding]:
    """Every entry of the index: what it names is there, of the size that is written, and fits together."""
    for entry, error in catalog.problems.items():
        if not _is_artifact(store, entry):
            yield _entry_problem(store, entry, error, _names(users, entry))
    told: set[str] = set()
    for image in catalog.images.values():
        for layer in image.layers:
            if layer.digest not in told:
                told.add(layer.digest)
                yield from _check_layer(store, seen, image, layer, _names(users, layer.digest))


def _entry_problem(store: Store, entry: str, error: StoreError, names: tuple[str, ...]) -> Finding:
    if not store.has_blob(entry):
        return Finding("index", entry, "index.json names this manifest, and it is missing", names)
    return Finding("image", entry, str(error), names)


def _is_artifact(store: Store, entry: str) -> bool:
    """A signature or a chart that another tool put here: no image, and no damage."""
    try:
        config = store.read_json(entry).get("config")
    except StoreError:
        return False
    return isinstance(config, dict) and config.get("mediaType") not in (*CONFIG_TYPES, None)


def _check_layer(
    store: Store, seen: Seen, image: StoredImage, layer: LayerRef, names: tuple[str, ...]
) -> Iterator[Finding]:
    path = store.blob_path(layer.digest)
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        yield Finding("blob-missing", layer.digest, "this layer is missing", names)
        return
    if not seen.quick and seen.digest(path) != layer.digest:
        return  # told as a blob
    if layer.size and size != layer.size:
        yield Finding("blob-size", layer.digest, f"this layer has {size} bytes, not {layer.size}", names)
        return
    if layer.digest == layer.diff_id or seen.quick:
        return
    try:
        found = seen.diff_id(path)
    except InputError as error:
        yield Finding("image", layer.digest, f"this layer cannot be unpacked here: {error}", names)
        return
    if found != layer.diff_id:
        yield Finding("image", layer.digest, f"this layer holds {found}, not {layer.diff_id} as {image.id} says", names)


def _names(users: Mapping[str, list[str]], digest: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(users.get(digest, ())))


def read_images(store: Store) -> tuple[list[dict[str, Any]], Catalog]:
    """The index as it stands; empty where it cannot be read, which `check_layout` tells."""
    try:
        entries = store.layout.entries()
    except StoreError:
        return [], Catalog()
    return entries, read_catalog(store.layout, entries)
