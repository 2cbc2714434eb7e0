"""What removing an image takes, first as a plan and then in fact, by Docker's rules.

Source: `daemon/images/image_delete.go` of Docker 20.10: a name only untags until it was the last one; an ID of
several names needs force; an image with children stays whatever one forces; with its last child an untagged parent
goes too. Blobs and unpacked layers go when no image, running build or (for `prune`) cache entry has a use for them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from workbench.build.images import Removal, short_id
from workbench.dataclass import dataclass
from workbench.engines.embedded.catalog import Catalog, StoredImage, entry_tag, read_catalog
from workbench.engines.embedded.disk import disk_errors
from workbench.engines.embedded.layout import is_digest
from workbench.engines.embedded.reach import Reach, reach_of
from workbench.engines.embedded.refs import digest_of, find_id, is_id_of, split_tag, tag_of
from workbench.engines.embedded.store import Store, clear_tag
from workbench.errors import ImageInUse, ImageNotFound, StoreError

GRACE = 3600.0
"""Seconds for which a blob that nobody names is left: somebody may be about to name it."""


@dataclass(slots=True)
class Plan:
    """A removal as it would be done on the index that was read."""

    removal: Removal
    entries: set[str] = field(default_factory=set)
    """Digests of the index entries that go."""
    blobs: dict[str, int] = field(default_factory=dict)
    folders: dict[str, int] = field(default_factory=dict)
    steps: dict[Path, int] = field(default_factory=dict)
    """Files of the step cache's entries that are void."""
    lost: set[str] = field(default_factory=set)
    """What the step cache names and nobody has."""


def plan_removal(store: Store, references: Sequence[str], *, force: bool = False) -> Plan:
    """What `remove` would do. Raises ImageNotFound."""
    with store.layout.lock.held():
        return _plan_references(store, store.layout.entries(), references, force)


def remove(store: Store, references: Sequence[str], *, force: bool = False) -> Removal:
    """`docker rmi`: all of it or, where one is refused, nothing. Raises ImageNotFound, ImageInUse."""
    with store.temporary() as bin_folder, store.layout.lock.held():
        plan = _plan_references(store, store.layout.entries(), references, force)
        if plan.removal.blocked:
            raise ImageInUse(plan.removal.blocked)
        _carry_out(store, plan, bin_folder)
    return plan.removal


def prune(store: Store, *, all: bool = False, dry_run: bool = False) -> Removal:
    """Images without a name (with `all` every image), the step cache's unused layers, and what crashes left."""
    if dry_run:
        return plan_prune(store, all=all).removal
    with store.temporary() as bin_folder, store.layout.lock.held():
        plan = plan_prune(store, all=all)
        _carry_out(store, plan, bin_folder)
    return plan.removal


def plan_prune(store: Store, *, all: bool = False) -> Plan:
    """What `prune` would do, also to a store that may only be read."""
    with store.layout.lock.held() if store.layout.writable else nullcontext():
        entries = store.layout.entries()
        catalog = read_catalog(store.layout, entries)
        simulation = _Simulation(catalog)
        simulation.prune(every=all)
        damaged = {digest for digest in catalog.problems if all or digest not in catalog.damaged_tags.values()}
        return _plan(store, entries, catalog, simulation, damaged, everything=True)


class _Simulation:
    """Docker's rules on names and parents, without a disk."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._tags = {image.id: list(image.tags) for image in catalog.images.values()}
        self.untagged: list[str] = []
        self.deleted: list[str] = []
        self.children: list[str] = []
        self.blocked = ""

    def remove(self, references: Sequence[str], force: bool) -> None:
        todo = [(reference, self._catalog.find(reference)) for reference in references]
        while todo:
            left = [(reference, image) for reference, image in todo if not self._one(reference, image, force)]
            if len(left) == len(todo):
                return
            self.blocked = ""  # a parent may go once its child has gone
            self.children.clear()
            todo = left

    def prune(self, *, every: bool) -> None:
        changed = True
        while changed:
            changed = False
            for identifier, tags in list(self._tags.items()):
                nameless = not tags and not self._catalog.images[identifier].digests  # what came by its digest has one
                if (every or nameless) and not self._has_children(identifier):
                    self._untag(identifier, list(tags))
                    self._delete(identifier, with_parents=False)
                    changed = True

    def _one(self, reference: str, image: StoredImage, force: bool) -> bool:
        tags = self._tags.get(image.id)
        if tags is None:
            return True  # went with an earlier reference
        tag = next((tag for tag in tags if tag in (reference, tag_of(reference))), "")
        if not tag and not is_id_of(reference, image.id) and not digest_of(reference):
            return True  # the name is gone already, the image has others
        if tag and not (is_digest(reference) or reference == image.id):
            self._untag(image.id, [tag])
            if not self._tags[image.id] and not self._has_children(image.id):
                self._delete(image.id)
            return True
        return self._by_id(image, tags, force)

    def _by_id(self, image: StoredImage, tags: list[str], force: bool) -> bool:
        if self._has_children(image.id):
            self._block(image, "cannot be forced", "image has dependent child images")
            self.children += [child.id for child in self._children(image.id)]
            return False
        if len(tags) > 1 and not force:
            several = len({split_tag(tag)[0] for tag in tags}) > 1
            why = "image is referenced in multiple repositories" if several else "image has several tags"
            self._block(image, "must be forced", why)
            return False
        self._untag(image.id, list(tags))
        self._delete(image.id)
        return True

    def _block(self, image: StoredImage, how: str, why: str) -> None:
        self.blocked = self.blocked or f"conflict: unable to delete {short_id(image.id)} ({how}) - {why}"

    def _children(self, identifier: str) -> list[StoredImage]:
        return [child for child in self._catalog.children(identifier) if child.id in self._tags]

    def _has_children(self, identifier: str) -> bool:
        return bool(self._children(identifier))

    def _untag(self, identifier: str, tags: list[str]) -> None:
        self.untagged += tags
        self._tags[identifier] = [tag for tag in self._tags[identifier] if tag not in tags]

    def _delete(self, identifier: str, *, with_parents: bool = True) -> None:
        del self._tags[identifier]
        self.deleted.append(identifier)
        parent = self._catalog.images[identifier].parent
        if with_parents and parent in self._tags and not self._tags[parent] and not self._has_children(parent):
            self._delete(parent)


def _plan_references(store: Store, entries: list[dict[str, Any]], references: Sequence[str], force: bool) -> Plan:
    catalog = read_catalog(store.layout, entries)
    simulation = _Simulation(catalog)
    damaged: set[str] = set()
    whole: list[str] = []
    for reference in references:
        try:
            catalog.find(reference)
            whole.append(reference)
        except ImageNotFound:
            raise
        except StoreError:
            damaged.add(_damaged(catalog, reference))
    simulation.remove(whole, force)
    return _plan(store, entries, catalog, simulation, damaged, everything=False)


def _damaged(catalog: Catalog, reference: str) -> str:
    for name in (reference, tag_of(reference)):
        if name in catalog.damaged_tags:
            return catalog.damaged_tags[name]
    return find_id(reference, catalog.problems)


def _plan(
    store: Store, entries: list[dict[str, Any]], catalog: Catalog, done: _Simulation, damaged: set[str],
    *, everything: bool,
) -> Plan:  # fmt: skip
    if done.blocked:
        return Plan(Removal(children=tuple(done.children), blocked=done.blocked))
    gone = {digest for identifier in done.deleted for digest in catalog.images[identifier].entries} | damaged
    lost_tags = [tag for tag, digest in catalog.damaged_tags.items() if digest in damaged]
    plan = Plan(Removal(untagged=(*done.untagged, *lost_tags), deleted=tuple(done.deleted)), entries=gone)
    kept = reach_of(store, (entry["digest"] for entry in entries if entry["digest"] not in gone))
    leased = store.layout.scratch.leased() if store.layout.writable else set()
    kept.blobs |= leased
    kept.diff_ids |= leased
    _add_garbage(store, plan, kept, reach_of(store, gone), everything=everything)
    freed = sum(plan.blobs.values()) + sum(plan.folders.values()) + sum(plan.steps.values())
    plan.removal = replace(plan.removal, bytes_freed=freed)
    return plan


def _add_garbage(store: Store, plan: Plan, kept: Reach, gone: Reach, *, everything: bool) -> None:
    cached = store.cache_roots.digests()
    blobs = gone.blobs - kept.blobs
    blobs |= set(store.layout.old_blobs(GRACE)) - kept.blobs - cached
    diff_ids = gone.diff_ids - kept.diff_ids
    if everything:
        blobs |= cached - kept.blobs
        diff_ids |= cached - kept.diff_ids
        plan.lost = {digest for digest in cached if not store.has_blob(digest)}
        plan.steps = dict(_void_steps(store))
    for digest in blobs:
        if store.has_blob(digest):
            plan.blobs[digest] = store.blob_path(digest).stat().st_size
    limit = time.time() - GRACE
    for diff_id in store.layers.all():
        forgotten = not store.has_blob(diff_id) and store.layers.made_at(diff_id) < limit
        if diff_id not in kept.diff_ids and (diff_id in diff_ids or diff_id in blobs or forgotten):
            plan.folders[diff_id] = store.layers.size(diff_id)


def _void_steps(store: Store) -> Iterator[tuple[Path, int]]:
    """Not the young ones: their build may be about to say what they hold."""
    for path in store.cache_roots.void(store.private / "steps"):
        with suppress(FileNotFoundError):
            found = path.stat()
            if found.st_mtime < time.time() - GRACE:
                yield path, found.st_size


def _carry_out(store: Store, plan: Plan, bin_folder: Path) -> None:
    """The index first, then what it named: a kill in between leaves only garbage, which a later removal finds."""
    with disk_errors(store.root):
        store.layout.reserve.release()
    with store.layout.changing() as entries:
        entries[:] = [entry for entry in entries if entry["digest"] not in plan.entries]
        for tag in plan.removal.untagged:
            for entry in [entry for entry in entries if entry_tag(entry) == tag]:
                clear_tag(entries, entry)
    store.cache_roots.drop(frozenset(plan.blobs) | plan.lost)
    with disk_errors(store.root):
        for path in plan.steps:
            path.unlink(missing_ok=True)
        for digest in plan.blobs:
            store.blob_path(digest).unlink(missing_ok=True)
        for number, diff_id in enumerate(plan.folders):
            store.layers.take(diff_id, bin_folder / str(number))  # removed with that folder, after the lock
    store.layout.reserve.refill()
