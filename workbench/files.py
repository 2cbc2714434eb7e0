"""Files that are read and written whole: text as an editor has it, and replacing a file in one step. All block."""

from __future__ import annotations

import os
import re
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from workbench.dataclass import dataclass
from workbench.errors import InputError, StoreError

LARGEST_TEXT = 4 << 20
"""Bytes of a file that an editor takes."""
_UNFINISHED = re.compile(r"\..+\.\d+-\d+\.new", re.DOTALL)


class Stamp(NamedTuple):
    """What tells one state of a file from another without reading it."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file's text. `exists` is False where there is none yet; `writable` where its bytes are all text."""

    text: str
    exists: bool = True
    writable: bool = True
    stamp: Stamp | None = None
    """Of the file that was read; None where there is none."""


def read_text(path: Path) -> TextFile:
    """Raises InputError for what is there and cannot be read."""
    try:
        with path.open("rb") as file:
            stamp = Stamp.of(os.fstat(file.fileno()))
            data = file.read()
    except FileNotFoundError:
        return TextFile("", exists=False)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", hint="Check who may read the file.") from error
    try:
        return TextFile(data.decode("utf-8"), stamp=stamp)
    except UnicodeDecodeError:
        return TextFile(data.decode("utf-8", "replace"), writable=False, stamp=stamp)


def stamp_of(path: Path) -> Stamp | None:
    """Of the file that is there, links followed; None for none that can be looked at."""
    try:
        return Stamp.of(path.stat())
    except OSError:
        return None


def is_text(path: Path) -> bool:
    """Whether the file is small enough for an editor, and its beginning looks like text."""
    try:
        if path.stat().st_size > LARGEST_TEXT:
            return False
        with path.open("rb") as file:
            return b"\0" not in file.read(8192)
    except OSError:
        return True  # opening it says what is wrong


def write_text(path: Path, text: str) -> None:
    """Replaces the file in one step: its mode kept, links followed. Raises StoreError; the file is then as it was."""
    _replace_text(path, text, None, checked=False)


def write_text_over(path: Path, text: str, expected: Stamp | None) -> Stamp | None:
    """`write_text`, but only over the file that has that stamp (None: over no file). Answers the new file's stamp, or
    None where another program wrote meanwhile, and nothing was written. The check is the last thing before the
    replacing."""
    return _replace_text(path, text, expected, checked=True)


def _replace_text(path: Path, text: str, expected: Stamp | None, *, checked: bool) -> Stamp | None:
    try:
        target = path.resolve()
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
        return replace_file(target, text.encode("utf-8"), mode, unless=_other(target, expected) if checked else None)
    except OSError as error:
        raise StoreError(
            f"{path} could not be saved: {error.strerror}", hint="The text is still in the editor, and put aside."
        ) from error


def replace_file(
    target: Path,
    data: bytes | bytearray,
    mode: int | None = None,
    *,
    unless: Callable[[], bool] | None = None,
    durable: bool = True,
) -> Stamp | None:
    """Writes the bytes under another name, flushes them to the disk (`durable`), and renames: the file is complete, or
    as it was.

    `mode` None is what a new file gets. `unless` is asked right before the renaming; where it says yes, nothing is
    replaced, and the answer is None. Raises OSError.
    """
    new = target.with_name(f".{target.name[:200]}.{os.getpid()}-{threading.get_ident()}.new")
    try:
        _write_new(new, data, 0o666 & ~_umask() if mode is None else mode, durable)
        if unless is not None and unless():
            new.unlink()
            return None
        new.replace(target)
        return Stamp.of(target.stat())
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def is_unfinished(name: str) -> bool:
    """Whether `replace_file` writes under that name, for a moment."""
    return _UNFINISHED.fullmatch(name) is not None


def sync_folder(folder: Path) -> None:
    """The names in the folder are on the disk after this. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _other(target: Path, expected: Stamp | None) -> Callable[[], bool]:
    def other() -> bool:
        return stamp_of(target) != expected

    return other


def _write_new(new: Path, data: bytes | bytearray, mode: int, durable: bool) -> None:
    """The file under its temporary name, flushed to the disk. It is written without a name where the file system can
    do that: the name is then there for a moment only, and who watches the folder sees one change, not two."""
    try:
        handle = os.open(new.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except (OSError, AttributeError):
        handle = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(file.fileno(), mode)
        if durable:
            os.fsync(file.fileno())
        if not new.exists():
            folder = os.open(new.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:  # given a folder, Python asks the kernel to follow the link in /proc, and not otherwise
                os.link(f"/proc/self/fd/{file.fileno()}", new.name, dst_dir_fd=folder, follow_symlinks=True)
            finally:
                os.close(folder)


def _umask() -> int:
    """The umask, which can only be read by setting it; /proc tells without a race."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    except OSError:
        return 0o022
    return 0o022
