"""What a layer's tar holds, by path, without unpacking it: entries with the offset of their content, and whiteouts.

Reads ustar, pax and GNU long names; what is rarer (sparse files) is left to `tarfile`. Source: POSIX.1-2017 pax;
OCI image-spec 1.1 layer.md, "Whiteouts" and "Opaque Whiteout".
"""

from __future__ import annotations

import os
import posixpath
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import field
from pathlib import Path
from typing import BinaryIO

from workbench.context.strict_tar import DAMAGED, HEADER_MAX, SIZE_MAX, StrictTarInfo
from workbench.dataclass import dataclass
from workbench.engines.embedded.layer_entries import LayerEntries
from workbench.engines.embedded.layer_tar import BLOCK, Kind, TarEntry
from workbench.errors import InputError

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
_XATTR = b"SCHILY.xattr."
_CAPABILITY = "security.capability"

_KINDS: dict[bytes, Kind] = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"1": "hardlink",
    b"2": "symlink",
    b"3": "char",
    b"4": "block",
    b"5": "directory",
    b"6": "fifo",
}
_TARFILE_KINDS = dict(_KINDS)


@dataclass(slots=True)
class LayerIndex:
    """One layer. Paths are relative to its root; the root itself is `""`."""

    tar: Path
    """The plain tar that offsets count in."""
    entries: LayerEntries = field(default_factory=LayerEntries)
    hidden: set[str] = field(default_factory=set)
    """Paths that a whiteout takes away from the layers below."""
    opaque: set[str] = field(default_factory=set)
    """Folders whose content in the layers below is taken away."""
    children: dict[str, set[str]] = field(default_factory=dict)
    """Names in each folder that the layer speaks of, whiteouts too."""
    gives_rights: bool = False
    """Whether there is a program with set-user-ID, set-group-ID or capabilities."""

    @classmethod
    def of(cls, tar: Path, entries: Iterable[tuple[TarEntry, int]]) -> LayerIndex:
        """The index of entries and offsets that are known, as `LayerWriter.entries` has them."""
        index = cls(tar)
        for entry, offset in entries:
            index._add(entry, offset)
        return index

    @classmethod
    def read(cls, tar: Path) -> LayerIndex:
        """Reads a plain tar's headers. Raises InputError where it is damaged."""
        with tar.open("rb") as source:
            try:
                return cls.of(tar, _scan(source))
            except _Rare:
                return cls.of(tar, _scan_rare(tar))
            except (ValueError, IndexError) as error:
                raise InputError(f"{tar}: a damaged layer: {error}") from error

    def masks(self, path: str) -> bool:
        """Whether nothing of the layers below is to be seen at `path`, which this layer itself may have."""
        while True:
            if path in self.hidden or path in self.opaque:
                return True
            if (found := self.entries.get(path)) is not None and found[0].kind != "directory":
                return True
            if not path:
                return False
            path = path.rpartition("/")[0]

    def speaks_of(self, path: str) -> bool:
        """Whether what is at `path` may be other with this layer than without it."""
        return path in self.entries or path in self.children or self.masks(path)

    def _add(self, entry: TarEntry, offset: int) -> None:
        parent, _, name = entry.path.rpartition("/")
        if name == OPAQUE:
            self.opaque.add(parent)
            return
        if name.startswith(WHITEOUT):
            if name.startswith(WHITEOUT + WHITEOUT):
                return
            path = f"{parent}/{name[4:]}" if parent else name[4:]
            self.hidden.add(path)
        else:
            path = entry.path
            self.entries.add(entry, offset)
            if entry.kind == "file" and (entry.mode & 0o6000 or _CAPABILITY in entry.xattrs):
                self.gives_rights = True
        while path:
            parent, _, name = path.rpartition("/")
            known = self.children.get(parent)
            if known is None:
                self.children[parent] = {name}
            elif name in known:
                return
            else:
                known.add(name)
            path = parent


class _Rare(Exception):
    """A header that the plain scanner does not read."""


def _number(raw: bytes) -> int:
    if raw[0] & 0x80:
        value = int.from_bytes(raw, "big")
        if raw[0] == 0xFF:
            return value - (1 << (8 * len(raw)))
        return value - (0x80 << (8 * (len(raw) - 1)))
    text = raw.strip(b" \0")
    return int(text.split(b"\0")[0], 8) if text else 0


def _text(raw: bytes) -> str:
    return os.fsdecode(raw.split(b"\0", 1)[0])


def clean(path: str) -> str:
    """A name of a tar as a path below the root: `./a/` -> `a`, `/a/../b` -> `b`, `.` -> ``."""
    if path.startswith(("/", ".")) or path.endswith("/") or "/." in path or "//" in path:
        return posixpath.normpath("/" + path).lstrip("/")
    return path


def _scan(source: BinaryIO) -> Iterator[tuple[TarEntry, int]]:
    position = 0
    extra: dict[bytes, bytes] = {}
    while True:
        block = source.read(BLOCK)
        position += BLOCK
        if len(block) < BLOCK or block == bytes(BLOCK):
            return
        kind = block[156:157]
        size = int(extra.get(b"size", 0)) or _number(block[124:136])
        if not 0 <= size <= SIZE_MAX or (kind in b"xgLK" and size > HEADER_MAX):
            raise ValueError(f"a size of {size} bytes")
        padded = size + -size % BLOCK
        if kind in b"xgLK":
            data = source.read(padded)[:size]
            position += padded
            if kind == b"x":
                extra |= _records(data)
            elif kind in b"LK":
                extra[b"path" if kind == b"L" else b"linkpath"] = data.rstrip(b"\0")
            continue
        if kind not in _KINDS or any(key.startswith(b"GNU.sparse") for key in extra):
            raise _Rare
        entry = _entry(block, _KINDS[kind], size, extra)
        extra = {}
        yield entry, position
        if entry.kind == "file" and padded:
            position += padded
            source.seek(position)


def _records(data: bytes) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    while data:
        length, _, _ = data.partition(b" ")
        if not len(length) < int(length) <= len(data):
            raise ValueError(f"an extended header's record of length {int(length)}")
        record, data = data[len(length) + 1 : int(length) - 1], data[int(length) :]
        key, _, value = record.partition(b"=")
        found[key] = value
    return found


def _entry(block: bytes, kind: Kind, size: int, extra: dict[bytes, bytes]) -> TarEntry:
    name = block[:100].split(b"\0", 1)[0]
    if block[257:263] == b"ustar\0" and (prefix := block[345:500].split(b"\0", 1)[0]):
        name = prefix + b"/" + name
    name = extra.get(b"path", name)
    if kind == "file" and name.endswith(b"/"):
        kind = "directory"
    link = os.fsdecode(extra[b"linkpath"]) if b"linkpath" in extra else _text(block[157:257])
    return TarEntry(
        path=clean(os.fsdecode(name)),
        kind=kind,
        mode=_number(block[100:108]) & 0o7777,
        uid=int(extra[b"uid"]) if b"uid" in extra else _number(block[108:116]),
        gid=int(extra[b"gid"]) if b"gid" in extra else _number(block[116:124]),
        mtime=int(float(extra[b"mtime"])) if b"mtime" in extra else _number(block[136:148]),
        size=size if kind == "file" else 0,
        link=clean(link) if kind == "hardlink" else link,
        major=_number(block[329:337]) if kind in ("char", "block") else 0,
        minor=_number(block[337:345]) if kind in ("char", "block") else 0,
        xattrs=_xattrs(extra) if extra else {},
    )


def _xattrs(extra: dict[bytes, bytes]) -> dict[str, bytes]:
    return {os.fsdecode(key[len(_XATTR) :]): value for key, value in extra.items() if key.startswith(_XATTR)}


def _scan_rare(path: Path) -> Iterator[tuple[TarEntry, int]]:
    try:
        with tarfile.open(path, "r:", tarinfo=StrictTarInfo, encoding="utf-8", errors="surrogateescape") as tar:
            for info in tar:
                if info.type in (tarfile.GNUTYPE_SPARSE,) or info.sparse is not None:
                    raise InputError(f"{path}: {info.name}: a sparse file, which a layer must not have")
                entry = from_info(info)
                yield entry, info.offset_data
    except DAMAGED as error:
        raise InputError(f"{path}: a damaged layer: {error}") from error


def from_info(info: tarfile.TarInfo) -> TarEntry:
    """The same facts from `tarfile`. Raises InputError for a type that no layer has."""
    kind = _TARFILE_KINDS.get(info.type)
    if kind is None:
        raise InputError(f"{info.name}: an entry of type {info.type!r}, which a layer cannot have")
    pax = {os.fsencode(key): value.encode("utf-8", "surrogateescape") for key, value in info.pax_headers.items()}
    return TarEntry(
        path=clean(info.name), kind=kind, mode=info.mode & 0o7777, uid=info.uid, gid=info.gid,
        mtime=int(info.mtime), size=info.size if kind == "file" else 0,
        link=clean(info.linkname) if kind == "hardlink" else info.linkname,
        major=info.devmajor if kind in ("char", "block") else 0,
        minor=info.devminor if kind in ("char", "block") else 0, xattrs=_xattrs(pax),
    )  # fmt: skip
