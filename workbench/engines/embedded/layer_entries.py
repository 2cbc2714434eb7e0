"""The entries of a layer by their paths: of a plain file or folder the numbers alone are kept, packed, which takes half
the memory of objects. A layer may have 100,000."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import Struct, error
from typing import TypeVar, overload

from workbench.engines.embedded.layer_tar import TarEntry

Placed = tuple[TarEntry, int]
"""An entry, and the offset of its content in the tar."""
_Default = TypeVar("_Default")
_ROW = Struct("<?HIIqqq")
"""Whether it is a folder, mode, uid, gid, mtime, size, offset."""


class LayerEntries(Mapping[str, Placed]):
    """Of two entries with one path the later counts. What is asked for is made anew each time."""

    def __init__(self) -> None:
        self._rows = bytearray()
        self._known: dict[str, int | Placed] = {}
        """Where the row of a path is, or the entry itself."""

    def add(self, entry: TarEntry, offset: int) -> None:
        self._known[entry.path] = self._pack(entry, offset)

    def _pack(self, it: TarEntry, offset: int) -> int | Placed:
        if it.xattrs or it.link or it.kind not in ("file", "directory"):
            return it, offset
        at = len(self._rows)
        try:
            self._rows += _ROW.pack(it.kind == "directory", it.mode, it.uid, it.gid, it.mtime, it.size, offset)
        except error:  # a header may name any number
            return it, offset
        return at

    def __getitem__(self, path: str) -> Placed:
        known = self._known[path]
        if not isinstance(known, int):
            return known
        is_folder, mode, uid, gid, mtime, size, offset = _ROW.unpack_from(self._rows, known)
        return TarEntry(path, "directory" if is_folder else "file", mode, uid, gid, mtime, size), offset

    @overload
    def get(self, path: str, /) -> Placed | None: ...
    @overload
    def get(self, path: str, default: Placed | _Default, /) -> Placed | _Default: ...
    def get(self, path: str, default: _Default | None = None, /) -> Placed | _Default | None:
        """Most of what a view asks is not there: no exception for it."""
        return self[path] if path in self._known else default

    def __contains__(self, path: object) -> bool:
        return path in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)
