"""A layer's tar becomes a folder: safely, whoever wrote the tar, as root and without root.

Two forms: `OVERLAY`, a folder that overlayfs takes as a lower layer, with whiteouts as 0:0 character devices and
opaque folders marked by an extended attribute; `APPLY`, the tar's changes made to a tree that is there, as
`docker load` or `ADD archive.tar` make them.

Without root every file belongs to the user and the user's group, which is what overlayfs in a user namespace needs;
device nodes are left out with a warning. Sources: OCI image-spec 1.1 layer.md; Documentation/filesystems/overlayfs.rst
(`userxattr`, which bwrap always mounts with); tested on Linux 6.18. Making 0:0 devices needs no privilege since 5.8.
"""

from __future__ import annotations

import errno
import stat
import tarfile
from dataclasses import field
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from workbench.dataclass import dataclass
from workbench.engines.embedded.compression import plain
from workbench.engines.embedded.disk import disk_errors
from workbench.engines.embedded.tar_reader import Data, read_tar
from workbench.engines.embedded.tree import TreeWriter, clean_name
from workbench.errors import InputError, StoreError

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
OPAQUE_XATTR = "user.overlay.opaque"
_XATTR = "SCHILY.xattr."
_STRANGERS = (errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP, errno.ENOENT, errno.ENOTDIR)
"""What the kernel says where the tar is to blame, and not the disk."""


class Form(Enum):
    """What becomes of whiteouts. PLAIN has none: a file called `.wh.x` is just that (ADD of a tar)."""

    OVERLAY = "overlay"
    APPLY = "apply"
    PLAIN = "plain"


@dataclass(slots=True)
class Unpacked:
    """What an unpacking did: bytes of file content, entries, and what it had to leave out."""

    bytes: int = 0
    entries: int = 0
    warnings: list[str] = field(default_factory=list)


def unpack(tar: BinaryIO, folder: Path, *, form: Form = Form.OVERLAY, name: str = "layer") -> Unpacked:
    """Unpacks a plain tar stream below `folder`, which exists and which nobody else writes to meanwhile.

    Nothing outside `folder` is touched: names are cleaned as paths, symbolic links are followed inside `folder`
    only, hard links may only name what is inside. Raises InputError (with the entry's name) for `..` that climbs
    out, a hard link to nothing, a damaged tar; StoreError for the disk.
    """
    return _Unpacking(folder, form, name).run(tar)


def unpack_blob(blob: Path, folder: Path, *, form: Form = Form.OVERLAY) -> Unpacked:
    """`unpack` of a file that may be compressed."""
    with disk_errors(blob), blob.open("rb") as file, plain(file, str(blob)) as tar:
        return unpack(tar, folder, form=form, name=str(blob))


class _Unpacking:
    def __init__(self, folder: Path, form: Form, name: str) -> None:
        self._tree = TreeWriter(folder)
        self._form = form
        self._name = name
        self._done = Unpacked(warnings=self._tree.warnings)
        self._whiteouts: set[str] = set()
        self._written: set[str] = set()  # what an APPLY has brought itself: a whiteout hides only what was there

    def run(self, tar: BinaryIO) -> Unpacked:
        at = ""
        try:
            with disk_errors(self._tree.root):
                for entry, data in read_tar(tar, self._name):
                    at = entry.name
                    self._done.entries += 1
                    self._entry(entry, data)
                self._tree.finish()
        except (ValueError, OverflowError) as error:  # a NUL in a name, an owner or a time beyond the kernel's
            raise InputError(f"{self._name}: a damaged tar archive, at {at!r}: {error}") from error
        except StoreError as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno in _STRANGERS:
                raise InputError(f"{self._name}: {at!r} cannot be made here: {cause.strerror}") from error
            raise
        return self._done

    def _entry(self, entry: tarfile.TarInfo, data: Data | None) -> None:
        path = clean_name(entry.name, self._name)
        if path == "":
            self._tree.folder_attributes("", entry, xattrs(entry))
            return
        parent, _, last = path.rpartition("/")
        if self._form is not Form.PLAIN and last.startswith(WHITEOUT):
            self._hide(parent, last, entry)
        else:
            self._make(self._tree.place(parent), last, entry, data)

    def _make(self, parent: str, last: str, entry: tarfile.TarInfo, data: Data | None) -> None:
        path = f"{parent}/{last}" if parent else last
        was_hidden = path in self._whiteouts
        if was_hidden:
            self._tree.remove(path)
            self._whiteouts.discard(path)
        if self._form is Form.APPLY:
            self._written.add(path)
        try:
            self._done.bytes += self._tree.make(path, entry, data, xattrs(entry))
        except tarfile.TarError as error:
            raise InputError(f"{self._name}: a damaged tar archive, at {entry.name}: {error}") from error
        if was_hidden and entry.isdir():
            self._tree.set_xattr(path, OPAQUE_XATTR, b"y")

    def _hide(self, parent: str, last: str, entry: tarfile.TarInfo) -> None:
        hidden = last.removeprefix(WHITEOUT)
        if last != OPAQUE and hidden.startswith(WHITEOUT):
            return  # aufs keeps its own files under .wh..wh.; no other file system has a use for them
        if hidden in ("", ".", ".."):
            raise InputError(f"{self._name}: {entry.name}: a whiteout of nothing")
        parent = self._tree.place(parent)
        if self._form is Form.APPLY:
            self._delete(parent, None if last == OPAQUE else hidden)
        elif last == OPAQUE:
            self._tree.set_xattr(parent, OPAQUE_XATTR, b"y")
        else:
            path = f"{parent}/{hidden}" if parent else hidden
            kind = self._tree.kind(path)
            if kind is None:
                self._tree.whiteout(path)
                self._whiteouts.add(path)
            elif stat.S_ISDIR(kind):
                self._tree.set_xattr(path, OPAQUE_XATTR, b"y")

    def _delete(self, parent: str, hidden: str | None) -> None:
        names = [hidden] if hidden is not None else self._tree.names(parent)
        for last in names:
            path = f"{parent}/{last}" if parent else last
            if path not in self._written and not any(kept.startswith(f"{path}/") for kept in self._written):
                self._tree.remove(path)


def xattrs(entry: tarfile.TarInfo) -> dict[str, bytes]:
    """The extended attributes of a tar entry; overlayfs' own are dropped, they would change the tree's meaning."""
    found = {
        key.removeprefix(_XATTR): value.encode("utf-8", "surrogateescape")
        for key, value in entry.pax_headers.items()
        if key.startswith(_XATTR)
    }
    return {key: value for key, value in found.items() if not key.startswith(("user.overlay.", "trusted.overlay."))}


def open_readable(path: Path) -> BinaryIO:
    """Opens a file of an unpacked layer, also where its owner may not read it and we are not root.

    The mode is changed only for the moment of opening.
    """
    try:
        return path.open("rb")
    except PermissionError:
        mode = stat.S_IMODE(path.lstat().st_mode)
        path.chmod(mode | stat.S_IRUSR)
        try:
            return path.open("rb")
        finally:
            path.chmod(mode)
