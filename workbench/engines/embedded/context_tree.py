"""The build context as COPY and ADD see it: what a scan says is sent, each item made when it is looked at.

Its items belong to root, as `docker build` sends them (docker CLI, archive.TarWithOptions with ChownOpts 0:0).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import BinaryIO

from workbench.context.digest import DigestCache
from workbench.context.opening import Opener, open_entry
from workbench.context.scan import Entry, Scan
from workbench.engines.embedded.layer_tar import TarEntry
from workbench.engines.embedded.trees import ROOT, Item
from workbench.engines.embedded.view import resolve
from workbench.errors import InputError

_SENT = 1
_MADE = 2
"""A folder that is excluded and has something below it that is not: Docker makes it anew, with mode 0755."""


class ContextTree:
    """What a scan says is sent: `files` that are no folders, `bytes` of their content. `changed` holds files that were
    not what the scan saw when they were read."""

    def __init__(self, scan: Scan, digests: DigestCache, check: Callable[[], None] = lambda: None) -> None:
        self.scan = scan
        self.check = check
        self.digests = digests
        self.changed: set[str] = set()
        self.files = self.bytes = 0
        self._has = bytearray(len(scan.columns.paths))
        self._take()

    def _take(self) -> None:
        exceptions = self.scan.rules.has_exceptions
        columns = self.scan.columns
        for at, (_, _, size, _, _, mode, _, _, _) in self.scan.sent_rows:
            self._has[at] = _SENT
            if not stat.S_ISDIR(mode):
                self.files += 1
                self.bytes += size if stat.S_ISREG(mode) else 0
            if exceptions:
                self._make_above(columns.paths[at])

    def _make_above(self, path: str) -> None:
        while path := path.rpartition("/")[0]:
            at = self.scan.place(path)
            assert at is not None, "a scan has the folders above what it has"
            if self._has[at]:
                return
            self._has[at] = _MADE

    def lookup(self, path: str) -> Item | None:
        if not path:
            return ROOT
        at = self.scan.place(path)
        return self.item(at) if at is not None and self._has[at] else None

    def item(self, at: int) -> ContextItem:
        """What stands at a place of the scan."""
        entry = self.scan.entries[at]
        if self._has[at] == _MADE:
            entry = entry._replace(mode=0o755, mtime_ns=0, sent=True)
        return ContextItem(self, entry)

    def places(self, path: str) -> Iterator[int]:
        """Where in the scan everything below a folder stands, parents before children and names by their bytes."""
        has, paths = self._has, self.scan.columns.paths
        if not path:
            yield from (at for at, there in enumerate(has) if there)
            return
        first = self.scan.place(path)
        prefix = f"{path}/"
        for at in range(len(paths) if first is None else first + 1, len(paths)):
            if not paths[at].startswith(prefix):
                return
            if has[at]:
                yield at

    def is_sent(self, at: int) -> bool:
        """Whether that place has what is on disk there, not a folder that is made anew."""
        return self._has[at] == _SENT

    def walk(self, path: str) -> Iterator[tuple[str, Item]]:
        paths = self.scan.columns.paths
        return ((paths[at], self.item(at)) for at in self.places(path))

    def resolve(self, path: str) -> str:
        return resolve(path, self._entry)

    def _entry(self, path: str) -> TarEntry | None:
        found = self.lookup(path)
        return None if found is None else found.entry

    def digest(self, at: int, files: Opener) -> bytes:
        """The sha256 of the file at a place. Raises InputError where it cannot be read."""
        columns = self.scan.columns
        return self.digests.of_file(files, columns.paths[at], columns.state(at), self.check)

    def compare(self, path: str, opened: os.stat_result, seen: tuple[int, int, int]) -> None:
        """Keeps in mind what was opened and is not what the scan saw: `seen` is size, time of change in nanoseconds,
        and inode. Raises InputError where it is no file."""
        if not stat.S_ISREG(opened.st_mode):
            raise InputError(f"{path}: no file any more")
        if (opened.st_size, opened.st_mtime_ns, opened.st_ino) != seen:
            self.changed.add(path)


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
        return self._tree.digests.digest(self._tree.scan.root, self._entry, check=self._tree.check)

    def open(self) -> BinaryIO:
        entry = self._entry
        try:
            descriptor, facts = open_entry(self._tree.scan.root, entry)
        except OSError as error:
            raise self.unreadable(error) from error
        try:
            self._tree.compare(entry.path, facts, (entry.size, entry.mtime_ns, entry.inode))
        except InputError:
            os.close(descriptor)
            raise
        return os.fdopen(descriptor, "rb", buffering=0)

    def unreadable(self, error: OSError) -> InputError:
        if isinstance(error, FileNotFoundError):
            return InputError(f"{self._entry.path}: the file went away while the image was built")
        return InputError(f"{self._entry.path}: {error.strerror}")
