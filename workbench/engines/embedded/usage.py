"""What the store takes of the disk, by kind, and what a prune would free of each."""

from __future__ import annotations

import os
import stat
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from workbench.build.usage import DiskUsage, ImageUsage, Usage
from workbench.engines.embedded.catalog import Catalog
from workbench.engines.embedded.checking.folders import layer_folders
from workbench.engines.embedded.describe import seconds
from workbench.engines.embedded.disk import disk_errors
from workbench.engines.embedded.layout import is_digest
from workbench.engines.embedded.reach import reach_of
from workbench.engines.embedded.removal import plan_prune
from workbench.engines.embedded.scratch import owner_lives
from workbench.engines.embedded.store import Store


def usage(store: Store) -> DiskUsage:
    """Every byte below the store's root is counted once, but for what is small and always there. An image is active
    where it has a name, a cached step where an image stands on its layer."""
    plan = plan_prune(store)
    catalog = store.catalog()
    sizes = _blob_sizes(store)
    named = {image.id: reach_of(store, image.entries).blobs for image in catalog.images.values()}
    of_images = {blob for blobs in named.values() for blob in blobs}
    cached = store.cache_roots.digests()
    gone = set(plan.blobs)

    def kind(name: str, total: int, active: int, blobs: set[str]) -> Usage:
        return Usage(name, total, active, _sum(sizes, blobs), _sum(sizes, blobs & gone))

    steps = list(store.cache_roots.held())
    kinds = [
        kind("Images", len(named), sum(bool(image.tags) for image in catalog.images.values()), of_images),
        _with(
            kind("Step cache", len(steps), sum(digests <= of_images for digests in steps), cached - of_images),
            tree_size(store.private / "steps"),
            sum(plan.steps.values()),
        ),
        _unpacked(store, plan.folders),
        _mounts(store),
        _scratch(store),
    ]
    other = set(sizes) - of_images - cached
    if other:
        kinds.append(kind("Other blobs", len(other), 0, other))
    if aside := tree_size(store.private / "damaged"):
        kinds.append(Usage("Set apart", len(os.listdir(store.private / "damaged")), 0, aside, 0))
    return DiskUsage(tuple(kinds), _images(catalog))


def image_sizes(store: Store) -> tuple[ImageUsage, ...]:
    """What each image shares with others and has alone, the newest first."""
    return _images(store.catalog())


def _with(kind: Usage, size: int, reclaimable: int) -> Usage:
    return replace(kind, size=kind.size + size, reclaimable=kind.reclaimable + reclaimable)


def _images(catalog: Catalog) -> tuple[ImageUsage, ...]:
    users = Counter(digest for image in catalog.images.values() for digest in {it.digest for it in image.layers})
    found = []
    for image in catalog.images.values():
        shared = sum(layer.shown_size for layer in image.layers if users[layer.digest] > 1)
        created = seconds(image.config.get("created"))
        found.append(ImageUsage(image.id, image.tags, created, shared, image.size - shared))
    return tuple(sorted(found, key=lambda image: -image.created))


def _blob_sizes(store: Store) -> dict[str, int]:
    with disk_errors(store.root), os.scandir(store.layout.blobs) as files:
        return {f"sha256:{file.name}": file.stat().st_size for file in files if is_digest(f"sha256:{file.name}")}


def _sum(sizes: dict[str, int], blobs: set[str]) -> int:
    return sum(sizes.get(blob, 0) for blob in blobs)


def _unpacked(store: Store, gone: dict[str, int]) -> Usage:
    folders = [path for _, path in layer_folders(store)]
    size = sum(store.layers.size_of(path) for path in folders)
    return Usage("Unpacked layers", len(folders), len(folders) - len(gone), size, sum(gone.values()))


def _mounts(store: Store) -> Usage:
    folder = store.private / "mounts"
    names = os.listdir(folder) if folder.is_dir() else []
    return Usage("Cache mounts", len(names), 0, tree_size(folder), 0)


def _scratch(store: Store) -> Usage:
    paths = list(store.layout.scratch.folder.iterdir()) if store.layout.scratch.folder.is_dir() else []
    sizes = {path: tree_size(path) for path in paths}
    dead = [path for path in paths if not owner_lives(path)]
    return Usage("Scratch", len(paths), len(paths) - len(dead), sum(sizes.values()), sum(sizes[path] for path in dead))


def tree_size(path: Path) -> int:
    """Bytes of the files below `path` (or of it), each hard link's file once. What goes away meanwhile is none."""
    found: dict[tuple[int, int], int] = {}
    todo = [os.fspath(path)]
    while todo:
        at = todo.pop()
        with suppress(OSError):
            facts = os.lstat(at)
            if not stat.S_ISDIR(facts.st_mode):
                found[facts.st_dev, facts.st_ino] = facts.st_size
                continue
            with os.scandir(at) as entries:
                todo += [entry.path for entry in entries]
    return sum(found.values())
