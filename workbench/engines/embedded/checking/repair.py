"""Sets damage apart, so that what is healthy goes on: nothing is thrown away that somebody could still want to see."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workbench.engines.embedded.catalog import read_catalog
from workbench.engines.embedded.checking.blobs import Seen, blob_files
from workbench.engines.embedded.checking.examine import look
from workbench.engines.embedded.checking.findings import Finding, Report
from workbench.engines.embedded.disk import disk_errors
from workbench.engines.embedded.layout import CONFIG, MANIFEST
from workbench.engines.embedded.store import Store
from workbench.errors import StoreError

_LARGEST_MANIFEST = 4 << 20


def repair(store: Store) -> tuple[Report, list[str]]:
    """The report after the repair, and what was done, a line each.

    Damaged blobs and what the index said of damaged images go to the folder `workbench/damaged` of the store; healthy
    images keep their names. Where the index itself is lost, the images are found again by their manifests, without
    names. Raises StoreError.
    """
    if not store.root.is_dir():
        raise StoreError(f"{store.root}: there is no store here", hint="Name one with --root or WORKBENCH_ROOT.")
    with disk_errors(store.root):
        store.private.mkdir(exist_ok=True)
        aside = store.private / "damaged" / time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    done: list[str] = []
    with store.layout.lock.held():
        seen = Seen()
        _mend_index(store, aside, done)
        store.open()
        with store.temporary() as bin_folder, disk_errors(store.root):
            for number, finding in enumerate(look(store, seen).findings):
                done += _set_apart(store, finding, aside, bin_folder / str(number))
        _drop_entries(store, look(store, seen).damage, aside, done)
        store.layout.scratch.leased()
        return look(store, seen), done


def _set_apart(store: Store, finding: Finding, aside: Path, trash: Path) -> list[str]:
    path = store.blob_path(finding.subject) if finding.subject.startswith("sha256:") else store.root / finding.subject
    match finding.kind:
        case "blob-damaged":
            aside.mkdir(parents=True, exist_ok=True)
            path.rename(aside / path.name)
            return [f"moved the damaged blob {finding.subject} to {aside.relative_to(store.root)}"]
        case "layer":
            path.rename(trash)
            return [f"removed {finding.subject}; it is unpacked again when it is needed"]
        case "cache":
            path.unlink(missing_ok=True)
            return [f"removed {finding.subject}; the step is made again"]
    return []


def _drop_entries(store: Store, damage: Iterable[Finding], aside: Path, done: list[str]) -> None:
    """Images that cannot be whole any more leave the index; what it said of them is kept beside the damaged blobs."""
    with store.layout.changing() as entries:
        catalog = read_catalog(store.layout, entries)
        broken = set(catalog.problems)
        subjects = {finding.subject for finding in damage}
        for image in catalog.images.values():
            if subjects & {*(layer.digest for layer in image.layers), *image.entries}:
                broken |= set(image.entries)
        lost = [entry for entry in entries if entry["digest"] in broken]
        if not lost:
            return
        with disk_errors(aside):
            aside.mkdir(parents=True, exist_ok=True)
            (aside / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": lost}, indent=2))
        entries[:] = [entry for entry in entries if entry["digest"] not in broken]
    for entry in lost:
        name = (entry.get("annotations") or {}).get("org.opencontainers.image.ref.name") or entry["digest"]
        done.append(f"took the damaged image {name} out of the index")


def _mend_index(store: Store, aside: Path, done: list[str]) -> None:
    """A lost index is written anew from the manifests that are there."""
    path = store.root / "index.json"
    try:
        store.layout.entries()
        if path.exists():
            return
    except StoreError:
        with disk_errors(path):
            aside.mkdir(parents=True, exist_ok=True)
            path.rename(aside / "index.json.damaged")
    found = list(_manifests(store)) if store.layout.blobs.is_dir() else []
    store.open()
    with store.layout.changing() as entries:
        entries[:] = found
    done.append(f"wrote index.json anew: {len(found)} images were found again, without their names")


def _manifests(store: Store) -> Iterable[dict[str, Any]]:
    for digest, file in blob_files(store):
        size = file.stat().st_size
        if not digest or size > _LARGEST_MANIFEST:
            continue
        try:
            manifest = store.read_json(digest)
        except StoreError:
            continue
        config = manifest.get("config")
        if isinstance(config, dict) and config.get("mediaType") == CONFIG and isinstance(manifest.get("layers"), list):
            yield {"mediaType": manifest.get("mediaType") or MANIFEST, "digest": digest, "size": size}
