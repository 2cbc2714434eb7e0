"""ADD of a local archive: recognised by its content, unpacked into a landing, confined to its destination.

The destination is the root of the unpacking, as in the classic builder, which unpacks in a chroot (moby 20.10,
pkg/chrootarchive): `..`, absolute names and links lead nowhere else. Owners, modes, times and extended attributes
are the archive's. A damaged archive, a hard link to nothing and devices without root are errors.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, BinaryIO, cast

from workbench.context.strict_tar import DAMAGED, StrictTarInfo
from workbench.dataclass import dataclass
from workbench.engines.embedded.compression import CHUNK, compression, plain
from workbench.engines.embedded.disk import refuse_larger_than_disk
from workbench.engines.embedded.landing import Landing
from workbench.engines.embedded.layer_index import clean, from_info
from workbench.engines.embedded.layer_tar import TarEntry, kept_xattrs
from workbench.engines.embedded.trees import Item
from workbench.errors import InputError


def is_archive(item: Item) -> bool:
    """Whether the classic builder would unpack this file: a tar with at least one entry, compressed or not.

    zstd is unpacked as BuildKit does; raises InputError where this Python has no module for it.
    """
    kind = ""
    try:
        with item.open() as source:
            head = source.read(512)
        kind = compression(head[:6])
        if not kind:
            return _is_header(head)
        with _reader(item) as tar:
            return _is_header(tar.read(512))
    except InputError:
        if kind == "zstd":
            raise  # without a module for it, what ADD makes must not depend on the machine
        return False
    except (OSError, EOFError):
        return False


def _is_header(block: bytes) -> bool:
    if len(block) < 512 or not any(block):
        return False
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


@contextmanager
def _reader(item: Item) -> Iterator[BinaryIO]:
    with item.open() as source, plain(cast(BinaryIO, _Peekable(source, item.entry.size)), item.entry.path) as tar:
        yield tar


class _Peekable:
    """A window of `size` bytes of a file, seekable, that begins where the file stands now."""

    def __init__(self, source: BinaryIO, size: int) -> None:
        self._source = source
        self._start = source.tell()
        self._size = size
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        left = self._size - self._at
        data = self._source.read(left if size < 0 else min(size, left)) or b""
        self._at += len(data)
        return data

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = (0, self._at, self._size)[whence]
        self._at = max(0, base + offset)
        self._source.seek(self._start + self._at)
        return self._at

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return True

    @property
    def closed(self) -> bool:
        return self._source.closed


def unarchive(
    item: Item, name: str, landing: Landing, destination: str, scratch: Path, *, group: int, check: Callable[[], None]
) -> None:
    """Puts the archive's entries below `destination` (resolved). Plain bytes of a compressed archive are spooled in
    `scratch`, so that memory does not bound its size. Raises InputError, naming archive and entry."""
    landing.make_folder(destination, (0, 0))
    landing.touch(destination)
    handle, spooled = tempfile.mkstemp(prefix="archive-", suffix=".tar", dir=scratch)
    spool = Path(spooled)
    with open(handle, "wb") as out, _reader(item) as tar:
        while data := tar.read(CHUNK):
            check()
            out.write(data)
    unpacking = _Unpacking(landing, destination, name, spool, group)
    try:
        with tarfile.open(spool, "r:", tarinfo=StrictTarInfo, encoding="utf-8", errors="surrogateescape") as found:
            for info in found:
                check()
                unpacking.one(info)
            unpacking.finish()
            _check_end(spool, found.offset, name)
    except DAMAGED as error:
        raise InputError(f"{name}: not a tar archive, or a damaged one: {error}") from error


def _check_end(spool: Path, offset: int, name: str) -> None:
    """`tarfile` takes a damaged header for the end; only zeros, or nothing, may stand there."""
    with spool.open("rb") as source:
        source.seek(offset)
        block = source.read(512)
    if any(block):
        raise InputError(f"{name}: a damaged archive: no header at byte {offset}")


@dataclass(frozen=True, slots=True)
class _Member:
    """A file inside a spooled tar."""

    entry: TarEntry
    spool: Path
    info: tarfile.TarInfo
    group: int

    @property
    def inode(self) -> tuple[object, ...]:
        return (str(self.spool), self.info.offset)

    def digest(self) -> str:
        raise NotImplementedError("the archive's own digest is what counts")

    def open(self) -> BinaryIO:
        if self.info.issparse():
            tar = tarfile.open(self.spool, "r:", tarinfo=StrictTarInfo)  # noqa: SIM115
            member = tar.extractfile(self.info)
            assert member is not None
            return cast(BinaryIO, _Holes(member, tar))
        source = self.spool.open("rb")
        source.seek(self.info.offset_data)
        return source


class _Holes:
    """A sparse member, read piece by piece."""

    def __init__(self, member: IO[bytes], tar: tarfile.TarFile) -> None:
        self._member = member
        self._tar = tar

    def read(self, size: int = -1) -> bytes:
        return self._member.read(size)

    def close(self) -> None:
        self._tar.close()


class _Unpacking:
    def __init__(self, landing: Landing, destination: str, name: str, spool: Path, group: int) -> None:
        self._landing = landing
        self._destination = destination
        self._name = name
        self._spool = spool
        self._group = group
        self._folders: dict[str, tarfile.TarInfo] = {}
        """By the path where each of the archive's folders was put."""

    def finish(self) -> None:
        """Docker sets the times of folders last, also of a file that took a folder's place. Raises InputError where a
        folder's parent is none any more."""
        for path, info in self._folders.items():
            if self._landing.lookup(path) is None:
                raise InputError(f"{self._name}: {info.name}: a later entry replaced a folder that it lies in")
            self._landing.touch_file(path, max(0, int(info.mtime)))

    def _refuse_dangling(self, path: str, parent: str) -> None:
        """Raises InputError where the way to `path` goes over a link to nothing, as mkdir and open do."""
        above = ""
        for part in parent.split("/"):
            place = self._landing.resolve(above, root=self._destination)
            entry = self._landing.lookup(f"{place}/{part}" if place else part)
            if entry is None:
                return
            above = f"{above}/{part}" if above else part
            if entry.kind == "symlink":
                target = self._landing.resolve(above, root=self._destination)
                if target and self._landing.lookup(target) is None:
                    raise InputError(f"{path}: goes over {above}, a link to /{target}, which is not there")

    def one(self, info: tarfile.TarInfo) -> None:
        path = clean(info.name)
        if not path:
            return  # the archive's root does not change a destination that is there
        entry = from_info(info)
        parent, _, last = path.rpartition("/")
        place = self._landing.resolve(parent, root=self._destination)
        if place and self._landing.lookup(place) is None:
            self._refuse_dangling(path, parent)
        if place:
            self._landing.make_folder(place, (0, 0))
        full = f"{place}/{last}" if place else last
        entry = replace(entry, path=full, mtime=max(0, entry.mtime), xattrs=kept_xattrs(entry.xattrs))
        if entry.kind == "hardlink":
            above, _, name = entry.link.rpartition("/")
            target = self._landing.resolve(above, root=self._destination)
            try:
                self._landing.link(full, f"{target}/{name}" if target else name, entry)
            except InputError as error:
                raise InputError(f"{self._name}: {info.name}: {error}") from error
            return
        if entry.kind in ("char", "block") and os.geteuid() != 0:
            raise InputError(
                f"{self._name}: {info.name}: a device, which only root can unpack",
                hint="Run as root, or leave the device out of the archive.",
            )
        if info.issparse():
            refuse_larger_than_disk(entry.size, self._spool.parent, f"{self._name}: {info.name}")
        if entry.kind == "char" and (entry.major, entry.minor) == (0, 0):  # in an overlay it would delete a file
            raise InputError(f"{self._name}: {info.name}: operation not permitted", hint="Leave device 0:0 out of it.")
        item = _Member(entry, self._spool, info, self._group) if entry.kind == "file" else None
        self._landing.put(entry, item, group=self._group)
        if entry.kind == "directory":
            self._folders[full] = info
