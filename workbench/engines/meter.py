"""Counts the bytes of a transfer as they go, tells whoever listens about ten times a second, and ends it when asked."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from workbench.build.talk import Talk
from workbench.engines.worker import Cancel

_EVERY = 0.1
"""Seconds between two words about the bytes."""


class Meter:
    """`total` is a guess where nobody knows it: what is told is never more than it. Of one thread."""

    def __init__(self, talk: Talk | None = None, total: int = 0, cancel: Cancel | None = None) -> None:
        self._talk = talk or Talk()
        self._cancel = cancel or Cancel()
        self._total = total
        self._went = 0
        self._next = 0.0

    def expect(self, total: int) -> None:
        """Now it is known how many there will be."""
        self._total = total

    def add(self, count: int) -> None:
        """So many bytes more. Raises worker.Cancelled."""
        self._cancel.check()
        self._went += count
        if (now := time.monotonic()) >= self._next:
            self._next = now + _EVERY
            self._tell()

    def check(self) -> None:
        """Raises worker.Cancelled where the end was asked."""
        self._cancel.check()

    def finish(self) -> None:
        """Tells the last of it."""
        self._total = self._went
        self._tell()

    def _tell(self) -> None:
        self._talk.progress(self._went, max(self._went, self._total))

    def blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The blocks, each counted once it is asked for."""
        for block in blocks:
            self.add(len(block))
            yield block

    def reader(self, file: BinaryIO) -> MeteredReader:
        """The file, its bytes counted as they are read."""
        return MeteredReader(file, self)


class MeteredReader:
    """A file as `tarfile.addfile` and `shutil.copyfileobj` read it."""

    def __init__(self, file: BinaryIO, meter: Meter) -> None:
        self._file = file
        self._meter = meter

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._meter.add(len(data))
        return data
