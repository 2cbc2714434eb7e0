"""What was changed of a tree between two looks, laid out as an overlay's upper folder, without an overlay.

A path is changed where its inode or one of the inode's facts is another; nothing is read. Whiteouts and opaque folders
are those of overlayfs, so that `upper` reads them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping
from pathlib import Path

from workbench.engines.embedded.disk import remove_tree
from workbench.engines.embedded.upper import OPAQUE_XATTR

Facts = tuple[int, int, int, int, int, int, int, int]
"""Inode, mode, uid, gid, size, mtime, ctime (in nanoseconds), links; of a folder only the first four."""


def facts_of(tree: Path) -> dict[str, Facts]:
    """Every path below the tree, relative to it."""
    found: dict[str, Facts] = {}
    todo = [""]
    while todo:
        folder = todo.pop()
        with os.scandir(tree / folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                found[path] = _facts(entry.stat(follow_symlinks=False))
                if entry.is_dir(follow_symlinks=False):
                    todo.append(path)
    return found


def _facts(facts: os.stat_result) -> Facts:
    if stat.S_ISDIR(facts.st_mode):
        return (facts.st_ino, facts.st_mode, facts.st_uid, facts.st_gid, 0, 0, 0, 0)
    return (
        facts.st_ino, facts.st_mode, facts.st_uid, facts.st_gid, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns,
        facts.st_nlink,
    )  # fmt: skip


def _same(before: Facts | None, now: Facts) -> bool:
    """Another name that came or went changes the ctime too, and nothing of the file."""
    return before is not None and before[:6] == now[:6] and (before[6] == now[6] or before[7] != now[7])


def take_changes(tree: Path, before: Mapping[str, Facts], upper: Path, *, skip: Collection[str] = ()) -> None:
    """Moves what is new or changed out of `tree` into `upper`; what is gone becomes a whiteout. `skip` and what lies
    below it is no change. Nobody else may write to the tree."""
    remove_tree(upper)
    upper.mkdir()
    upper.chmod(0o755)
    _Taking(os.fspath(tree), before, os.fspath(upper), frozenset(skip)).folder("", new=False)


class _Taking:
    def __init__(self, tree: str, before: Mapping[str, Facts], upper: str, skip: frozenset[str]) -> None:
        self._tree = tree
        self._before = before
        self._upper = upper
        self._skip = skip
        self._names: dict[str, list[str]] = {}
        for path in before:
            self._names.setdefault(path.rpartition("/")[0], []).append(path)

    def folder(self, path: str, *, new: bool) -> bool:
        """Whether something of it was taken, or the folder itself was changed."""
        facts = os.lstat(f"{self._tree}/{path}")
        taken = new
        if path and taken:
            self._make(path)
        for name in sorted(os.listdir(f"{self._tree}/{path}")):
            child = f"{path}/{name}" if path else name
            if child not in self._skip:
                taken |= self._one(child, path)
        if not new:
            for child in self._names.get(path, ()):
                if child not in self._skip and not os.path.lexists(f"{self._tree}/{child}") and not self._moved(child):
                    self._make(path)
                    os.mknod(f"{self._upper}/{child}", stat.S_IFCHR, os.makedev(0, 0))
                    taken = True
        if path and (taken or self._before.get(path) != _facts(facts)):
            self._make(path)
            self._attributes(path, facts)
            return True
        return taken

    def _moved(self, path: str) -> bool:
        return os.path.lexists(f"{self._upper}/{path}")

    def _one(self, path: str, parent: str) -> bool:
        facts, known = os.lstat(f"{self._tree}/{path}"), self._before.get(path)
        if stat.S_ISDIR(facts.st_mode):
            same = known is not None and known[0] == facts.st_ino and stat.S_ISDIR(known[1])
            taken = self.folder(path, new=not same)
            if not same and known is not None and stat.S_ISDIR(known[1]):
                os.setxattr(f"{self._upper}/{path}", OPAQUE_XATTR, b"y")
            return taken
        if _same(known, _facts(facts)):
            return False
        self._make(parent)
        os.rename(f"{self._tree}/{path}", f"{self._upper}/{path}")
        return True

    def _make(self, path: str) -> None:
        if path and not os.path.isdir(f"{self._upper}/{path}"):
            self._make(path.rpartition("/")[0])
            os.mkdir(f"{self._upper}/{path}")

    def _attributes(self, path: str, facts: os.stat_result) -> None:
        there = f"{self._upper}/{path}"
        os.chown(there, facts.st_uid, facts.st_gid)
        for name in os.listxattr(f"{self._tree}/{path}"):
            os.setxattr(there, name, os.getxattr(f"{self._tree}/{path}", name))
        os.chmod(there, stat.S_IMODE(facts.st_mode))
        os.utime(there, ns=(facts.st_atime_ns, facts.st_mtime_ns))
