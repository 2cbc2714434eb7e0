"""The layers of images as file systems to look into: each index is read once and kept for the process."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.engines.embedded.copied import CopiedFolders
from workbench.engines.embedded.layer_tar import TarEntry
from workbench.engines.embedded.store import LayerRef, Store
from workbench.engines.embedded.view import ImageView

if TYPE_CHECKING:
    from workbench.engines.embedded.layer_index import LayerIndex

KEPT = 64
"""Layers whose index stays in memory, however large; more of them while they are small."""
ENTRIES = 50_000
"""Paths of all those layers that are small enough to keep more."""


class LayerFiles:
    """Safe to share between builds. Indexes of compressed layers belong to the build that asked, see `view`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: OrderedDict[str, LayerIndex] = OrderedDict()
        self._lock = threading.Lock()
        self._entries = 0
        self._spooling = threading.Lock()
        self.copied = CopiedFolders()

    def remember(self, layer: LayerRef, entries: Sequence[tuple[TarEntry, int]]) -> None:
        """The entries of a layer that was just written, so that its tar need not be read."""
        from workbench.engines.embedded.layer_index import LayerIndex

        self._keep(layer.diff_id, LayerIndex.of(self._store.blob_path(layer.digest), entries))

    def view(self, layers: Sequence[LayerRef], scratch: Path, below: ImageView | None = None) -> ImageView:
        """The file system that these layers make; `below` is that of the first of them. `scratch` takes the plain form
        of compressed ones."""
        view = below or ImageView()
        for layer in layers[len(view.layers) :]:
            view = view.plus(self._index(layer, scratch))
        return view

    def _index(self, layer: LayerRef, scratch: Path) -> LayerIndex:
        with self._lock:
            found = self._known.get(layer.diff_id)
            if found is not None and found.tar.exists():
                self._known.move_to_end(layer.diff_id)
                return found
        from workbench.engines.embedded.layer_index import LayerIndex

        index = LayerIndex.read(self._plain(layer, scratch))
        self._keep(layer.diff_id, index)
        return index

    def _plain(self, layer: LayerRef, scratch: Path) -> Path:
        if self._store.has_blob(layer.diff_id):
            return self._store.blob_path(layer.diff_id)
        from workbench.engines.embedded.compression import chunks, open_plain_file, plain

        spool = scratch / f"layer-{hashlib.sha256(layer.diff_id.encode()).hexdigest()[:16]}.tar"
        with self._spooling:
            if spool.exists():
                return spool
            path = self._store.blob_path(layer.digest)
            with open_plain_file(path) as file, plain(file, str(path)) as source, spool.open("wb") as out:
                for data in chunks(source):
                    out.write(data)
        return spool

    def _keep(self, diff_id: str, index: LayerIndex) -> None:
        with self._lock:
            before = self._known.pop(diff_id, None)
            self._entries += len(index.entries) - (len(before.entries) if before is not None else 0)
            self._known[diff_id] = index
            while len(self._known) > KEPT and self._entries > ENTRIES:
                _, oldest = self._known.popitem(last=False)
                self._entries -= len(oldest.entries)
