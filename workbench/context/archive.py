"""The context as a tar for a Docker Engine: what `docker build` of the same folder sends, byte for byte.

Members come in the scan's order, owned by 0:0, with whole seconds, permission bits as they are, hard links among what
is sent as links, sockets left out. A directory that is excluded is not a member even when something below it is: the
engine makes it. The Dockerfile and `.dockerignore` are sent although a rule excludes them; the engine reads them and
takes away what `.dockerignore` names before any COPY.
"""

from __future__ import annotations

import bisect
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from workbench.context import tar_header as tar
from workbench.context.ignore import IGNORE_FILE
from workbench.context.opening import open_entry
from workbench.context.scan import KINDS, Cancelled, Entry, Scan
from workbench.dataclass import dataclass
from workbench.errors import InputError

_CHUNK = 1 << 20
_CAPABILITY = "security.capability"


@dataclass(frozen=True, slots=True)
class ArchiveStats:
    """What was written. `files` counts members that are no directories."""

    bytes: int
    files: int
    changed: tuple[str, ...] = ()
    """Files that grew (cut), shrank (filled with zeros) or vanished (left out) while they were read."""


def dockerfile_name(text: bytes) -> str:
    """A name for a Dockerfile that is not in the folder; the same text always gets the same name."""
    return f".dockerfile.{hashlib.sha256(text).hexdigest()[:20]}"


def write_context(
    scan: Scan,
    out: BinaryIO,
    *,
    cancel: Callable[[], bool] | None = None,
    progress: Callable[[int], None] | None = None,
    dockerfile: tuple[str, bytes] | None = None,
) -> ArchiveStats:
    """Writes the archive to `out`, never more than about a megabyte in memory.

    Args:
        progress: is told the number of bytes written so far, at most once a megabyte and at the end.
        dockerfile: name and text of the Dockerfile when the text on disk is not the one to build. A path of the
            folder: the text goes in its place. Any other name (`dockerfile_name`: a Dockerfile outside the context,
            on standard input): a member of its own, last, which `.dockerignore` is made to name, so that no COPY
            finds it. This is how the docker CLI sends `-f` of a file outside its context.

    Raises InputError naming a file that cannot be read, before anything is written where the scan knew it;
    Cancelled when `cancel` answers True. What `out.write` raises passes through.
    """
    for entry in scan.errors:
        raise _unreadable(entry.path, entry.error)
    writer = _Writer(scan.root, _Output(out, progress, cancel))
    extra, hidden = _prepare(scan, dockerfile)
    for entry in _members(scan, scan.sent):
        if entry.path in extra:
            writer.add_text(entry.path, extra.pop(entry.path), entry.mode, entry.mtime_ns // 10**9)
        else:
            writer.add(entry)
    for name, text in sorted(extra.items(), key=lambda item: item[0] in hidden):
        writer.add_text(name, text, 0o600, 0)
    return writer.finish()


def _prepare(scan: Scan, dockerfile: tuple[str, bytes] | None) -> tuple[dict[str, bytes], list[str]]:
    """Texts that do not come from disk, by name, and the names which the engine must be told to take away."""
    texts = dict([dockerfile] if dockerfile else [])
    hidden = [name for name in texts if not _on_disk(scan, name)]
    if any(rule.source != IGNORE_FILE for rule in scan.rules):
        # The rules stand in a file that the engine does not know: what they exclude must be said where it looks.
        hidden += [name for name in scan.rules.build_files if name not in hidden and scan.rules.decide(name).excluded]
    if hidden:
        try:
            text = (scan.root / IGNORE_FILE).read_bytes()
        except FileNotFoundError:
            text = IGNORE_FILE.encode()
        except OSError as error:
            raise _unreadable(IGNORE_FILE, error.strerror) from error
        texts[IGNORE_FILE] = text + "".join(f"\n{name}\n" for name in hidden).encode("utf-8", "surrogateescape")
    return texts, hidden


def _members(scan: Scan, sent: Iterable[Entry]) -> list[Entry]:
    """What is sent, in order, and what the engine needs beside it."""
    members = list(sent)
    for name in scan.rules.build_files:
        if scan.rules.decide(name).excluded and (entry := _on_disk(scan, name)):
            bisect.insort(members, entry, key=lambda entry: os.fsencode(entry.path).split(b"/"))
    return members


def _on_disk(scan: Scan, path: str) -> Entry | None:
    """The entry of a path, even below a directory that the scan did not go into."""
    if entry := scan.get(path):
        return entry
    try:
        found = (scan.root / path).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(path, error.strerror) from error
    kind = KINDS[stat.S_IFMT(found.st_mode)]
    link = str((scan.root / path).readlink()) if kind == "symlink" else ""
    return Entry(
        path, kind, found.st_size, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, found.st_mtime_ns, link,
        False, None, "", found.st_dev, found.st_ino, found.st_ctime_ns, found.st_nlink,
    )  # fmt: skip


class _Output:
    """Gathers small writes; counts, reports, and asks whether to stop."""

    def __init__(
        self, out: BinaryIO, progress: Callable[[int], None] | None, cancel: Callable[[], bool] | None
    ) -> None:
        self._out = out
        self._progress = progress
        self._cancel = cancel
        self._waiting: list[bytes] = []
        self._size = 0
        self.bytes = 0

    def write(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._waiting.append(piece)
            self._size += len(piece)
        if self._size >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        if self._cancel is not None and self._cancel():
            raise Cancelled
        self._out.write(b"".join(self._waiting))
        self.bytes += self._size
        self._waiting.clear()
        self._size = 0
        if self._progress is not None:
            self._progress(self.bytes)


class _Writer:
    def __init__(self, root: Path, output: _Output) -> None:
        self._root = os.fspath(root)
        self._output = output
        self._first_names: dict[tuple[int, int], bytes] = {}
        """Of files with several names, by device and inode: the name that was sent first."""
        self._files = 0
        self._changed: list[str] = []

    def finish(self) -> ArchiveStats:
        self._output.write(tar.END)
        self._output.flush()
        return ArchiveStats(self._output.bytes, self._files, tuple(self._changed))

    def add_text(self, name: str, text: bytes, mode: int, mtime: int) -> None:
        """A file that is not read from disk."""
        header = tar.member_header(os.fsencode(name), tar.FILE, mode=mode, mtime=mtime, size=len(text))
        self._output.write(header, text, tar.padding(len(text)))
        self._files += 1

    def add(self, entry: Entry) -> None:
        name = os.fsencode(entry.path)
        mtime = entry.mtime_ns // 10**9
        if entry.kind == "directory":
            self._output.write(tar.member_header(name + b"/", tar.DIRECTORY, mode=entry.mode, mtime=mtime))
            return
        known = (entry.device, entry.inode)
        if entry.nlink > 1 and known in self._first_names:
            link = self._first_names[known]
            self._output.write(tar.member_header(name, tar.HARD_LINK, mode=entry.mode, mtime=mtime, link=link))
        elif entry.kind == "file":
            if not self._add_file(entry, name):
                return
        elif not self._add_special(entry, name, mtime):
            return
        self._files += 1
        if entry.nlink > 1:
            self._first_names.setdefault(known, name)

    def _add_special(self, entry: Entry, name: bytes, mtime: int) -> bool:
        device = (0, 0)
        if entry.kind == "symlink":
            kind = tar.SYMLINK
        elif entry.kind == "fifo":
            kind = tar.FIFO
        else:
            try:
                found = os.lstat(f"{self._root}/{entry.path}")
            except FileNotFoundError:
                self._changed.append(entry.path)
                return False
            kind = tar.BLOCK_DEVICE if stat.S_ISBLK(found.st_mode) else tar.CHARACTER
            device = (os.major(found.st_rdev), os.minor(found.st_rdev))
        link = os.fsencode(entry.link)
        self._output.write(tar.member_header(name, kind, mode=entry.mode, mtime=mtime, link=link, device=device))
        return True

    def _add_file(self, entry: Entry, name: bytes) -> bool:
        """Header and content as the file is now. False where there is no such file any more."""
        try:
            fd, found = open_entry(self._root, entry)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO):
                raise _unreadable(entry.path, error.strerror) from error
            self._changed.append(entry.path)
            return False
        try:
            if not stat.S_ISREG(found.st_mode):
                self._changed.append(entry.path)
                return False
            header = tar.member_header(
                name,
                tar.FILE,
                mode=stat.S_IMODE(found.st_mode),
                mtime=found.st_mtime_ns // 10**9,
                size=found.st_size,
                xattrs=_capability(fd),
            )
            self._output.write(header)
            self._copy(fd, entry.path, found.st_size)
        finally:
            os.close(fd)
        return True

    def _copy(self, fd: int, path: str, size: int) -> None:
        """Exactly `size` bytes, whatever becomes of the file, and the padding."""
        left = size
        try:
            while left and (piece := os.read(fd, min(left, _CHUNK))):
                self._output.write(piece)
                left -= len(piece)
            if left or os.fstat(fd).st_size != size:
                self._changed.append(path)
        except OSError as error:
            raise _unreadable(path, error.strerror) from error
        while left:
            fill = bytes(min(left, _CHUNK))
            self._output.write(fill)
            left -= len(fill)
        self._output.write(tar.padding(size))


def _capability(fd: int) -> dict[str, bytes] | None:
    """File capabilities, the one extended attribute that the docker CLI sends; revision 3 becomes 2, without its
    owner of a user namespace."""
    try:
        value = os.getxattr(fd, _CAPABILITY)
    except (OSError, AttributeError):
        return None
    if len(value) > 3 and value[3] == 3:
        value = (value[:3] + b"\x02" + value[4:])[:20]
    return {_CAPABILITY: value}


def _unreadable(path: str, why: str | None) -> InputError:
    return InputError(
        f"cannot read {path} of the build context: {why}",
        hint=f"Make it readable, or leave it out by a line in {IGNORE_FILE}.",
    )
