"""What a scan knows of each path, packed: some 60 bytes beside the path itself, however many paths there are."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from struct import Struct, error

_ROW = Struct("<QQqqqIIII")
_STATE = Struct("<QQqqq")
LATE = (1 << 63) - 1
"""From this time on, in nanoseconds, a row cannot tell it: in the year 2262."""

Row = tuple[int, int, int, int, int, int, int, int, int]
"""Device, inode, size, mtime and ctime in nanoseconds, mode with its type, uid, gid, number of links."""


def pack_stat(found: os.stat_result) -> bytes:
    """One row. A time that 64 bits of nanoseconds cannot tell (after the year 2262) is the last that they can."""
    mtime, ctime = found.st_mtime_ns, found.st_ctime_ns
    try:
        return _ROW.pack(
            found.st_dev, found.st_ino, found.st_size, mtime, ctime, found.st_mode, found.st_uid, found.st_gid,
            found.st_nlink,
        )  # fmt: skip
    except error:
        return _ROW.pack(
            found.st_dev, found.st_ino, found.st_size, min(mtime, LATE), min(ctime, LATE), found.st_mode,
            found.st_uid, found.st_gid, min(found.st_nlink, 0xFFFFFFFF),
        )  # fmt: skip


def row_of(found: os.stat_result) -> Row:
    """The same, not packed."""
    return _ROW.unpack(pack_stat(found))


def owner_of(row: bytes) -> int:
    """The uid in a row."""
    uid: int = _ROW.unpack(row)[6]
    return uid


def state_of(found: os.stat_result) -> bytes:
    """What tells one state of a file from any other: device, inode, size, mtime and ctime, packed as in a row."""
    return pack_stat(found)[: _STATE.size]


def pack_state(device: int, inode: int, size: int, mtime_ns: int, ctime_ns: int) -> bytes:
    """The same, of values."""
    return _STATE.pack(device, inode, size, min(mtime_ns, LATE), min(ctime_ns, LATE))


class Columns:
    """Path by path in the order of the scan: parents before what is in them, names in the order of their bytes."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.ranks = array("i")
        self.rows = bytearray()
        self.links: dict[int, str] = {}
        self.errors: dict[int, str] = {}
        self.late: dict[int, int] = {}
        """Times of change in nanoseconds that a row has no room for."""

    def row(self, at: int) -> Row:
        return _ROW.unpack_from(self.rows, at * _ROW.size)

    def all_rows(self) -> Iterator[Row]:
        return _ROW.iter_unpack(self.rows)

    def is_same(self, at: int, other: Columns, there: int) -> bool:
        """Whether both rows say the same."""
        size = _ROW.size
        return self.rows[at * size : at * size + size] == other.rows[there * size : there * size + size]

    def state(self, at: int) -> bytes:
        """As `state_of`."""
        start = at * _ROW.size
        return bytes(self.rows[start : start + _STATE.size])

    def mtime_ns(self, at: int) -> int:
        return self.late[at] if at in self.late else self.row(at)[3]

    def only_sent(self, excluding: Sequence[bool]) -> Columns:
        """A copy without what a rule excludes."""
        kept = [at for at, rank in enumerate(self.ranks) if not excluding[rank]]
        columns = Columns()
        columns.paths = [self.paths[at] for at in kept]
        columns.ranks = array("i", [self.ranks[at] for at in kept])
        columns.rows = bytearray().join(self.rows[at * _ROW.size : (at + 1) * _ROW.size] for at in kept)
        columns.links = {new: self.links[at] for new, at in enumerate(kept) if at in self.links}
        columns.errors = {new: self.errors[at] for new, at in enumerate(kept) if at in self.errors}
        columns.late = {new: self.late[at] for new, at in enumerate(kept) if at in self.late}
        return columns
