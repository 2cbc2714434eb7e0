"""Unpacked layers against the tars that they were made from."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from workbench.engines.embedded.checking.findings import Finding
from workbench.engines.embedded.layer_index import LayerIndex
from workbench.engines.embedded.layer_tar import TarEntry
from workbench.engines.embedded.layout import is_digest
from workbench.engines.embedded.store import Store
from workbench.errors import InputError

FOLDERS = ("layers", "layers-rootless", "layers-subids")
_SHOWN = 3
_TYPES = {"file": stat.S_IFREG, "directory": stat.S_IFDIR, "symlink": stat.S_IFLNK, "fifo": stat.S_IFIFO}


def layer_folders(store: Store) -> Iterator[tuple[str, Path]]:
    """Diff ID ("" where the name is none) and folder, of root's layers and of the users'."""
    for name in FOLDERS:
        folder = store.private / name
        if folder.is_dir() and os.access(folder, os.R_OK | os.X_OK):  # another user's are closed
            for path in folder.iterdir():
                digest = f"sha256:{path.name}"
                yield (digest if is_digest(digest) else ""), path


def check_folder(store: Store, diff_id: str, folder: Path, *, quick: bool) -> Finding | None:
    """What is wrong with an unpacked layer. One of an earlier boot is unpacked again before anybody uses it."""
    where = str(folder.relative_to(store.root))
    if not diff_id:
        return Finding("stranger", where, "no unpacked layer has this name", harmless=True)
    try:
        facts = json.loads((folder / "facts.json").read_bytes())
        boot = facts["boot"]
    except PermissionError:
        return None  # another user's
    except (OSError, ValueError, KeyError, TypeError):
        message = "this unpacked layer has no record of what it is; it is unpacked again when it is needed"
        return Finding("layer", where, message, harmless=True)
    if boot != store.layers.boot or (quick and (folder / "root").is_dir()):
        return None
    wrong = _differences(store, diff_id, folder / "root")
    if not wrong:
        return None
    more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return Finding("layer", where, f"this unpacked layer is not complete: {'; '.join(wrong[:_SHOWN])}{more}")


def _differences(store: Store, diff_id: str, root: Path) -> list[str]:
    if not root.is_dir():
        return ["its folder is missing"]
    if not store.has_blob(diff_id):
        return []  # packed, or the image is gone: there is nothing to hold it against
    try:
        index = LayerIndex.read(store.blob_path(diff_id))
    except InputError:
        return []  # a damaged blob, which is told as such
    wrong = []
    for path, (entry, _) in index.entries.items():
        if path and not _through_link(index, path) and (problem := _difference(root, path, entry)):
            wrong.append(problem)
    return wrong


def _through_link(index: LayerIndex, path: str) -> bool:
    """Whether something on the way is no folder in the tar: the tar's later words went elsewhere."""
    while path := path.rpartition("/")[0]:
        above = index.entries.get(path)
        if above is not None and above[0].kind != "directory":
            return True
    return False


def _difference(root: Path, path: str, entry: TarEntry) -> str:
    try:
        found = os.lstat(f"{root}/{path}")
    except FileNotFoundError:
        return "" if entry.kind in ("char", "block") and os.geteuid() else f"/{path} is missing"
    except OSError:
        return ""  # a folder that this user may not enter
    wanted = _TYPES.get(entry.kind)
    if wanted is not None and stat.S_IFMT(found.st_mode) != wanted:
        return f"/{path} is no {entry.kind}"
    if entry.kind == "file" and found.st_size != entry.size:
        return f"/{path} has {found.st_size} bytes, not {entry.size}"
    return ""
