"""How big a layer's files are: the sizes in its tar headers added up, without reading the data between them."""

from __future__ import annotations

import tarfile
from pathlib import Path

from workbench.engines.embedded.disk import disk_errors
from workbench.errors import InputError


def content_size(tar: Path) -> int:
    """Bytes of the regular files in a plain tar: the size that `docker images` shows for it. 0 for an empty file.

    Raises InputError where it is no tar.
    """
    with disk_errors(tar):
        if tar.stat().st_size == 0:
            return 0
        total = 0
        try:
            with tarfile.open(tar, "r:", errors="surrogateescape") as entries:
                while (entry := entries.next()) is not None:
                    entries.members = []  # type: ignore[attr-defined]  # it remembers all
                    if entry.isreg():
                        total += entry.size
        except tarfile.TarError as error:
            raise InputError(f"{tar}: not a layer: {error}") from error
    return total
