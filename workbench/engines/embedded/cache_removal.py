"""What is kept only to be fast, taken away: the step cache, the caches of `RUN --mount=type=cache`, unpacked layers.

Images stay. What a running build uses stays too; the cache mounts stay while any build runs, for nobody can tell which
of them it will use.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path

from workbench.build.images import Removal
from workbench.engines.embedded.disk import disk_errors
from workbench.engines.embedded.reach import reach_of
from workbench.engines.embedded.store import Store
from workbench.engines.embedded.usage import tree_size


def prune_cache(store: Store, *, dry_run: bool = False) -> Removal:
    """The bytes that are freed, or would be. Raises StoreError."""
    if dry_run:
        with store.layout.lock.held() if store.layout.writable else nullcontext():
            return Removal(bytes_freed=_freed(store, *_plan(store)))
    with store.temporary() as bin_folder, store.layout.lock.held():
        blobs, folders = _plan(store)
        freed = _freed(store, blobs, folders)
        store.layout.reserve.release()
        with disk_errors(store.root):
            for path in blobs:
                path.unlink(missing_ok=True)
            for number, path in enumerate(folders):
                with suppress(FileNotFoundError):
                    path.rename(bin_folder / str(number))  # removed with that folder, after the lock
        store.layout.reserve.refill()
    return Removal(bytes_freed=freed)


def _plan(store: Store) -> tuple[list[Path], list[Path]]:
    """Blobs and folders that go. The caller holds the lock."""
    scratch = store.layout.scratch
    leased = scratch.leased() if store.layout.writable else set()
    kept = reach_of(store, (entry["digest"] for entry in store.layout.entries())).blobs | leased
    blobs = [store.blob_path(digest) for digest in store.cache_roots.digests() - kept if store.has_blob(digest)]
    folders = [store.layers.path(diff_id).parent for diff_id in store.layers.all() if diff_id not in leased]
    return blobs, [*folders, *_whole_folders(store)]


def _whole_folders(store: Store) -> Iterator[Path]:
    for name in ("steps", "cache-roots", "mounts"):
        path = store.private / name
        if path.is_dir() and not (name == "mounts" and store.layout.scratch.in_use()):
            yield path


def _freed(store: Store, blobs: list[Path], folders: list[Path]) -> int:
    return sum(map(tree_size, blobs)) + sum(store.layers.size_of(path) or tree_size(path) for path in folders)
