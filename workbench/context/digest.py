"""Content digests of a context's files, remembered by what the kernel says of a file.

A digest is taken as known while device, inode, size, mtime and ctime are the same; ctime cannot be set back, so even a
file whose mtime was restored is read again.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import threading
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from workbench.context.columns import pack_state, state_of
from workbench.context.opening import Opener
from workbench.context.scan import Entry
from workbench.errors import InputError, StoreError
from workbench.files import replace_file

_HEAD = b"workbench digests 2\n"
_RECORD = struct.Struct("40s32s")
"""A file's state, as `context.columns` packs it, and the sha256 of its content."""
_CHUNK = 1 << 20
_MOST = 200_000
"""Digests that are kept on disk: those used last."""
SETTLED_NS = 100_000_000
"""A file changed less than this ago may change again within one tick of the file system's clock: not remembered."""


class DigestCache:
    """Safe to use from several threads. With `path` None nothing is kept beyond this object."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[bytes, bytes] | None = None
        self._changed = False

    def digest(self, root: Path, entry: Entry, *, check: Callable[[], None] = lambda: None) -> str:
        """`sha256:<hex>` of a file's content, of a symlink's target as written.

        The content is what it is now, even where the file is no longer what `entry` says. Raises InputError naming
        the file when it cannot be read, ValueError for any other kind of entry; and what `check` raises, which is
        called for each mebibyte.
        """
        if entry.kind == "symlink":
            return f"sha256:{hashlib.sha256(os.fsencode(entry.link)).hexdigest()}"
        if entry.kind != "file":
            raise ValueError(f"a {entry.kind} has no content: {entry.path}")
        state = pack_state(entry.device, entry.inode, entry.size, entry.mtime_ns, entry.ctime_ns)
        with Opener(root) as files:
            return f"sha256:{self.of_file(files, entry.path, state, check).hex()}"

    def of_file(self, files: Opener, path: str, state: bytes, check: Callable[[], None]) -> bytes:
        """The sha256 of a file's content, as `digest` has it: of `path` below the folder of `files`, which a scan saw
        in that `state`."""
        with self._lock:
            known = self._load()
            if found := known.pop(state, None):
                known[state] = found  # the youngest again
                return found
        state_now, found = self._read(files, path, check)
        if state_now is not None:
            with self._lock:
                self._load()[state_now] = found
                self._changed = True
        return found

    def save(self) -> None:
        """Writes what is new to disk, atomically. Raises StoreError where that fails; nothing else is lost by it."""
        with self._lock:
            if self._path is None or self._known is None or not self._changed:
                return
            content = bytearray(_HEAD)  # `join` would have a list of every part beside them
            for state, found in islice(self._known.items(), max(0, len(self._known) - _MOST), None):
                content += state
                content += found
            self._changed = False
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, content, 0o600, durable=False)
        except OSError as error:
            raise StoreError(f"cannot keep file digests in {self._path}: {error.strerror}") from error

    def _load(self) -> dict[bytes, bytes]:
        """The lock is held. A file that is missing, damaged or of another version is as good as empty."""
        if self._known is None:
            self._known = {}
            try:
                content = self._path.read_bytes() if self._path else b""
                if content.startswith(_HEAD):
                    self._known = dict(_RECORD.iter_unpack(memoryview(content)[len(_HEAD) :]))
            except (OSError, struct.error):
                self._known.clear()
        return self._known

    def _read(self, files: Opener, path: str, check: Callable[[], None]) -> tuple[bytes | None, bytes]:
        """The digest, and the state to remember it by unless the file is in motion."""
        try:
            fd = files.open(path)
            try:
                before = os.fstat(fd)
                if not stat.S_ISREG(before.st_mode):
                    raise InputError(f"{path} of the build context is no file any more")
                # What changes it from here on leaves a later ctime than this one, so one look is enough.
                settled = time.time_ns() - max(before.st_mtime_ns, before.st_ctime_ns) > SETTLED_NS
                found = _digest(fd, before.st_size, check)
            finally:
                os.close(fd)
        except OSError as error:
            raise InputError(
                f"cannot read {path} of the build context: {error.strerror}",
                hint="Make it readable, or leave it out by a line in .dockerignore.",
            ) from error
        return (state_of(before) if settled else None), found


def _digest(fd: int, size: int, check: Callable[[], None]) -> bytes:
    """Of all that is to be read; a file of that `size` is read in as few calls as there can be."""
    hashed = hashlib.sha256()
    wanted = min(size + 1, _CHUNK)
    while data := os.read(fd, wanted):
        check()
        hashed.update(data)
        if len(data) == size:
            break
    return hashed.digest()
