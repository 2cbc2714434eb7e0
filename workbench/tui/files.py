"""Text files as the editor reads and writes them: whole or not at all, their mode kept, links followed. All block."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import InputError, StoreError


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file's text. `exists` is False where there is none yet; `writable` where its bytes are all text."""

    text: str
    exists: bool = True
    writable: bool = True


def read_text(path: Path) -> TextFile:
    """Raises InputError for what is there and cannot be read."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return TextFile("", exists=False)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", hint="Check who may read the file.") from error
    try:
        return TextFile(data.decode("utf-8"))
    except UnicodeDecodeError:
        return TextFile(data.decode("utf-8", "replace"), writable=False)


def write_text(path: Path, text: str) -> None:
    """Replaces the file in one step. Raises StoreError; the file is then as it was."""
    target = path.resolve()
    try:
        mode = stat.S_IMODE(target.stat().st_mode)
    except OSError:
        mode = 0o666 & ~_umask()
    new = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        _write_new(new, text.encode("utf-8"), mode)
        new.replace(target)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise StoreError(
            f"{path} could not be saved: {error.strerror}", hint="The text is still in the editor, and put aside."
        ) from error


def _write_new(new: Path, data: bytes, mode: int) -> None:
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
