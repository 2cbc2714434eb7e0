"""Opens a file of the context that a scan has seen, and nothing else that has come to be in its place."""

from __future__ import annotations

import errno
import os
import stat
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.context.scan import Entry


# Without O_NONBLOCK a FIFO that took a file's place would hold us.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC


class Opener:
    """Opens files one after the other, as `open_entry` does, and keeps the folder of the last one open: where many
    files of a folder are read, its path is looked up once. A context manager."""

    def __init__(self, root: Path | str) -> None:
        self.root = os.fspath(root)
        self._parent: str | None = None
        self._folder = -1

    def open(self, path: str) -> int:
        """A descriptor to read from; the caller closes it and sees what kind of file it is. Raises OSError."""
        parent, _, name = path.rpartition("/")
        if parent != self._parent:
            self._enter(parent)
        return os.open(name, _FILE, dir_fd=self._folder)

    def _enter(self, parent: str) -> None:
        self.close()
        path = f"{self.root}/{parent}" if parent else self.root
        folder = os.open(path, _FOLDER | (os.O_NOFOLLOW if parent else 0))
        try:
            if not f"{_real(folder, path)}/".startswith(_root(self.root)):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        except OSError:
            os.close(folder)
            raise
        self._folder, self._parent = folder, parent

    def close(self) -> None:
        """May be called again, and files may be opened after it."""
        if self._parent is not None:
            os.close(self._folder)
            self._parent = None

    def __enter__(self) -> Opener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_entry(root: Path | str, entry: Entry) -> tuple[int, os.stat_result]:
    """A descriptor to read from, and what it leads to now; the caller closes it. A file that was replaced by another
    is opened, one behind a folder that has become a link out of the context is not (the race of CVE-2018-15664).

    A FIFO does not hold us. Raises OSError: ELOOP where a link stands in the way.
    """
    path = f"{os.fspath(root)}/{entry.path}"
    descriptor = os.open(path, _FILE)
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
