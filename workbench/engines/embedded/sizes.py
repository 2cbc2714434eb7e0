"""How big a layer's files are: the sizes in its tar headers added up, without reading the data between them."""

from __future__ import annotations

import tarfile
from pathlib import Path

from workbench.context.strict_tar import DAMAGED, StrictTarInfo
from workbench.engines.embedded.disk import disk_errors
from workbench.engines.embedded.tree import clean_name
from workbench.errors import InputError


def content_size(tar: Path, name: str = "") -> int:
    """Bytes of the regular files in a plain tar: the size that `docker images` shows for it. 0 for an empty file.

    `name` is for errors. Raises InputError where it is no tar, or where a name in it leads out of it.
    """
    name = name or str(tar)
    with disk_errors(tar):
        if tar.stat().st_size == 0:
            return 0
        total = 0
        try:
            with tarfile.open(tar, "r:", tarinfo=StrictTarInfo, errors="surrogateescape") as entries:
                while (entry := entries.next()) is not None:
                    entries.members = []  # type: ignore[attr-defined]  # it remembers all
                    clean_name(entry.name, name)
                    if entry.isreg():
                        total += entry.size
        except DAMAGED as error:
            raise InputError(f"{name}: not a tar archive, or a damaged one: {error}") from error
    return total
