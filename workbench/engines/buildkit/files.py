"""What FileSync offers the engine: folders of this machine, and files that exist only in memory.

A tree answers one request of the engine, which says what it wants (`followpaths`) and what it leaves out
(`exclude-patterns`), and gets the facts of the files in fsutil's terms.
"""

from __future__ import annotations

import hashlib
import io
import os
import posixpath
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from workbench.context.ignore import IgnoreRules
from workbench.context.scan import Entry, walk
from workbench.dataclass import dataclass
from workbench.errors import InputError

# Bits of Go's os.FileMode, which fsutil sends.
GO_DIRECTORY, GO_SYMLINK, GO_DEVICE, GO_FIFO = 1 << 31, 1 << 27, 1 << 26, 1 << 25
GO_SETUID, GO_SETGID, GO_CHARACTER, GO_STICKY = 1 << 23, 1 << 22, 1 << 21, 1 << 20
NO_DATA = GO_DIRECTORY | GO_SYMLINK | GO_DEVICE | GO_FIFO
"""Of these the engine has no content to ask for."""
_KINDS = {"file": 0, "directory": GO_DIRECTORY, "symlink": GO_SYMLINK, "fifo": GO_FIFO}
_MORE_THAN_A_NAME = re.compile(r"[/*?\[\]\\]|^\.{0,2}$")
_LINKS_BOUND = 40
"""Symbolic links that one path may lead through, as in the kernel."""


class File(NamedTuple):
    """One path as fsutil's `Stat` has it. `link` is a symbolic link's target, or the first name of the same inode."""

    path: bytes
    mode: int
    size: int
    mtime_ns: int
    link: bytes = b""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One request: paths and patterns as the engine sends them. Without `follow` everything is wanted."""

    follow: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


class Tree(Protocol):
    """Something to send files from. Both methods block; a thread calls them."""

    def files(self, wanted: Wanted, asked: Callable[[], bool]) -> Iterator[File]:
        """Parents before their children, in the order of bytes within a directory. Raises InputError."""
        ...

    def open(self, path: bytes) -> BinaryIO:
        """The content. Raises OSError."""
        ...


class MemoryTree:
    """A few files that are not, or not like this, on the disk: a Dockerfile held in an editor.

    The engine takes a file of the same size and time for the same, so that the time is one of the content: what has
    not changed is not sent again, and what has changed is.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = {os.fsencode(name): data for name, data in files.items()}

    def files(self, wanted: Wanted, asked: Callable[[], bool]) -> Iterator[File]:
        for name in sorted(self._files):
            data = self._files[name]
            yield File(name, 0o644, len(data), int.from_bytes(hashlib.sha256(data).digest()[:7], "big"))

    def open(self, path: bytes) -> BinaryIO:
        return io.BytesIO(self._files[path])


class FolderTree:
    """A folder. Owners are told as root, as the docker CLI does: an image's files do not belong to the builder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, path: bytes) -> BinaryIO:
        # A file that was swapped for a link or a fifo since it was looked at must not lead elsewhere, or hang.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.fdopen(os.open(self._root / os.fsdecode(path), flags), "rb")

    def files(self, wanted: Wanted, asked: Callable[[], bool]) -> Iterator[File]:
        if (few := self._few(wanted)) is not None:
            return iter(few)
        follow = follow_patterns(self._root, wanted.follow)
        rules, chosen = IgnoreRules((*follow, *wanted.exclude)), None
        if follow and IgnoreRules(wanted.exclude).has_exceptions:  # which bring back what is not wanted
            rules, chosen = IgnoreRules(wanted.exclude), IgnoreRules(follow)
        return _files(walk(self._root, rules, cancel=asked), chosen)

    def _few(self, wanted: Wanted) -> list[File] | None:
        """Where nothing but files of the root is wanted (`.dockerignore`, of every build), those that are there: the
        folder is not walked for them. None where it has to be."""
        names = set(wanted.follow)
        if not names or wanted.exclude or any(_MORE_THAN_A_NAME.search(name) for name in names):
            return None
        files: list[File] = []
        for name in sorted(names, key=os.fsencode):
            try:
                found = os.lstat(self._root / name)
            except FileNotFoundError:
                continue
            except (OSError, ValueError):
                return None
            if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
                return None
            path, mode = os.fsencode(name), _go_mode("file", stat.S_IMODE(found.st_mode))
            files.append(File(path, mode, found.st_size, found.st_mtime_ns))
        return files


def _files(entries: Iterable[Entry], chosen: IgnoreRules | None) -> Iterator[File]:
    """Those that are sent, and of them what is chosen; with the directories above them."""
    waiting: list[Entry] = []  # directories that are sent only where something below them is
    seen: dict[tuple[int, int], bytes] = {}
    for entry in entries:
        while waiting and not entry.path.startswith(f"{waiting[-1].path}/"):
            waiting.pop()
        wanted = entry.sent and (chosen is None or not chosen.decide(entry.path).excluded)
        if not wanted:
            if entry.kind == "directory":
                waiting.append(entry)
            continue
        if entry.error and entry.kind == "directory":  # a file is opened only if the engine wants it
            raise InputError(f"{entry.path}: {entry.error}", hint="Make it readable, or leave it out (.dockerignore).")
        for parent in waiting:
            yield to_file(parent, seen)
        waiting.clear()
        if entry.kind != "device":
            yield to_file(entry, seen)


def to_file(entry: Entry, seen: dict[tuple[int, int], bytes]) -> File:
    """An entry of a scan in fsutil's terms. `seen` remembers inodes: a second name of one is a hard link."""
    path = os.fsencode(entry.path)
    mode = _go_mode(entry.kind, entry.mode)
    link = os.fsencode(entry.link)
    if entry.kind == "file" and entry.nlink > 1:
        link = seen.setdefault((entry.device, entry.inode), path)
        link = b"" if link == path else link
    size = len(link) if entry.kind == "symlink" else entry.size
    return File(path, mode, size, entry.mtime_ns, link)


@cache
def _go_mode(kind: str, mode: int) -> int:
    """Go's os.FileMode; a context has few that differ."""
    go = _KINDS[kind] | mode & 0o777
    for bit, here in ((stat.S_ISUID, GO_SETUID), (stat.S_ISGID, GO_SETGID), (stat.S_ISVTX, GO_STICKY)):
        go |= here if mode & bit else 0
    return go


def follow_patterns(root: Path, follow: Sequence[str]) -> tuple[str, ...]:
    """Patterns that exclude all but the wanted paths, links on the way included; none where everything is wanted."""
    chosen: dict[str, None] = {}
    for path in follow:
        _follow(root, posixpath.normpath(path.lstrip("/") or "."), chosen, 0)
    if not chosen or "." in chosen:
        return ()
    return ("**", *(f"!{path}" for path in chosen))


def _follow(root: Path, path: str, chosen: dict[str, None], depth: int) -> None:
    """Adds the path, and where a part of it is a symbolic link, what that leads to within the context."""
    chosen[path] = None
    parts = path.split("/")
    for count in range(1, len(parts) + 1):
        before = "/".join(parts[:count])
        try:
            target = os.fspath((root / before).readlink())
        except (OSError, ValueError):
            continue
        if depth >= _LINKS_BOUND:
            return
        chosen[before] = None
        base = "" if target.startswith("/") else posixpath.dirname(before)
        led = posixpath.normpath(posixpath.join("/", base, target.lstrip("/"), *parts[count:])).lstrip("/")
        _follow(root, led or ".", chosen, depth + 1)
