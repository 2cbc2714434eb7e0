"""A whole folder of the context that becomes part of a layer as it is: each path is looked at, written and forgotten.

It is what `COPY . /` of very many files comes to. Where it would take a folder of the image away, or is mixed with
other sources, `landing` has every path in memory instead.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path

from workbench.context.opening import Opener
from workbench.dataclass import dataclass
from workbench.dockerfile.modes import ModeChange
from workbench.engines.embedded.context_tree import ContextTree
from workbench.engines.embedded.copied import Copied, Tar
from workbench.engines.embedded.layer_tar import BLOCK, LayerWriter, TarEntry, file_header, kept_xattrs
from workbench.engines.embedded.view import ImageView
from workbench.errors import InputError

Owner = tuple[int, int]

_PATH_MAX = 4095
_NAME_MAX = 255
_SMALL = 64 << 10
"""Files up to this size are read at once and written together with their neighbours."""
_TOGETHER = 1 << 20
_REMEMBERED = 5_000
"""Layers with more paths are not kept in memory: most are never looked into, and their tar can be read again."""
_FOLDERS = 256
_ZEROS = bytes(BLOCK)


def check_length(path: str) -> None:
    """Raises InputError for a path that no file system of Linux takes, and so nobody could unpack."""
    raw = path.encode("utf-8", "surrogateescape")
    if len(raw) > _PATH_MAX or any(len(part) > _NAME_MAX for part in raw.split(b"/")):
        raise InputError(f"/{path[:60]}...: the name is too long")


def landed(entry: TarEntry, path: str, owner: Owner | None, chmod: ModeChange | None) -> TarEntry:
    """An entry at its new place; with no `owner` it keeps its own. Linux takes set-user-ID, set-group-ID and
    capabilities off a file whose owner is set, and the classic builder sets it after the mode."""
    mode = entry.mode
    xattrs = entry.xattrs
    if owner is not None and entry.kind not in ("directory", "symlink"):
        mode &= ~0o4000
        if mode & 0o010:
            mode &= ~0o2000
        xattrs = {}
    if chmod is not None and entry.kind != "symlink":
        mode = chmod.apply(entry.mode, directory=entry.kind == "directory")
    uid, gid = owner or (entry.uid, entry.gid)
    return TarEntry(  # not `replace`, which costs four times as much: a COPY may have 100,000 of these
        path, entry.kind, mode, uid, gid, entry.mtime, entry.size, entry.link, entry.major, entry.minor, xattrs,
    )  # fmt: skip


@dataclass(slots=True)
class Graft:
    """What lies below `source` in the context, to lie below `destination` in the layer. `fits` comes first."""

    tree: ContextTree
    source: str
    destination: str
    owner: Owner | None
    chmod: ModeChange | None
    paths: int = 0
    newest: int = 0
    """The latest time of change, in seconds; 0 where there is nothing."""
    before: tuple[Copied, Path] | None = None
    """The same folder as an earlier layer has it, and that layer's tar."""
    copied: Copied | None = None
    """Afterwards, where `write` put its files."""

    @property
    def key(self) -> Hashable:
        """Two grafts of one key make the same entries of the same files."""
        return self.tree.scan.root, self.source, self.destination, self.owner, self.chmod

    @property
    def empty(self) -> bool:
        return not self.paths

    def _places(self) -> Iterator[tuple[int, str]]:
        """Each place of the scan, and its path in the layer."""
        paths = self.tree.scan.columns.paths
        start = len(self.source) + 1 if self.source else 0
        above = f"{self.destination}/" if self.destination else ""
        for at in self.tree.places(self.source):
            yield at, above + paths[at][start:]

    def fits(self, view: ImageView, check: Callable[[], None]) -> bool:
        """Whether nothing of the image has to be taken away for it: no file stands where the image has a folder.
        Raises InputError for a name that is too long."""
        columns = self.tree.scan.columns
        newest: int | None = None
        folders = _Folders(view)
        self.paths = 0
        for at, path in self._places():
            check()
            self.paths += 1
            _, _, _, mtime, _, mode, _, _, _ = columns.row(at)
            if len(path) > _PATH_MAX // 4:
                check_length(path)
            if at in columns.late or not self.tree.is_sent(at):
                mtime = self.tree.item(at).entry.mtime * 10**9
            if newest is None or mtime > newest:
                newest = mtime
            if view.layers and not stat.S_ISDIR(mode) and folders.has(path):
                return False
        self.newest = (newest or 0) // 10**9
        return True

    def write(self, writer: LayerWriter) -> None:
        """Its entries in the order of the tar. Raises InputError for what cannot be read any more."""
        self.copied = Copied(self.tree.scan, time.time_ns())
        with ExitStack() as open_files:
            before = None
            if self.before is not None:
                with suppress(OSError):  # its layer was removed
                    before = self.before[0], open_files.enter_context(Tar(self.before[1]))
            files = open_files.enter_context(Opener(self.tree.scan.root))
            _Writing(self, self.copied, writer, files, before).run(self._places())


class _Folders:
    """What is a folder in an image, asked for many names of a folder at once."""

    def __init__(self, view: ImageView) -> None:
        self._view = view
        self._names: dict[str, frozenset[str]] = {}

    def has(self, path: str) -> bool:
        parent, _, name = path.rpartition("/")
        names = self._names.get(parent)
        if names is None:
            if len(self._names) >= _FOLDERS:
                self._names.clear()
            names = self._names[parent] = frozenset(self._view.names(parent))
        if name not in names:
            return False
        found = self._view.lookup(path)
        return found is not None and found.is_directory


class _Writing:
    """One graft on its way into a tar."""

    def __init__(
        self, graft: Graft, copied: Copied, writer: LayerWriter, files: Opener, before: tuple[Copied, Tar] | None
    ) -> None:
        self._graft = graft
        self._copied = copied
        self._before = before
        self._tree = graft.tree
        self._writer = writer
        self._files = files
        self._waiting: list[bytes | memoryview] = []
        self._length = self._content = 0
        self._links: dict[tuple[object, ...], str] = {}
        self._modes: dict[int, int] = {}
        writer.whole = writer.whole and graft.paths <= _REMEMBERED

    def run(self, places: Iterator[tuple[int, str]]) -> None:
        columns, check = self._tree.scan.columns, self._tree.check
        # A new owner takes capabilities away; without one, what can be executed may have them.
        plain = 0o170111 if self._graft.owner is None else 0o170000
        for at, path in places:
            check()
            _, inode, size, mtime, _, mode, _, _, links = columns.row(at)
            if links == 1 and size <= _SMALL and mode & plain == stat.S_IFREG and at not in columns.late:
                self._small(at, path, (size, mtime, inode), mode & 0o7777)
            else:
                self._flush()
                self._any(at, path)
        self._flush()

    def _small(self, at: int, path: str, seen: tuple[int, int, int], mode: int) -> None:
        """A file of one name, without extended attributes."""
        size, mtime, _ = seen
        uid, gid = self._graft.owner or (0, 0)
        seconds = mtime // 10**9
        start = self._writer.position + self._length
        padded = size + -size % BLOCK
        if (known := self._known(at, BLOCK + padded)) is not None:
            self._waiting.append(known)
            head = BLOCK
        else:
            header = file_header(path, self._mode(mode), uid, gid, size, seconds)
            self._waiting += header, self._read(at, seen), _ZEROS[: padded - size]
            head = len(header)
        if head == BLOCK:
            self._copied.add(at, start)
        if self._writer.whole:
            entry = TarEntry(path, "file", self._mode(mode), uid, gid, seconds, size)
            self._writer.entries.append((entry, start + head))
        self._length += head + padded
        self._content += size
        if self._length >= _TOGETHER:
            self._flush()

    def _known(self, at: int, length: int) -> memoryview | None:
        """Header and content, out of the layer that has them already."""
        if self._before is None:
            return None
        copied, tar = self._before
        start = copied.start(self._tree.scan.columns, at)
        if start < 0:
            return None
        found = tar.read(start, length)
        return found if len(found) == length else None

    def _mode(self, mode: int) -> int:
        """The mode of a plain file at its new place."""
        found = self._modes.get(mode)
        if found is None:
            entry = landed(TarEntry("", "file", mode), "", self._graft.owner, self._graft.chmod)
            found = self._modes[mode] = entry.mode
        return found

    def _read(self, at: int, seen: tuple[int, int, int]) -> bytes:
        path, size = self._tree.scan.columns.paths[at], seen[0]
        if not size:
            return b""
        try:
            fd = self._files.open(path)
            try:
                self._tree.compare(path, os.fstat(fd), seen)
                data = os.read(fd, size)
                while len(data) < size and (more := os.read(fd, size - len(data))):
                    data += more
            finally:
                os.close(fd)
        except OSError as error:
            raise self._tree.item(at).unreadable(error) from error
        if len(data) < size:
            raise InputError(f"{path}: the file became shorter while it was read")
        return data

    def _any(self, at: int, path: str) -> None:
        """Whatever it is: as `Landing.write` does it."""
        item = self._tree.item(at)
        entry = item.entry
        if entry.xattrs:
            entry = replace(entry, xattrs=kept_xattrs(entry.xattrs))
        entry = landed(entry, path, self._graft.owner, self._graft.chmod)
        if entry.kind == "file":
            first = self._links.setdefault((*item.inode, entry.mode), path) if len(item.inode) > 1 else path
            if first != path:
                self._writer.add(replace(entry, kind="hardlink", link=first, size=0, xattrs={}))
                return
            if entry.size:
                with closing(item.open()) as source:
                    self._writer.copy(entry, source)
                return
        self._writer.add(entry)

    def _flush(self) -> None:
        if self._waiting:
            self._writer.raw(b"".join(self._waiting), self._content)
            self._waiting = []
            self._length = self._content = 0
