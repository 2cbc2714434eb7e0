"""Where COPY and ADD take files from: the build context, another image's file system, documents of the Dockerfile.

All look alike: items by path, links followed inside the tree, content to be read. The context's items belong to
root, as `docker build` sends them (docker CLI, archive.TarWithOptions with ChownOpts 0:0).
"""

from __future__ import annotations

import io
import os
import posixpath
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from workbench.context.classic import classic_sent
from workbench.context.digest import DigestCache
from workbench.context.opening import open_entry
from workbench.context.scan import Entry, Scan
from workbench.engines.embedded.layer_tar import TarEntry
from workbench.engines.embedded.view import Found, ImageView, resolve
from workbench.errors import InputError


class Item(Protocol):
    """One path of a tree."""

    @property
    def entry(self) -> TarEntry: ...

    @property
    def inode(self) -> tuple[object, ...]:
        """The same for the names of one file, so that hard links stay links."""
        ...

    def digest(self) -> str:
        """Of a file's content. Raises InputError where it cannot be read."""
        ...

    def open(self) -> BinaryIO:
        """Raises InputError where it cannot be read."""
        ...


class Tree(Protocol):
    """Paths are relative and clean; the root is `""`."""

    def lookup(self, path: str) -> Item | None: ...

    def walk(self, path: str) -> Iterator[tuple[str, Item]]:
        """Everything below, parents before children."""
        ...

    def resolve(self, path: str) -> str:
        """With links followed inside the tree."""
        ...


class ContextTree:
    """What a scan says is sent: `files` that are no folders, `bytes` of their content. `changed` holds files that were
    not what the scan saw when they were read."""

    def __init__(self, scan: Scan, digests: DigestCache, check: Callable[[], None] = lambda: None) -> None:
        self.scan = scan
        self.check = check
        self.digests = digests
        self.changed: set[str] = set()
        self._items: dict[str, ContextItem] = {}
        self._children: dict[str, list[str]] = {}
        self.files = self.bytes = 0
        for entry in classic_sent(scan):
            self._add(entry)
            if entry.kind != "directory":
                self.files += 1
                self.bytes += entry.size

    def _add(self, entry: Entry) -> None:
        parent = entry.path.rpartition("/")[0]
        if parent and parent not in self._items:
            self._add(_made_anew(self.scan, parent))
        self._items[entry.path] = ContextItem(self, entry)
        self._children.setdefault(parent, []).append(entry.path)

    def lookup(self, path: str) -> Item | None:
        return self._items.get(path) if path else _ROOT

    def _entry(self, path: str) -> TarEntry | None:
        found = self.lookup(path)
        return None if found is None else found.entry

    def walk(self, path: str) -> Iterator[tuple[str, Item]]:
        todo = list(reversed(self._children.get(path, ())))  # without recursion: a tree may be deep
        while todo:
            child = todo.pop()
            yield child, self._items[child]
            todo += reversed(self._children.get(child, ()))

    def resolve(self, path: str) -> str:
        return resolve(path, self._entry)


def _made_anew(scan: Scan, path: str) -> Entry:
    """A folder that is excluded and has something below it that is not: Docker makes it with mode 0755."""
    entry = scan.get(path)
    assert entry is not None
    return entry._replace(mode=0o755, mtime_ns=0, sent=True)


class ContextItem:
    """A path of the build context."""

    def __init__(self, tree: ContextTree, entry: Entry) -> None:
        self._tree = tree
        self._entry = entry

    @property
    def entry(self) -> TarEntry:
        entry = self._entry
        if entry.kind == "device" or entry.kind == "socket":
            return self._device()
        return TarEntry(
            path=entry.path, kind=entry.kind, mode=entry.mode, mtime=entry.mtime_ns // 10**9, size=entry.size,
            link=entry.link, xattrs=self._capability() if entry.kind == "file" and entry.mode & 0o111 else {},
        )  # fmt: skip

    def _device(self) -> TarEntry:
        facts = os.lstat(self._tree.scan.root / self._entry.path)
        kind = "block" if facts.st_mode & 0o170000 == 0o060000 else "char"
        return TarEntry(
            path=self._entry.path, kind="block" if kind == "block" else "char", mode=self._entry.mode,
            mtime=self._entry.mtime_ns // 10**9, major=os.major(facts.st_rdev), minor=os.minor(facts.st_rdev),
        )  # fmt: skip

    def _capability(self) -> Mapping[str, bytes]:
        """The one extended attribute that the docker CLI sends."""
        with suppress(OSError):
            return {
                "security.capability": os.getxattr(
                    self._tree.scan.root / self._entry.path, "security.capability", follow_symlinks=False
                )
            }
        return {}

    @property
    def inode(self) -> tuple[object, ...]:
        if self._entry.nlink < 2:
            return (self._entry.path,)
        return (self._entry.device, self._entry.inode)

    def digest(self) -> str:
        try:
            return self._tree.digests.digest(self._tree.scan.root, self._entry, check=self._tree.check)
        except OSError as error:
            raise self._unreadable(error) from error

    def open(self) -> BinaryIO:
        entry = self._entry
        try:
            descriptor, facts = open_entry(self._tree.scan.root, entry)
        except OSError as error:
            raise self._unreadable(error) from error
        if not stat.S_ISREG(facts.st_mode):
            os.close(descriptor)
            raise InputError(f"{entry.path}: no file any more")
        if (facts.st_size, facts.st_mtime_ns, facts.st_ino) != (entry.size, entry.mtime_ns, entry.inode):
            self._tree.changed.add(entry.path)
        return os.fdopen(descriptor, "rb", buffering=0)

    def _unreadable(self, error: OSError) -> InputError:
        if isinstance(error, FileNotFoundError):
            return InputError(f"{self._entry.path}: the file went away while the image was built")
        return InputError(f"{self._entry.path}: {error.strerror}")


@dataclass(frozen=True, slots=True)
class MemoryItem:
    """A file whose content is known: a document of the Dockerfile, or the root of a tree."""

    entry: TarEntry
    content: bytes = b""

    @property
    def inode(self) -> tuple[object, ...]:
        return (self.entry.path,)

    def digest(self) -> str:
        import hashlib

        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    def open(self) -> BinaryIO:
        return io.BytesIO(self.content)


_ROOT = MemoryItem(TarEntry("", "directory"))


@dataclass(frozen=True, slots=True)
class MemoryTree:
    """Files of one folder."""

    items: Mapping[str, Item]

    def lookup(self, path: str) -> Item | None:
        return self.items.get(path) if path else _ROOT

    def walk(self, path: str) -> Iterator[tuple[str, Item]]:
        return iter(self.items.items() if not path else ())

    def resolve(self, path: str) -> str:
        return path


@dataclass(frozen=True, slots=True)
class FileItem:
    """A file on this machine under another name: a download, a spooled archive."""

    entry: TarEntry
    path: Path

    @property
    def inode(self) -> tuple[object, ...]:
        return (str(self.path),)

    def digest(self) -> str:
        import hashlib

        with self.path.open("rb") as source:
            return f"sha256:{hashlib.file_digest(source, 'sha256').hexdigest()}"

    def open(self) -> BinaryIO:
        return self.path.open("rb")


class ImageTree:
    """The file system of a stage or an image."""

    def __init__(self, view: ImageView) -> None:
        self.view = view

    def lookup(self, path: str) -> Item | None:
        found = self.view.lookup(path)
        return None if found is None else ImageItem(found)

    def walk(self, path: str) -> Iterator[tuple[str, Item]]:
        return ((child, ImageItem(found)) for child, found in self.view.walk(path))

    def resolve(self, path: str) -> str:
        return self.view.resolve(path)


@dataclass(frozen=True, slots=True)
class ImageItem:
    found: Found
    _digest: list[str] = field(default_factory=list, repr=False)

    @property
    def entry(self) -> TarEntry:
        return self.found.entry

    @property
    def inode(self) -> tuple[object, ...]:
        return self.found.inode

    def digest(self) -> str:
        if not self._digest:
            import hashlib

            hashed = hashlib.sha256()
            left = self.entry.size
            with self.found.open() as source:
                while left and (data := source.read(min(left, 1 << 20))):
                    hashed.update(data)
                    left -= len(data)
            self._digest.append(f"sha256:{hashed.hexdigest()}")
        return self._digest[0]

    def open(self) -> BinaryIO:
        return self.found.open()


def below(path: str, root: str) -> str:
    """`path` relative to `root`, which is a folder above it or the path itself."""
    return path if not root else path[len(root) + 1 :]


def clean_source(path: str) -> str:
    """A source as it is looked for: relative, without `./` and without a slash at its end."""
    return posixpath.normpath("/" + path).lstrip("/")
