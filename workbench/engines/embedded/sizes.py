"""How big a layer's files are: the sizes in its tar headers added up, without reading the data between them."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, cast

from workbench.engines.embedded.disk import disk_errors
from workbench.engines.embedded.tar_reader import read_tar
from workbench.engines.embedded.tree import clean_name


def content_size(tar: Path, name: str = "") -> int:
    """Bytes of the regular files in a plain tar: the size that `docker images` shows for it. 0 for an empty file.

    `name` is for errors. Raises InputError where it is no tar, or where a name in it leads out of it.
    """
    name = name or str(tar)
    with disk_errors(tar):
        total = 0
        with tar.open("rb", buffering=0) as source:
            for entry, _ in read_tar(cast(BinaryIO, source), name, seekable=True):
                clean_name(entry.name, name)
                if entry.isreg():
                    total += entry.size
    return total
