"""The steps that the builds of one context went through, so that a miss is explained by its own earlier builds.

One small file for each context in the store, written when a build ends: cache keys with what each step stood on,
newest last, bounded. Losing it loses explanations and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from workbench.build.change import Change
from workbench.build.manifest import Manifest, nearest
from workbench.build.request import BuildRequest
from workbench.engines.embedded.cache import StepCache
from workbench.engines.embedded.store import Store

KEPT = 2000
"""Steps that are remembered of one context."""
_LOOKED_AT = 6
"""Earlier steps that a miss is compared with."""


class Visited(NamedTuple):
    """A step of an earlier build: where its manifest lies, and where it was."""

    key: str
    parent: str
    base: str
    stage: int


class Trail:
    """Of one build. Any thread may call; `save` once, at the end."""

    def __init__(self, store: Store, cache: StepCache, request: BuildRequest) -> None:
        self._store = store
        self._cache = cache
        where = json.dumps([str(request.context), request.dockerfile])
        self._path = store.private / "trails" / f"{hashlib.sha256(where.encode()).hexdigest()}.json"
        self._before = self._read()
        self._now: list[Visited] = []
        self._lock = threading.Lock()

    def note(self, step: Visited) -> None:
        """A step that is in the cache now, reused or made."""
        with self._lock:
            self._now.append(step)

    def why(self, key: str, manifest: Manifest, stage: int) -> tuple[Change, ...]:
        """Why the cache has no `key`: the step is compared with those of earlier builds on the same parent, and on
        the same base where it is the first of its stage."""
        found = [it for it in reversed(self._before) if it.parent == manifest.parent]
        if any(it.key == key for it in found):
            return (Change("gone"),)
        if not found and manifest.base:
            found = [it for it in reversed(self._before) if it.base == manifest.base]
        if not found and manifest.base:
            found = [it for it in reversed(self._before) if it.base and it.stage == stage]
        found.sort(key=lambda it: it.stage != stage)
        return nearest(self._manifests(found), manifest)

    def _manifests(self, found: list[Visited]) -> Iterator[Manifest]:
        for it in list(dict.fromkeys(found))[:_LOOKED_AT]:
            manifest = self._cache.manifest(it.key)
            if manifest is not None:
                yield manifest

    def save(self) -> None:
        """A store that cannot be written keeps its old explanations."""
        kept = list(dict.fromkeys(reversed([*self._before, *self._now])))[:KEPT][::-1]
        if kept == self._before:
            return
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            path, out = self._store.layout.scratch.file()
            with out:
                out.write(json.dumps(kept).encode())
                out.flush()
                path.rename(self._path)

    def _read(self) -> list[Visited]:
        try:
            return [Visited(*it) for it in json.loads(self._path.read_bytes())]
        except (OSError, ValueError, TypeError):
            return []
