"""The step cache's entries against their layers, and what dead processes left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from workbench.engines.embedded.checking.findings import Finding
from workbench.engines.embedded.scratch import owner_lives
from workbench.engines.embedded.store import Store


def check_cache_roots(store: Store) -> Iterator[Finding]:
    """Keys of the step cache that hold a layer which is gone: the step is made again, nothing is lost."""
    if not store.cache_roots.folder.is_dir():
        return
    for path in store.cache_roots.folder.iterdir():
        for digest in store.cache_roots.read(path):
            if not store.has_blob(digest):
                where = str(path.relative_to(store.root))
                yield Finding("cache", where, f"the step cache names {digest}, which is gone", harmless=True)


def check_steps(store: Store) -> Iterator[Finding | None]:
    """An item for each entry of the step cache: what is wrong with it, or None."""
    folder = store.private / "steps"
    if not folder.is_dir():
        return
    for path in folder.glob("*.json"):
        try:
            whole = isinstance(json.loads(path.read_bytes()), dict)
        except FileNotFoundError:
            continue
        except (OSError, ValueError, RecursionError):
            whole = False
        where = str(path.relative_to(store.root))
        yield None if whole else Finding("cache", where, "this entry of the step cache cannot be read", harmless=True)


def check_leftovers(store: Store) -> Iterator[Finding]:
    """Scratch and leases whose process is gone."""
    for folder, what in ((store.layout.scratch.folder, "scratch"), (store.layout.scratch.leases, "lease")):
        if not folder.is_dir():
            continue
        for path in folder.iterdir():
            if _is_left(path):
                message = f"{what} of a process that is gone; the next command clears it away"
                yield Finding("leftover", str(path.relative_to(store.root)), message, harmless=True)


def _is_left(path: Path) -> bool:
    try:
        return not owner_lives(path) and path.exists()
    except PermissionError:
        return False  # another user's
