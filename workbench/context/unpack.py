"""A context's tar from a stream, unpacked so that nothing lands outside its folder.

`..` and device nodes are refused, absolute names count from the folder, a name below a symlink is refused, hard
links lead to what the tar itself brought. Symlinks are kept as they are: they are data of the context.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zlib
from pathlib import Path
from typing import Protocol

from workbench.context.strict_tar import DAMAGED, StrictTarInfo
from workbench.errors import InputError, StoreError

_MAGIC = (b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
_ZSTD = b"\x28\xb5\x2f\xfd"


class Readable(Protocol):
    """At most so many bytes, b"" at the end."""

    def read(self, size: int, /) -> bytes: ...


class Peeked:
    """A stream whose first bytes were looked at."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self.head = b""
        while len(self.head) < 512 and (piece := stream.read(512 - len(self.head))):
            self.head += piece
        self._left = self.head

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            left, self._left = self._left, b""
            pieces = [left]
            while piece := self._stream.read(1 << 20):
                pieces.append(piece)
            return b"".join(pieces)
        if self._left:
            left, self._left = self._left[:size], self._left[size:]
            return left
        return self._stream.read(size)


def is_archive(head: bytes) -> bool:
    """Whether 512 first bytes are a tar's, or those of a compressed file."""
    if head.startswith(_MAGIC):
        return True
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return len(head) == 512 and not any(head)  # empty blocks: a tar of nothing
    return True


def unpack(stream: Peeked, folder: Path) -> None:
    """Raises InputError for a tar that is damaged or would leave `folder`, StoreError for a full disk."""
    if stream.head.startswith(_ZSTD):
        raise InputError("a context that is compressed with zstd cannot be read", hint="Compress it with gzip or xz.")
    try:
        with tarfile.open(fileobj=stream, mode="r|*", errorlevel=1, tarinfo=StrictTarInfo) as tar:  # type: ignore[call-overload]
            for member in tar:
                _place(tar, member, folder)
    except (*DAMAGED, zlib.error) as error:
        raise InputError(f"the tar of the context is damaged: {error}") from error
    except OSError as error:
        raise StoreError(f"the context cannot be unpacked into {folder}: {error.strerror or error}") from error


def _place(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    path = _inside(folder, member.name)
    if path == folder:
        return
    if member.isdir():
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            path.unlink()
        path.mkdir(exist_ok=True)
        path.chmod(member.mode & 0o7777 | stat.S_IRWXU)
        return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.is_symlink() or path.exists():
        path.unlink()
    if member.issym():
        path.symlink_to(member.linkname)
    elif member.islnk():
        target = _inside(folder, member.linkname)
        if target.is_symlink() or not target.is_file():
            raise InputError(f"the tar of the context has a link to {member.linkname!r}, which is not in it")
        os.link(target, path)
    elif member.isfifo():
        os.mkfifo(path, member.mode & 0o777)
    elif member.isfile():
        _write(tar, member, path)
    else:
        raise InputError(f"the tar of the context has a device: {member.name!r}")


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content = tar.extractfile(member)
    assert content is not None, "a regular file has content"
    if member.issparse() and member.size > shutil.disk_usage(path.parent).free:
        raise InputError(f"the tar of the context has a file of {member.size} bytes, more than the disk has free")
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as out:
        shutil.copyfileobj(content, out, 1 << 20)
    path.chmod(member.mode & 0o7777)
    os.utime(path, (member.mtime, member.mtime))


def _inside(folder: Path, name: str) -> Path:
    """The place of a member, its parents made; no part of the way is a symlink."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise InputError(f"the tar of the context leaves its folder: {name!r}")
    path = folder
    for part in parts[:-1]:
        path = path / part
        if path.is_symlink():
            raise InputError(f"the tar of the context leads through a link: {name!r}")
        if not path.is_dir():
            path.mkdir()
    return path / parts[-1] if parts else folder
