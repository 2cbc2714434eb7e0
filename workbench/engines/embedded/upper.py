"""An overlay's upper folder becomes a layer: whiteout devices and opaque folders as OCI whiteouts, in one pass.

Source: Documentation/filesystems/overlayfs.rst (whiteouts are 0:0 character devices; `user.overlay.opaque` with the
`userxattr` option, which bwrap always gives); OCI image-spec 1.1 layer.md.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

from workbench.engines.embedded.layer_index import OPAQUE, WHITEOUT
from workbench.engines.embedded.layer_tar import Kind, LayerWriter, TarEntry, kept_xattrs

OPAQUE_XATTR = "user.overlay.opaque"
_KINDS: dict[int, Kind] = {
    stat.S_IFREG: "file",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
}

Owner = Callable[[str, str, os.stat_result], tuple[int, int]]
"""(uid, gid) of a path of the given kind, as it shall stand in the layer."""


def real_owner(path: str, kind: str, facts: os.stat_result) -> tuple[int, int]:
    """The owner on the disk: what a sandbox run as root leaves."""
    return facts.st_uid, facts.st_gid


def write_upper(upper: Path, writer: LayerWriter, owner: Owner = real_owner) -> None:
    """Writes everything below `upper`, sorted, without the two blocks at the end. An upper folder that nothing was
    written to gives no entry. Raises OSError where a file cannot be read."""
    _Walk(os.fspath(upper), writer, owner).folder("")


class _Walk:
    def __init__(self, root: str, writer: LayerWriter, owner: Owner) -> None:
        self._root = root
        self._writer = writer
        self._owner = owner
        self._links: dict[tuple[int, int], str] = {}

    def folder(self, path: str) -> None:
        here = f"{self._root}/{path}" if path else self._root
        for name in sorted(_names(here), key=os.fsencode):
            child = f"{path}/{name}" if path else name
            self._one(child, f"{here}/{name}", os.lstat(f"{here}/{name}"))

    def _one(self, path: str, full: str, facts: os.stat_result) -> None:
        mode = facts.st_mode
        if stat.S_ISDIR(mode):
            attributes = _xattrs(full)
            self._writer.add(self._entry(path, "directory", facts, attributes))
            if attributes.get(OPAQUE_XATTR) == b"y":
                self._writer.add(TarEntry(f"{path}/{OPAQUE}", "file", 0o600))
            self.folder(path)
            return
        if stat.S_ISCHR(mode) and facts.st_rdev == 0:
            parent, _, name = path.rpartition("/")
            self._writer.add(TarEntry(f"{parent}/{WHITEOUT}{name}" if parent else WHITEOUT + name, "file", 0o600))
            return
        kind = _KINDS.get(stat.S_IFMT(mode))
        if kind is None:
            return  # a socket: no layer can have one, and Docker leaves it out too
        if facts.st_nlink > 1:
            first = self._links.setdefault((facts.st_dev, facts.st_ino), path)
            if first != path:
                self._writer.add(self._entry(path, "hardlink", facts, {}, first))
                return
        link = os.readlink(full) if kind == "symlink" else ""
        attributes = _xattrs(full) if kind != "symlink" else {}
        entry = self._entry(path, kind, facts, attributes, link)
        if kind == "file" and entry.size:
            descriptor = _open(full, mode)
            with os.fdopen(descriptor, "rb", buffering=0) as source:
                self._writer.copy(entry, source)
        else:
            self._writer.add(entry)

    def _entry(
        self, path: str, kind: Kind, facts: os.stat_result, xattrs: dict[str, bytes], link: str = ""
    ) -> TarEntry:
        uid, gid = self._owner(path, kind, facts)
        device = kind in ("char", "block")
        return TarEntry(
            path=path, kind=kind, mode=stat.S_IMODE(facts.st_mode), uid=uid, gid=gid,
            mtime=facts.st_mtime_ns // 10**9, size=facts.st_size if kind == "file" else 0, link=link,
            major=os.major(facts.st_rdev) if device else 0, minor=os.minor(facts.st_rdev) if device else 0,
            xattrs=kept_xattrs(xattrs),
        )  # fmt: skip


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except PermissionError:
        mode = stat.S_IMODE(os.lstat(folder).st_mode)
        os.chmod(folder, mode | 0o700)  # ours, as nobody else can have written here
        return os.listdir(folder)


def _open(path: str, mode: int) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except PermissionError:
        os.chmod(path, stat.S_IMODE(mode) | 0o400)
        try:
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        finally:
            os.chmod(path, stat.S_IMODE(mode))


def _xattrs(path: str) -> dict[str, bytes]:
    try:
        return {
            name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)
        }
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EPERM, errno.EACCES, errno.ENODATA):
            return {}
        raise
