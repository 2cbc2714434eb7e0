"""The disk under the store: errors as a person reads them, a lock between processes, removal of trees.

Nothing here knows about images.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from workbench.errors import InputError, StoreError

_HINTS = {
    errno.ENOSPC: "The disk is full: free some space, or remove images with `workbench prune`.",
    errno.EDQUOT: "Your disk quota is used up: free some space, or remove images with `workbench prune`.",
    errno.EFBIG: "A file would be larger than allowed here: see `ulimit -f`, and what the file system can hold.",
    errno.EROFS: "The file system is read-only: choose another store with --root or WORKBENCH_ROOT.",
    errno.EACCES: "The store belongs to somebody else: choose another with --root or WORKBENCH_ROOT.",
    errno.EPERM: "The store belongs to somebody else: choose another with --root or WORKBENCH_ROOT.",
    errno.EIO: "The disk reports a read or write error.",
}


@contextmanager
def disk_errors(path: Path | str, *, ours: bool = True) -> Iterator[None]:
    """Every OSError of the block as a StoreError that names the file (`path` where the error names none).

    The hints speak of the store; with `ours` false, for a file elsewhere, there is none.
    """
    try:
        yield
    except OSError as error:
        where = error.filename if error.filename is not None else path
        reason = os.strerror(error.errno) if error.errno else str(error)
        hint = _HINTS.get(error.errno or 0, "") if ours else ""
        raise StoreError(f"{os.fsdecode(where)}: {reason}", hint=hint) from error


class FileLock:
    """An exclusive lock between processes and between threads, held on a file that is never removed.

    A thread that holds it may take it again. The kernel lets go of it when its process ends, however it ends.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mine = threading.local()

    @contextmanager
    def held(self) -> Iterator[None]:
        depth: int = getattr(self._mine, "depth", 0)
        if depth:
            self._mine.depth = depth + 1
            try:
                yield
            finally:
                self._mine.depth = depth
            return
        with disk_errors(self._path):
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            self._mine.depth = 1
            yield
        finally:
            self._mine.depth = 0
            fcntl.flock(handle, fcntl.LOCK_UN)  # a child between fork and exec has the handle too
            os.close(handle)


def refuse_larger_than_disk(size: int, folder: Path, what: str) -> None:
    """Raises InputError where `size` bytes would not fit into what is free under `folder`: a stranger's file of holes
    says that it is a petabyte, and finding out would fill the disk."""
    import shutil

    if size > shutil.disk_usage(folder).free:
        raise InputError(f"{what}: {size} bytes, more than the disk has free")


def sync_file(path: Path) -> None:
    """Waits until the file's bytes are on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: Path) -> None:
    """Waits until the folder's names are on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_tree(path: Path) -> None:
    """Removes a file or a folder with all below it, folders without permissions too; links are not followed.

    A missing path is no error. Without recursion: a stranger's tree may be deep.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        path.unlink(missing_ok=True)
        return
    folders = [os.fspath(path)]
    everywhere = os.geteuid() == 0
    for folder in folders:  # grows while it is walked: parents come before their children
        if not everywhere:
            with suppress(PermissionError):
                os.chmod(folder, 0o700)
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    os.unlink(entry.path)
    for folder in reversed(folders):
        os.rmdir(folder)
