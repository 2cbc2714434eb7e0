"""Looks at a whole store and says what is damaged. Builds may go on meanwhile; nothing is changed."""

from __future__ import annotations

from workbench.engines.embedded.checking.blobs import (
    Seen,
    blob_files,
    check_blobs,
    check_images,
    check_layout,
    read_images,
    users_of,
)
from workbench.engines.embedded.checking.findings import Report
from workbench.engines.embedded.checking.folders import check_folder, layer_folders
from workbench.engines.embedded.checking.remains import check_cache_roots, check_leftovers, check_steps
from workbench.engines.embedded.store import Store
from workbench.errors import StoreError


def examine(store: Store, *, quick: bool = False) -> Report:
    """The store, which need not be open. With `quick` sizes are compared and no content is read.

    Damage that is seen while others write is looked at again under the store's lock: what they were about to finish
    is none. Raises StoreError where there is no store.
    """
    if not store.root.is_dir():
        raise StoreError(f"{store.root}: there is no store here", hint="Name one with --root or WORKBENCH_ROOT.")
    seen = Seen(quick=quick)
    report = look(store, seen)
    if report.damage and store.layout.writable:
        with store.layout.lock.held():
            report = look(store, seen)
    return report


def look(store: Store, seen: Seen) -> Report:
    """One look at everything."""
    report = Report(str(store.root))
    report.findings += check_layout(store.root)
    entries, catalog = read_images(store)
    users = users_of(store, entries, catalog)
    report.images = len(catalog.images) + len(catalog.problems)
    if store.layout.blobs.is_dir():
        report.findings += check_blobs(store, seen, users)
        for _, file in blob_files(store):
            report.blobs += 1
            try:
                report.bytes += file.stat().st_size
            except FileNotFoundError:
                continue
    report.findings += check_images(store, seen, catalog, users)
    for diff_id, folder in layer_folders(store):
        report.layers += 1
        if (wrong := check_folder(store, diff_id, folder, quick=seen.quick)) is not None:
            report.findings.append(wrong)
    for finding in check_steps(store):
        report.steps += 1
        if finding is not None:
            report.findings.append(finding)
    report.findings += check_cache_roots(store)
    report.findings += check_leftovers(store)
    return report
