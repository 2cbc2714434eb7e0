"""A bound for the step cache: beyond so many steps or bytes those go that were not asked for the longest.

What an image stands on costs the cache nothing and stays, tagged or not; so does what a running build holds.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import field
from pathlib import Path

from workbench.dataclass import dataclass
from workbench.engines.embedded.disk import disk_errors
from workbench.engines.embedded.reach import reach_of
from workbench.engines.embedded.store import Store

AGAIN = 600.0
"""Seconds in which a store is not looked through twice."""


@dataclass(frozen=True, slots=True)
class CacheBound:
    """The most that the step cache keeps: steps, and bytes of layers that no image has and of manifests."""

    steps: int = 10_000
    bytes: int = 20_000_000_000


@dataclass(slots=True)
class _Entry:
    """A step in the cache: when it was last asked for, the layers that it holds, its files."""

    root: Path
    asked: float
    digests: set[str]
    files: list[Path] = field(default_factory=list)
    size: int = 0


def trim_now_and_then(store: Store, bound: CacheBound) -> int:
    """`trim`, where the last time is a while ago; else 0."""
    stamp = store.private / "trimmed"
    with disk_errors(stamp):
        with suppress(FileNotFoundError):
            if 0 <= time.time() - stamp.stat().st_mtime < AGAIN:
                return 0
        stamp.touch()
    return trim(store, bound)


def trim(store: Store, bound: CacheBound) -> int:
    """How many steps went. Raises StoreError."""
    with store.temporary() as bin_folder, store.layout.lock.held(), disk_errors(store.root):
        entries = sorted(_entries(store), key=lambda it: -it.asked)
        of_images = reach_of(store, (entry["digest"] for entry in store.layout.entries()))
        gone = entries[_kept(store, entries, bound, of_images.blobs) :]
        if not gone:
            return 0
        left = {digest for entry in entries[: len(entries) - len(gone)] for digest in entry.digests}
        for entry in gone:
            entry.root.unlink(missing_ok=True)  # first: without it the entry is void, wherever this is cut short
            for path in entry.files:
                path.unlink(missing_ok=True)
        leased = store.layout.scratch.leased()
        layers = {digest for entry in gone for digest in entry.digests} - left - leased
        for number, digest in enumerate(layers):
            if digest not in of_images.blobs:
                store.blob_path(digest).unlink(missing_ok=True)
            if digest not in of_images.diff_ids:
                with suppress(FileNotFoundError):
                    store.layers.take(digest, bin_folder / str(number))  # removed with that folder, after the lock
    return len(gone)


def _kept(store: Store, entries: list[_Entry], bound: CacheBound, of_images: set[str]) -> int:
    """How many of the entries, newest first, are within the bound."""
    counted = set(of_images)
    size = 0
    for number, entry in enumerate(entries):
        size += entry.size
        for digest in entry.digests - counted:
            counted.add(digest)
            with suppress(FileNotFoundError):
                size += store.blob_path(digest).stat().st_size
        if number >= bound.steps or size > bound.bytes:
            return number
    return len(entries)


def _entries(store: Store) -> Iterator[_Entry]:
    files: dict[str, list[os.DirEntry[str]]] = defaultdict(list)
    with suppress(FileNotFoundError), os.scandir(store.private / "steps") as found:
        for file in found:
            key = file.name.partition(".")[0]
            files[hashlib.sha256(key.encode()).hexdigest()].append(file)
    with suppress(FileNotFoundError), os.scandir(store.cache_roots.folder) as found:
        for root in found:
            path = Path(root.path)
            own = files.get(root.name, [])
            size = sum(file.stat().st_size for file in own)
            yield _Entry(path, root.stat().st_mtime, store.cache_roots.read(path), [Path(it.path) for it in own], size)
