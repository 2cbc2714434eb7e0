"""The step cache: what an instruction made last time, found again by what went into it.

A key is made of the parent image's ID, the instruction as it takes effect and its inputs. Beside each entry lies the
step's manifest, so that a miss can be explained. Entries lie in the store; one whose layer is gone is no hit.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.build.manifest import Manifest, from_lines, to_lines
from workbench.dataclass import dataclass
from workbench.engines.embedded.disk import disk_errors
from workbench.engines.embedded.store import LayerRef, Store

FORMAT = 3


@dataclass(frozen=True, slots=True)
class Hit:
    """What a step left: its line of history, when, and its layer where it has one."""

    created_by: str
    created: str
    layer: LayerRef | None


class StepCache:
    """Raises StoreError where the disk fails; an entry that cannot be read is none."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folder = store.private / "steps"

    def key(self, parent: str, instruction: str, inputs: Any) -> str:
        """`parent` is an image ID (or ""), `instruction` its text after expansion, `inputs` any JSON value."""
        text = json.dumps([FORMAT, parent, instruction, inputs], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def get(self, key: str) -> Hit | None:
        try:
            entry = json.loads(self._path(key).read_bytes())
            layer = LayerRef(**entry["layer"]) if entry["layer"] else None
            hit = Hit(entry["created_by"], entry["created"], layer)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if not self._store.cache_roots.has(key):
            return None
        if hit.layer is not None and not self._store.hold([hit.layer]):
            return None
        return hit

    def put(self, key: str, hit: Hit, manifest: Manifest) -> None:
        """Remembers a result whose layer is in the store, and what it was made of."""
        entry = {
            "created_by": hit.created_by,
            "created": hit.created,
            "layer": asdict(hit.layer) if hit.layer else None,
        }
        with disk_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._keep_manifest(key, manifest)
            path, out = self._store.layout.scratch.file()
            with out:
                out.write(json.dumps(entry).encode())
                path.rename(self._path(key))
        self._store.cache_roots.put(key, [hit.layer.digest] if hit.layer else [])

    def manifest(self, key: str) -> Manifest | None:
        """What the step of that key was made of; None where nothing is known of it any more."""
        try:
            with gzip.open(self._manifest_path(key), "rt", encoding="ascii") as lines:
                return from_lines(lines)
        except (OSError, EOFError, ValueError):
            return None

    def _keep_manifest(self, key: str, manifest: Manifest) -> None:
        path, out = self._store.layout.scratch.file()
        with out:
            with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1, mtime=0) as packed:
                for line in to_lines(manifest):
                    packed.write(line.encode() + b"\n")
            path.rename(self._manifest_path(key))

    def _manifest_path(self, key: str) -> Path:
        return self._folder / f"{key}.manifest"

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"
