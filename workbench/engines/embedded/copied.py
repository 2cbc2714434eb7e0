"""Where the files of a folder lie in the layer that COPY made of it last: of a folder in which one file changed, only
that one is read again.

A file is taken over while all that the kernel says of it is what it was, as its digest is (`context.digest`).
"""

from __future__ import annotations

import os
import threading
from array import array
from collections import OrderedDict
from collections.abc import Hashable
from pathlib import Path
from types import TracebackType

from workbench.context.columns import Columns
from workbench.context.digest import SETTLED_NS
from workbench.context.scan import Scan

_PATHS = 100_000
"""So many paths of contexts are kept in mind, those copied last; each costs some hundred bytes."""
_WINDOW = 1 << 20


class Copied:
    """A folder of the context on its way into a layer, and afterwards as the layer has it."""

    def __init__(self, scan: Scan, now: int) -> None:
        """`now` is the time in nanoseconds before any of its files is read for the layer."""
        self._scan = scan
        self._settled = now - SETTLED_NS
        self._starts = array("q", [-1]) * len(scan.columns.paths)

    def __len__(self) -> int:
        """Paths that it keeps in mind."""
        return len(self._starts)

    def add(self, at: int, start: int) -> None:
        """The tar has the file at that place of the scan from `start` on: a header of one block, and the content."""
        self._starts[at] = start

    def start(self, columns: Columns, at: int) -> int:
        """Where the tar has the file at a place of a later scan; -1 where that is another one, or was so young when it
        was read that it may have changed within a tick of the file system's clock."""
        there = self._scan.place(columns.paths[at])
        if there is None or not columns.is_same(at, self._scan.columns, there):
            return -1
        _, _, _, mtime, ctime, _, _, _, _ = columns.row(at)
        return self._starts[there] if max(mtime, ctime) < self._settled else -1


class Tar:
    """A layer's tar, read from its beginning on in few large pieces. A context manager. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._window = memoryview(b"")
        self._start = 0

    def read(self, start: int, length: int) -> memoryview:
        """Those bytes; fewer where the file ends before."""
        at = start - self._start
        if at < 0 or at + length > len(self._window):
            self._window = memoryview(os.pread(self._file, max(length, _WINDOW), start))
            self._start, at = start, 0
        return self._window[at : at + length]

    def __enter__(self) -> Tar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)


class CopiedFolders:
    """The folders that were copied last, each by all that decides what its layer is beside its files. Safe to share
    between builds."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, tuple[Copied, Path]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> tuple[Copied, Path] | None:
        """The folder, and the tar that it is in."""
        with self._lock:
            return self._known.get(key)

    def keep(self, key: Hashable, copied: Copied, tar: Path) -> None:
        with self._lock:
            self._known.pop(key, None)
            self._known[key] = copied, tar
            while sum(len(known) for known, _ in self._known.values()) > _PATHS:
                self._known.popitem(last=False)
