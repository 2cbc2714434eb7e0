"""What lives only as long as a process: scratch files and folders, and leases on blobs.

Each is held by a flock; the kernel drops it when the process ends, however it ends, so `sweep` can tell the dead
from the living without knowing process numbers.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from workbench.engines.embedded.disk import disk_errors, remove_tree, sync_folder


class Lease:
    """Digests that no removal may take while the lease's file is locked."""

    def __init__(self, path: Path, handle: int) -> None:
        self._path = path
        self._handle = handle
        self._writing = threading.Lock()
        self._closed = False

    def write(self, digests: Iterable[str]) -> None:
        """Adds digests. Raises StoreError."""
        with disk_errors(self._path), self._writing:
            if not self._closed:
                os.write(self._handle, "".join(f"{digest}\n" for digest in digests).encode())

    def close(self) -> None:
        with self._writing:
            self._closed = True
            self._path.unlink(missing_ok=True)
            os.close(self._handle)


class Scratch:
    """Scratch space below `folder`, on the same file system as the store so that results can be renamed into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.leases = folder.parent / "leases"

    def file(self) -> tuple[Path, BinaryIO]:
        """A new file, open for writing and locked until it is closed."""
        while True:
            path = self.folder / f"file-{os.urandom(8).hex()}"
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _still_there(path, handle):
                return path, os.fdopen(handle, "wb")
            os.close(handle)

    def replace(self, path: Path, data: bytes) -> None:
        """Puts `data` at `path` in one step that survives a power loss: a new file, synced, renamed."""
        new, out = self.file()
        try:
            out.write(data)
            out.flush()
            os.fchmod(out.fileno(), 0o644)
            os.fsync(out.fileno())
            new.rename(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        finally:
            out.close()
        sync_folder(path.parent)

    @contextmanager
    def directory(self) -> Iterator[Path]:
        """A new folder, gone when the block ends; it may have been renamed away by then."""
        with disk_errors(self.folder):
            path, handle = self._new_folder()
        try:
            yield path
        finally:
            with disk_errors(path):
                remove_tree(path)
            os.close(handle)

    def _new_folder(self) -> tuple[Path, int]:
        while True:
            path = self.folder / f"folder-{os.urandom(8).hex()}"
            path.mkdir(mode=0o700)
            with suppress(FileNotFoundError):
                handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                fcntl.flock(handle, fcntl.LOCK_EX)
                if _still_there(path, handle):
                    return path, handle
                os.close(handle)

    def lease(self) -> Lease:
        """A new lease. The caller holds the store's lock, so that no sweep comes between."""
        path = self.leases / os.urandom(8).hex()
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        return Lease(path, handle)

    def leased(self) -> set[str]:
        """Digests under a lease whose owner lives; leases of the dead are removed. The caller holds the lock."""
        digests: set[str] = set()
        for path in self.leases.iterdir():
            with suppress(FileNotFoundError):  # a lease may end at any moment
                if owner_lives(path):
                    digests.update(path.read_text().split())
                else:
                    path.unlink()
        return digests

    def in_use(self) -> bool:
        """Whether any process has a lease now."""
        try:
            return any(owner_lives(path) for path in self.leases.iterdir())
        except FileNotFoundError:
            return False

    def sweep(self) -> None:
        """Removes scratch files and folders whose process is gone."""
        with disk_errors(self.folder):
            for path in self.folder.iterdir():
                try:
                    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                except FileNotFoundError:
                    continue
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    with suppress(FileNotFoundError):  # two sweeps may meet
                        remove_tree(path)
                except BlockingIOError:
                    continue
                finally:
                    os.close(handle)


class Reserve:
    """A little space kept aside, so that images can be removed from a disk that is full."""

    SIZE = 128 << 10

    def __init__(self, path: Path) -> None:
        self._path = path

    def refill(self) -> None:
        """Takes the space again, if there is any. The caller holds the store's lock."""
        with suppress(OSError):
            if not self._path.exists():
                with self._path.open("xb") as file:
                    os.posix_fallocate(file.fileno(), 0, self.SIZE)

    def release(self) -> None:
        self._path.unlink(missing_ok=True)


def owner_lives(path: Path) -> bool:
    """Whether the process that made this scratch or lease still runs; False for what is gone."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _still_there(path: Path, handle: int) -> bool:
    """Whether a sweep came between the making of a file and its lock."""
    with suppress(FileNotFoundError):
        return path.stat().st_ino == os.fstat(handle).st_ino
    return False
