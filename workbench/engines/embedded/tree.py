"""Writes files below one folder and never beside it: the careful half of unpacking a stranger's tar."""

# Plain strings and os calls: a base image has tens of thousands of entries, and pathlib takes longer than the kernel.

from __future__ import annotations

import errno
import os
import stat
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from workbench.engines.embedded.compression import CHUNK
from workbench.engines.embedded.disk import refuse_larger_than_disk, remove_tree
from workbench.engines.embedded.tar_reader import Data
from workbench.errors import InputError, StoreError

_MAX_LINKS = 40  # Linux's own bound on symbolic links in one path
_PATH_MAX = 4095
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def clean_name(name: str, archive: str) -> str:
    """A tar's name as a relative path without `.`, `..` and doubled slashes; "" is the root itself.

    As Docker cleans it: `/x` is `x`, `a/../b` is `b`. Raises InputError where `..` climbs out, and for NUL.
    """
    if name and name[0] not in "/." and name[-1] != "/" and "//" not in name and "/." not in name and "\0" not in name:
        return name
    parts: list[str] = []
    for part in name.split("/"):
        if part in ("", "."):
            continue
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
        else:
            raise InputError(
                f"{archive}: {name!r} leads out of the archive", hint="Nothing of it was kept. Do not trust it."
            )
    if "\0" in name:
        raise InputError(f"{archive}: {name!r} has a NUL in its name")
    return "/".join(parts)


class _Owner(NamedTuple):
    uid: int
    gid: int


class TreeWriter:
    """Makes tar entries below `root`. Paths are relative, cleaned, their parent resolved by `place`.

    Nobody else may write to the tree meanwhile. Modes and times of folders are set by `finish`, so that a folder
    that its owner may not write can be filled.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.warnings: list[str] = []
        self._base = os.fspath(root)
        self._as_root = os.geteuid() == 0
        self._placed: dict[str, str] = {"": ""}
        self._folders: dict[str, tuple[int | None, int, int, int]] = {}  # path -> mode, uid, gid, mtime_ns

    # -- looking -------------------------------------------------------------------------------------------------

    def full(self, path: str) -> str:
        found = f"{self._base}/{path}" if path else self._base
        if len(found) > _PATH_MAX // 4 and len(os.fsencode(found)) > _PATH_MAX:
            raise InputError(f"a name of {len(path)} characters is too long for this file system: {path[:60]!r}...")
        return found

    def kind(self, path: str) -> int | None:
        """`st_mode` of what is there, a link itself; None where nothing is."""
        try:
            return os.lstat(self.full(path)).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None

    def names(self, path: str) -> list[str]:
        return os.listdir(self.full(path))

    def place(self, path: str) -> str:
        """The real folder that `path` means, links followed as if `root` were `/`; missing folders are made."""
        found = self._placed.get(path)
        if found is None:
            found = self._resolve(path)
            self._placed[path] = found
        return found

    def _resolve(self, path: str) -> str:
        todo = path.split("/")[::-1]
        at = ""
        links = 0
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                at = at.rpartition("/")[0]
                continue
            here = f"{at}/{part}" if at else part
            mode = self.kind(here)
            if mode is not None and stat.S_ISLNK(mode):
                links += 1
                if links > _MAX_LINKS:
                    raise InputError(f"{path}: too many symbolic links")
                target = os.readlink(self.full(here))
                if target.startswith("/"):
                    at = ""
                todo += target.split("/")[::-1]
                continue
            if mode is None or not stat.S_ISDIR(mode):
                if mode is not None:
                    self.remove(here)
                os.mkdir(self.full(here), 0o755)
                self._folders[here] = (0o755, 0, 0, -1)
            at = here
        return at

    # -- writing -------------------------------------------------------------------------------------------------

    def remove(self, path: str, mode: int | None = None) -> None:
        """Takes away whatever is at `path`; `mode` where that is known."""
        if mode is not None and not stat.S_ISDIR(mode) and not stat.S_ISLNK(mode):
            os.unlink(self.full(path))
            return
        remove_tree(Path(self.full(path)))
        gone = f"{path}/"
        self._folders = {
            name: facts for name, facts in self._folders.items() if name != path and not name.startswith(gone)
        }
        self._placed = {"": ""}

    def make(self, path: str, entry: tarfile.TarInfo, data: Data | None, xattrs: Mapping[str, bytes]) -> int:
        """Makes one entry in the place of what is there; a folder stays. Returns bytes of content."""
        full = self.full(path)
        try:
            return self._create(path, full, entry, data, xattrs)
        except FileExistsError:  # nothing of `data` is read by then: looking beforehand would cost each entry a call
            mode = os.lstat(full).st_mode
            if entry.isdir() and stat.S_ISDIR(mode):
                self.folder_attributes(path, entry, xattrs)
                return 0
            self.remove(path, mode)
            return self._create(path, full, entry, data, xattrs)

    def _create(
        self, path: str, full: str, entry: tarfile.TarInfo, data: Data | None, xattrs: Mapping[str, bytes]
    ) -> int:
        if entry.isreg():
            if entry.issparse():
                refuse_larger_than_disk(entry.size, self.root, entry.name)
            self._file(full, entry, data, xattrs)
            return entry.size
        if entry.isdir():
            os.mkdir(full, 0o700)
            self.folder_attributes(path, entry, xattrs)
        elif entry.islnk():
            self._link(path, entry)
        elif entry.issym():
            os.symlink(entry.linkname, full)
            self._attributes(full, entry, xattrs)
        elif self._special(full, entry):
            self._attributes(full, entry, xattrs)
        return 0

    def _file(self, full: str, entry: tarfile.TarInfo, data: Data | None, xattrs: Mapping[str, bytes]) -> None:
        mode = stat.S_IMODE(entry.mode)
        handle = os.open(full, _NEW, mode & 0o777)
        try:
            while data is not None and (piece := data(CHUNK)):
                written = os.write(handle, piece)
                while written < len(piece):
                    written += os.write(handle, piece[written:])
            found = os.fstat(handle)  # what the umask, a set-group-ID folder or an ACL made of it
            if self._as_root and (found.st_uid, found.st_gid) != (entry.uid, entry.gid):
                self._chown(handle, entry, full)
                found = os.fstat(handle)
            if xattrs:
                self._xattrs(handle, entry.name, xattrs)
            if stat.S_IMODE(found.st_mode) != mode:
                os.fchmod(handle, mode)
            when = _mtime_ns(entry)
            os.utime(handle, ns=(when, when))
        finally:
            os.close(handle)

    def _link(self, path: str, entry: tarfile.TarInfo) -> None:
        target = clean_name(entry.linkname, entry.name)
        parent, _, last = target.rpartition("/")
        place = self.place(parent)
        source = f"{place}/{last}" if place else last
        mode = self.kind(source)
        if mode is None or stat.S_ISDIR(mode):
            raise InputError(f"{entry.name}: a hard link to {entry.linkname!r}, which is not in the archive")
        os.link(self.full(source), self.full(path), follow_symlinks=False)

    def _special(self, full: str, entry: tarfile.TarInfo) -> bool:
        if entry.isfifo():
            os.mkfifo(full, 0o600)
            return True
        if not (entry.ischr() or entry.isblk()):
            self.warnings.append(f"{entry.name}: left out: an entry of unknown type {entry.type!r}")
            return False
        kind = stat.S_IFCHR if entry.ischr() else stat.S_IFBLK
        try:
            os.mknod(full, kind | 0o600, os.makedev(entry.devmajor, entry.devminor))
        except PermissionError:
            self.warnings.append(f"{entry.name}: left out: only root can make a device node")
            return False
        return True

    def whiteout(self, path: str) -> None:
        """The 0:0 character device that hides `path` of the layers below."""
        os.mknod(self.full(path), stat.S_IFCHR, os.makedev(0, 0))

    def set_xattr(self, path: str, name: str, value: bytes) -> None:
        """An attribute without which the tree would be wrong. Raises StoreError where the file system has none."""
        try:
            os.setxattr(self.full(path), name, value, follow_symlinks=False)
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise
            raise StoreError(
                f"{self.root}: this file system has no extended attributes",
                hint="Layers need them: choose a store on ext4, xfs or btrfs with --root or WORKBENCH_ROOT.",
            ) from error

    # -- attributes ----------------------------------------------------------------------------------------------

    def folder_attributes(self, path: str, entry: tarfile.TarInfo, xattrs: Mapping[str, bytes]) -> None:
        """Remembers mode, owner and time of a folder for `finish`; a root entry that is no folder is ignored."""
        if not entry.isdir():
            return
        self._folders.pop(path, None)
        self._folders[path] = (stat.S_IMODE(entry.mode), entry.uid, entry.gid, _mtime_ns(entry))
        self._xattrs(self.full(path), entry.name, xattrs)

    def _attributes(self, full: str, entry: tarfile.TarInfo, xattrs: Mapping[str, bytes]) -> None:
        self._chown(full, entry, full)
        self._xattrs(full, entry.name, xattrs)
        if not entry.issym():
            os.chmod(full, stat.S_IMODE(entry.mode))
        when = _mtime_ns(entry)
        os.utime(full, ns=(when, when), follow_symlinks=False)

    def _chown(self, at: str | int, entry: tarfile.TarInfo | _Owner, full: str) -> None:
        if not self._as_root:
            return
        try:
            if isinstance(at, int):
                os.fchown(at, entry.uid, entry.gid)
            else:
                os.chown(at, entry.uid, entry.gid, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EINVAL):
                raise
            self.warnings.append(
                f"{full.removeprefix(self._base)}: the owner {entry.uid}:{entry.gid} cannot be set here"
            )

    def _xattrs(self, at: str | int, name: str, xattrs: Mapping[str, bytes]) -> None:
        for key, value in xattrs.items():
            try:
                os.setxattr(at, key, value, follow_symlinks=isinstance(at, int))
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EINVAL, errno.EACCES):
                    raise
                self.warnings.append(f"{name}: the attribute {key} cannot be set here")

    def finish(self) -> None:
        """Gives the folders their modes and times, the deepest first."""
        for path in sorted(self._folders, key=lambda path: path.count("/") if path else -1, reverse=True):
            mode, uid, gid, when = self._folders[path]
            full = self.full(path)
            self._chown(full, _Owner(uid, gid), full)
            if mode is not None:
                os.chmod(full, mode)
            if when >= 0:
                os.utime(full, ns=(when, when))


def _mtime_ns(entry: tarfile.TarInfo) -> int:
    """Nanoseconds, exactly where a PAX header has them; times before 1970 count as 1970."""
    text = entry.pax_headers.get("mtime", "")
    whole, _, fraction = text.partition(".")
    if whole.isdecimal():
        return int(whole) * 10**9 + int(fraction[:9].ljust(9, "0") if fraction.isdecimal() else 0)
    return max(0, int(entry.mtime)) * 10**9
