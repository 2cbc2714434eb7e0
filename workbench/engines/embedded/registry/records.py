"""What is known of blobs and images elsewhere, so that nothing is packed or sent twice. May be lost at any time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from workbench.dataclass import dataclass
from workbench.engines.embedded.layout import is_digest
from workbench.engines.embedded.registry.manifests import Blob
from workbench.engines.embedded.store import Store

_MOST = 4096


@dataclass(frozen=True, slots=True)
class Place:
    """A layer as it lies in a repository."""

    domain: str
    repository: str
    blob: Blob


class Records:
    """A file of the store: layers by diff ID with the places that have them, images by the digest of a manifest."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._path = store.private / "registries.json"

    def places(self, diff_id: str) -> list[Place]:
        """Where a layer is known to be, the newest first. It may be gone there."""
        found = []
        for entry in reversed(self._read()["layers"].get(diff_id) or []):
            try:
                domain, repository, digest, size, media_type = entry
            except (TypeError, ValueError):
                continue
            if is_digest(digest) and isinstance(size, int):
                found.append(Place(str(domain), str(repository), Blob(digest, size, str(media_type))))
        return found

    def image(self, name: str, digest: str) -> str:
        """The ID of the image that came as `name@digest`, or ""."""
        found = self._read()["images"].get(f"{name}@{digest}")
        return found if is_digest(found) else ""

    def add_layers(self, places: dict[str, Place]) -> None:
        """Diff ID -> the place where it is now known to be."""
        with self._changing() as known:
            for diff_id, place in places.items():
                entry = [place.domain, place.repository, place.blob.digest, place.blob.size, place.blob.media_type]
                others = [old for old in known["layers"].pop(diff_id, None) or [] if old[:2] != entry[:2]]
                known["layers"][diff_id] = [*others[-7:], entry]

    def add_image(self, name: str, digest: str, identifier: str) -> None:
        with self._changing() as known:
            known["images"].pop(f"{name}@{digest}", None)
            known["images"][f"{name}@{digest}"] = identifier

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        with self._store.layout.lock.held():
            known = self._read()
            yield known
            for table in known.values():
                for old in list(table)[:-_MOST]:
                    del table[old]
            self._store.layout.scratch.replace(self._path, json.dumps(known).encode())

    def _read(self) -> dict[str, Any]:
        try:
            known = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            known = None
        if not isinstance(known, dict):
            known = {}
        return {name: known[name] if isinstance(known.get(name), dict) else {} for name in ("layers", "images")}
