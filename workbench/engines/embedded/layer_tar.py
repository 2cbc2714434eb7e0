"""Writes a layer as a tar whose bytes depend on the entries alone: numeric owners, whole seconds, no names of users.

POSIX ustar headers, with pax records (`path`, `linkpath`, `size`, `uid`, `gid`, `mtime`, `SCHILY.xattr.*`) only
where ustar has no room. Source: POSIX.1-2017 pax, "pax Header Block" and "ustar Interchange Format"; OCI image-spec
1.1, layer.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import BinaryIO, Literal, Protocol
from zlib import adler32

from workbench.dataclass import dataclass
from workbench.errors import InputError

BLOCK = 512
CHUNK = 1 << 20

Kind = Literal["file", "directory", "symlink", "hardlink", "char", "block", "fifo"]

_TYPES: Mapping[str, bytes] = {
    "file": b"0",
    "hardlink": b"1",
    "symlink": b"2",
    "char": b"3",
    "block": b"4",
    "directory": b"5",
    "fifo": b"6",
}
_OCTAL_7 = 0o7777777
_OCTAL_11 = 0o77777777777


@dataclass(frozen=True, slots=True)
class TarEntry:
    """One name in a layer. `path` is relative, without `./`, surrogateescape text; `mode` has the permission bits;
    `mtime` is whole seconds; `link` is the target of a symlink, or the earlier path that a hard link repeats."""

    path: str
    kind: Kind
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    size: int = 0
    link: str = ""
    major: int = 0
    minor: int = 0
    xattrs: Mapping[str, bytes] = field(default_factory=dict)


def kept_xattrs(xattrs: Mapping[str, bytes]) -> dict[str, bytes]:
    """The extended attributes that a layer keeps: file capabilities, and nothing else, as the classic builder's
    commit (moby 20.10, pkg/archive ReadSecurityXattrToTarHeader)."""
    return {name: value for name, value in xattrs.items() if name == "security.capability"}


class Sink(Protocol):
    """Where the bytes go: a blob of the store, a file, a hash."""

    def write(self, data: bytes, /) -> object: ...


def header(entry: TarEntry) -> bytes:
    """The header blocks of one entry, pax records included."""
    path = os.fsencode(entry.path)
    if entry.kind == "directory":
        path += b"/"
    link = os.fsencode(entry.link)
    size = entry.size if entry.kind == "file" else 0
    records: list[bytes] = []
    name, prefix = _split(path)
    if not name:
        records.append(_record(b"path", path))
        name, prefix = path[:100], b""
    if len(link) > 100 or not link.isascii():
        records.append(_record(b"linkpath", link))
        link = link[:100]
    numbers = {b"uid": entry.uid, b"gid": entry.gid}
    for key, value in numbers.items():
        if not 0 <= value <= _OCTAL_7:
            records.append(_record(key, b"%d" % value))
    for key, value in ((b"size", size), (b"mtime", entry.mtime)):
        if not 0 <= value <= _OCTAL_11:
            records.append(_record(key, b"%d" % value))
    for attribute in sorted(entry.xattrs):
        records.append(_record(b"SCHILY.xattr." + os.fsencode(attribute), entry.xattrs[attribute]))
    block = _block(
        name, prefix, entry.mode & 0o7777, _fits(entry.uid, _OCTAL_7), _fits(entry.gid, _OCTAL_7),
        _fits(size, _OCTAL_11), _fits(entry.mtime, _OCTAL_11), _TYPES[entry.kind], link, entry.major, entry.minor,
    )  # fmt: skip
    return _pax(b"".join(records)) + block if records else block


_FILE_TAIL = b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\0" * 2 + bytes(167)
_FILE_SUM = sum(_FILE_TAIL) + 8 * 32


def file_header(path: str, mode: int, uid: int, gid: int, size: int, mtime: int) -> bytes:
    """`header` of a file without extended attributes, in a third of its time."""
    plain = len(path) <= 100 and path.isascii() and 0 <= uid <= _OCTAL_7 and 0 <= gid <= _OCTAL_7
    if not plain or size > _OCTAL_11 or not 0 <= mtime <= _OCTAL_11:
        return header(TarEntry(path, "file", mode, uid, gid, mtime, size))
    head = b"%s%07o\0%07o\0%07o\0%011o\0%011o\0" % (
        path.encode("ascii").ljust(100, b"\0"), mode & 0o7777, uid, gid, size, mtime,
    )  # fmt: skip
    # The low half of Adler-32 is 1 and the sum of the bytes, while that is below 65521: 148 bytes cannot reach it.
    checksum = (adler32(head) & 0xFFFF) - 1 + _FILE_SUM
    return b"%s%06o\0 %s" % (head, checksum, _FILE_TAIL)


def _fits(value: int, limit: int) -> int:
    return value if 0 <= value <= limit else 0


def _split(path: bytes) -> tuple[bytes, bytes]:
    """ustar's (name, prefix), or two empty ones where the path needs a pax record."""
    if not path.isascii():
        return b"", b""
    if len(path) <= 100:
        return path, b""
    if len(path) > 256:
        return b"", b""
    cut = path.find(b"/", len(path) - 101, 156)
    if cut <= 0 or cut == len(path) - 1:
        return b"", b""
    return path[cut + 1 :], path[:cut]


def _record(key: bytes, value: bytes) -> bytes:
    body = b" " + key + b"=" + value + b"\n"
    length = len(body) + 1
    while len(b"%d" % length) + len(body) != length:
        length = len(b"%d" % length) + len(body)
    return b"%d" % length + body


def _pax(records: bytes) -> bytes:
    block = _block(b"././@PaxHeader", b"", 0o644, 0, 0, len(records), 0, b"x", b"", 0, 0)
    return block + records + bytes(-len(records) % BLOCK)


def _block(
    name: bytes, prefix: bytes, mode: int, uid: int, gid: int, size: int, mtime: int, kind: bytes, link: bytes,
    major: int, minor: int,
) -> bytes:  # fmt: skip
    head = b"%s%07o\0%07o\0%07o\0%011o\0%011o\0" % (name.ljust(100, b"\0"), mode, uid, gid, size, mtime)
    tail = b"%s%sustar\x0000%s%07o\0%07o\0%s" % (
        kind, link.ljust(100, b"\0"), bytes(64), major & _OCTAL_7, minor & _OCTAL_7, prefix.ljust(167, b"\0"),
    )  # fmt: skip
    checksum = sum(head) + sum(tail) + 8 * 32
    return b"%s%06o\0 %s" % (head, checksum, tail)


class LayerWriter:
    """Entries in the order they are given, to a sink. `entries` and `offsets` tell afterwards what lies where."""

    def __init__(self, out: Sink, *, check: Callable[[], None] = lambda: None) -> None:
        self._out = out
        self._check = check
        self.position = 0
        self.content = 0
        """Bytes of file content so far: what the layer adds."""
        self.entries: list[tuple[TarEntry, int]] = []
        """Each entry with the offset of its content in the tar; not all of them where `raw` wrote some."""
        self.whole = True

    def add(self, entry: TarEntry, data: bytes = b"") -> None:
        """An entry with no content, or with its content in memory."""
        self._head(entry)
        if entry.kind == "file" and entry.size:
            self._write(data + bytes(-len(data) % BLOCK))
            self.content += len(data)

    def copy(self, entry: TarEntry, source: BinaryIO) -> None:
        """A file with its content read from `source`. Raises InputError where it ends before `entry.size`."""
        self._head(entry)
        self.content += entry.size
        left = entry.size
        while left:
            self._check()
            data = source.read(min(left, CHUNK))
            if not data:
                raise InputError(f"{entry.path}: the file became shorter while it was read")
            left -= len(data)
            self._write(data)
        if padding := -entry.size % BLOCK:
            self._write(bytes(padding))

    def raw(self, data: bytes, content: int) -> None:
        """Whole entries as they are in a tar, with `content` bytes of files in them."""
        self._write(data)
        self.content += content

    def finish(self) -> None:
        """The two empty blocks at the end."""
        self._write(bytes(2 * BLOCK))

    def _head(self, entry: TarEntry) -> None:
        self._check()
        self._write(header(entry))
        self.entries.append((entry, self.position))

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self.position += len(data)


def sort_key(path: str) -> tuple[bytes, ...]:
    """Orders paths so that a folder comes before what is in it, and names by their bytes."""
    return tuple(os.fsencode(path).split(b"/"))


def in_order(entries: Iterable[TarEntry]) -> list[TarEntry]:
    """Entries sorted by path."""
    return sorted(entries, key=lambda entry: sort_key(entry.path))
