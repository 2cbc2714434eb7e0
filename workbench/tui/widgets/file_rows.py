"""A file of any size by rows, of which only what is asked for is read: as text by lines, or as bytes in hex.

Everything blocks, and belongs to other threads than the screen's.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
from array import array
from collections.abc import Callable
from pathlib import Path

CHUNK = 64
"""Rows that are read together."""
_PIECE = 1 << 20
_LONGEST = 4096
"""Bytes of a line that stand in one row; what is longer goes on in the next."""
_PRINTED = re.compile(rb"[^\x20-\x7e]")


class FileRows:
    """The open file. `count` rows are known so far; `close` when it is no longer shown."""

    def __init__(self, path: Path) -> None:
        """Raises OSError, also for what is no file."""
        self._handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        found = os.fstat(self._handle)
        self.size = found.st_size
        self.count = 0
        self._reading = threading.Lock()
        self._closed = False
        if not stat.S_ISREG(found.st_mode):
            os.close(self._handle)
            raise OSError(errno.EINVAL, "not a file", str(path))

    def read(self, chunk: int) -> list[str]:
        """The rows from `chunk * CHUNK` on. Raises OSError."""
        raise NotImplementedError

    def index(self, go_on: Callable[[], bool]) -> None:
        """Counts the rows, `count` growing meanwhile, while `go_on` says so. Raises OSError."""

    def find(self, needle: str, row: int, *, forward: bool, go_on: Callable[[], bool]) -> int | None:
        """The next row behind `row` (before it) that has the text, around the end. Raises OSError."""
        folded = needle == needle.lower()
        step = 1 if forward else -1
        chunks = max(1, -(-self.count // CHUNK))
        first, at = divmod(row, CHUNK)
        for distance in range(chunks + 1):
            if not go_on():
                return None
            chunk = (first + step * distance) % chunks
            rows = self.read(chunk)
            places = range(len(rows)) if forward else range(len(rows) - 1, -1, -1)
            for place in places:
                if distance == 0 and (place <= at if forward else place >= at):
                    continue
                if needle in (rows[place].lower() if folded else rows[place]):
                    return chunk * CHUNK + place
        return None

    def close(self) -> None:
        """Whoever still reads gets OSError."""
        with self._reading:
            if not self._closed:
                self._closed = True
                os.close(self._handle)

    def _bytes(self, start: int, end: int) -> bytes:
        data = bytearray()
        with self._reading:
            if self._closed:
                raise OSError(errno.EBADF, "closed")
            while start < end and (piece := os.pread(self._handle, end - start, start)):
                data += piece
                start += len(piece)
        return bytes(data)


class HexRows(FileRows):
    """Sixteen bytes a row: `00000010  7f 45 4c 46 ...  .ELF...`: where they stand, and what is ASCII of them."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.count = -(-self.size // 16)

    def read(self, chunk: int) -> list[str]:
        start = chunk * CHUNK * 16
        data = self._bytes(start, start + CHUNK * 16)
        return [_hex(start + at, data[at : at + 16]) for at in range(0, len(data), 16)]

    def find(self, needle: str, row: int, *, forward: bool, go_on: Callable[[], bool]) -> int | None:
        """The row of that text, which must be ASCII, wherever its bytes begin."""
        wanted = needle.encode("utf-8", "surrogateescape")
        start = (row + 1) * 16 if forward else 0
        end = self.size if forward else row * 16
        for first, last in ((start, end), (0, self.size)):  # then around the end
            found = self._search(wanted, first, last, forward=forward, go_on=go_on)
            if found is not None or not go_on():
                return None if found is None else found // 16
        return None

    def _search(self, wanted: bytes, first: int, last: int, *, forward: bool, go_on: Callable[[], bool]) -> int | None:
        starts = range(first, last, _PIECE)
        for start in starts if forward else reversed(starts):
            if not go_on():
                return None
            data = self._bytes(start, min(last, start + _PIECE) + len(wanted) - 1)
            found = data.find(wanted) if forward else data.rfind(wanted)
            if found >= 0:
                return start + found
        return None


class TextRows(FileRows):
    """Lines. Where each chunk of them begins is remembered, and nothing else."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._starts = array("Q", [0])

    def index(self, go_on: Callable[[], bool]) -> None:
        row_start = place = 0
        while go_on() and (piece := self._bytes(place, place + _PIECE)):
            for found in re.finditer(rb"\n|\Z", piece):
                end = place + found.end()
                while end - row_start > _LONGEST:
                    row_start += _LONGEST
                    self._row(row_start)
                if found.end() > found.start():
                    row_start = end
                    self._row(row_start)
            place += len(piece)
        if place > row_start:
            self.count += 1

    def _row(self, end: int) -> None:
        """A row has ended, and the next one begins at `end`."""
        self.count += 1
        if self.count % CHUNK == 0:
            self._starts.append(end)

    def read(self, chunk: int) -> list[str]:
        if chunk >= len(self._starts):
            return []
        start = self._starts[chunk]
        data = self._bytes(start, start + CHUNK * _LONGEST)
        rows: list[str] = []
        at = 0
        while at < len(data) and len(rows) < CHUNK:
            end = data.find(b"\n", at, at + _LONGEST)
            end = min(at + _LONGEST, len(data)) if end < 0 else end + 1
            rows.append(data[at:end].decode("utf-8", "replace").rstrip("\r\n"))
            at = end
        return rows


def _hex(offset: int, data: bytes) -> str:
    left, right = data[:8].hex(" "), data[8:].hex(" ")
    text = _PRINTED.sub(b".", data).decode("ascii")
    return f"{offset:08x}  {left:<23}  {right:<23}  {text}"


def open_rows(path: Path) -> FileRows:
    """As text, or as bytes where its beginning is none. Raises OSError."""
    rows = HexRows(path)
    if b"\0" in rows._bytes(0, 8192):
        return rows
    rows.close()
    return TextRows(path)
