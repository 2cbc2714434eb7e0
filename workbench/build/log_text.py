"""The text of a log, whole however long it gets: the newest in memory, the rest in a file that nobody else can open."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from workbench.config import state_dir

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

IN_MEMORY = 64 * 1024 * 1024
"""Bytes that the logs of one build have in memory; older text is read from the file again when it is looked at."""

CHUNK = 64 * 1024
"""Characters that are read at once."""


class Chunk:
    """A piece of text as bytes: `data` in memory, or None where it is `size` bytes at `offset` of the file."""

    __slots__ = ("data", "offset", "size")

    def __init__(self, data: bytes) -> None:
        self.data: bytes | None = data
        self.size = len(data)
        self.offset = 0


class Spill:
    """Where logs go beyond `bound` bytes, the oldest chunks first: a file of mode 0600 without a name in the state
    folder, gone with the last reference to this, or with the process however that ends. Writing has a thread of its
    own. Where the disk does not take it, text stays in memory."""

    def __init__(self, bound: int = IN_MEMORY) -> None:
        self._bound = bound
        self._held: deque[Chunk] = deque()
        self._bytes = 0
        self._writer: ThreadPoolExecutor | None = None
        self._file: IO[bytes] | None = None
        self._end = 0
        self._broken = False
        self._lock = threading.Lock()

    @property
    def on_disk(self) -> int:
        """Bytes in the file."""
        return self._end

    def take(self, chunk: Chunk) -> None:
        """Counts a new chunk; older ones may go. Waits for no disk."""
        with self._lock:
            self._held.append(chunk)
            self._bytes += chunk.size
            if self._bytes <= self._bound or self._broken:
                return
            old: list[Chunk] = []
            while self._held and self._bytes > self._bound:
                old.append(self._held.popleft())
                self._bytes -= old[-1].size
            if self._writer is None:
                from concurrent.futures import ThreadPoolExecutor

                self._writer = ThreadPoolExecutor(1, "log-spill")
        self._writer.submit(self._write, old)

    def settle(self) -> None:
        """Waits until what has to go is written. Blocks."""
        if self._writer is not None:
            self._writer.submit(lambda: None).result()

    def _write(self, chunks: list[Chunk]) -> None:
        try:
            if self._file is None:
                import tempfile

                folder = state_dir()
                folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - lives as long as the logs
            for chunk in chunks:
                if chunk.data is not None:
                    _write_at(self._file.fileno(), chunk.data, self._end)
                    chunk.offset = self._end
                    self._end += chunk.size
                    chunk.data = None  # last: who reads meanwhile has one or the other
        except OSError:
            self._broken = True  # a full disk is no reason to lose text: it stays where it is

    def read(self, chunk: Chunk) -> str:
        """The chunk's text, from wherever it is. May wait for the disk."""
        data = chunk.data
        if data is None:
            assert self._file is not None, "a chunk leaves memory for the file"
            data = os.pread(self._file.fileno(), chunk.size, chunk.offset)
        return data.decode("utf-8", "surrogatepass")


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


class LogText:
    """Text that grows at its end. Positions count characters. One thread appends, any may read.

    Several logs may share one `spill`, and so its bound.
    """

    __slots__ = ("_cached", "_chunks", "_lock", "_open", "_open_size", "_spill", "total")

    def __init__(self, spill: Spill | None = None) -> None:
        self._spill = spill or Spill()
        self._chunks: list[Chunk] = []  # each of CHUNK characters
        self._open: list[str] = []  # what is not a chunk yet
        self._open_size = 0
        self._lock = threading.Lock()
        self._cached: tuple[int, str] = (-1, "")  # the chunk that was read last
        self.total = 0
        """Characters that ever arrived: a display that has shown N asks `since(N)` for the rest."""

    def append(self, text: str) -> None:
        """Adds a piece; costs its length, and waits for nothing."""
        with self._lock:
            self._open.append(text)
            self._open_size += len(text)
            self.total += len(text)
            if self._open_size >= CHUNK:
                self._seal()

    def _seal(self) -> None:
        whole = "".join(self._open)
        full = len(whole) - len(whole) % CHUNK
        for start in range(0, full, CHUNK):
            chunk = Chunk(whole[start : start + CHUNK].encode("utf-8", "surrogatepass"))
            self._chunks.append(chunk)
            self._spill.take(chunk)
        self._open = [whole[full:]] if full < len(whole) else []
        self._open_size = len(whole) - full

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[str]:
        """The characters from position `start` up to `end`, by pieces of at most CHUNK."""
        stop = self.total if end is None else min(end, self.total)
        while start < stop:
            piece = self._piece(start)[: stop - start]
            yield piece
            start += len(piece)

    def _piece(self, start: int) -> str:
        """What there is from `start` to the end of its chunk."""
        with self._lock:
            index, at = divmod(start, CHUNK)
            if index >= len(self._chunks):
                if len(self._open) > 1:
                    self._open = ["".join(self._open)]
                return self._open[0][at:]
            chunk = self._chunks[index]
        cached, text = self._cached
        if cached != index:
            text = self._spill.read(chunk)
            self._cached = (index, text)
        return text[at:]

    def read(self, start: int, end: int) -> str:
        """The characters from position `start` up to `end`."""
        return "".join(self.pieces(start, end))

    def since(self, position: int) -> str:
        """The text after the first `position` characters."""
        return "".join(self.pieces(position))

    def __str__(self) -> str:
        return self.since(0)
