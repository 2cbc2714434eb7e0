"""Which blobs and layers index entries stand on, as far as they can be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from workbench.dataclass import dataclass
from workbench.engines.embedded.layout import is_digest
from workbench.engines.embedded.store import Store
from workbench.errors import StoreError


@dataclass(slots=True)
class Reach:
    """Digests of blobs, and diff IDs of layers (which are their names as folders)."""

    blobs: set[str] = field(default_factory=set)
    diff_ids: set[str] = field(default_factory=set)


def reach_of(store: Store, digests: Iterable[str]) -> Reach:
    """Everything below these manifests or indexes. What cannot be read has nothing below it that anybody could
    still reach."""
    reach = Reach()
    todo = list(digests)
    while todo:
        digest = todo.pop()
        if digest in reach.blobs:
            continue
        reach.blobs.add(digest)
        try:
            manifest = store.read_json(digest)
        except StoreError:
            continue
        todo += _digests(manifest.get("manifests"))
        reach.blobs.update(_digests(manifest.get("layers")))
        for config in _digests([manifest.get("config")]):
            reach.blobs.add(config)
            reach.diff_ids.update(_diff_ids(store, config))
    return reach


def _digests(descriptors: object) -> list[str]:
    if not isinstance(descriptors, list):
        return []
    return [found["digest"] for found in descriptors if isinstance(found, dict) and is_digest(found.get("digest"))]


def _diff_ids(store: Store, config: str) -> list[str]:
    try:
        rootfs: Mapping[str, Any] = store.read_json(config).get("rootfs") or {}
        found = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    except StoreError:
        return []
    return [diff_id for diff_id in found if is_digest(diff_id)] if isinstance(found, list) else []
