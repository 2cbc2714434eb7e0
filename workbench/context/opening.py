"""Opens a file of the context that a scan has seen, and nothing else that has come to be in its place."""

from __future__ import annotations

import errno
import os
import stat
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.context.scan import Entry


def open_entry(root: Path | str, entry: Entry) -> tuple[int, os.stat_result]:
    """A descriptor to read from, and what it leads to now; the caller closes it. A file that was replaced by another
    is opened, one behind a folder that has become a link out of the context is not (the race of CVE-2018-15664).

    A FIFO does not hold us. Raises OSError: ELOOP where a link stands in the way.
    """
    path = f"{os.fspath(root)}/{entry.path}"
    # Without O_NONBLOCK a FIFO that took the file's place would hold us.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        facts = os.fstat(descriptor)
        # Also where the inode is the one that the scan saw: it may have looked behind the link itself.
        if not _real(descriptor, path).startswith(_root(os.fspath(root))):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor, facts


def _real(descriptor: int, path: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115  # for each file of a context
    except OSError:  # no /proc
        return os.path.realpath(path)


@lru_cache(maxsize=8)
def _root(root: str) -> str:
    return os.path.realpath(root).rstrip("/") + "/"


def read_file(path: Path) -> bytes:
    """A whole file, for what may only be one: reading a FIFO would wait for ever. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a file", str(path))
        return file.read()
