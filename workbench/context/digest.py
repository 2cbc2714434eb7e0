"""Content digests of a context's files, remembered by what the kernel says of a file.

A digest is taken as known while device, inode, size, mtime and ctime are the same; ctime cannot be set back, so even a
file whose mtime was restored is read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

from workbench.context.opening import open_entry
from workbench.context.scan import Entry
from workbench.errors import InputError, StoreError
from workbench.files import replace_file

_VERSION = 1
_CHUNK = 1 << 20
_MOST = 200_000
"""Digests that are kept on disk: those used last."""
_SETTLED_NS = 100_000_000
"""A file changed less than this ago may change again within one tick of the file system's clock: not remembered."""

Key = tuple[int, int, int, int, int]


class DigestCache:
    """Safe to use from several threads. With `path` None nothing is kept beyond this object."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[Key, str] | None = None
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
        key = (entry.device, entry.inode, entry.size, entry.mtime_ns, entry.ctime_ns)
        with self._lock:
            known = self._load()
            if found := known.pop(key, None):
                known[key] = found  # the youngest again
                return f"sha256:{found}"
        key_now, found = self._read(root, entry, check)
        if key_now is not None:
            with self._lock:
                self._load()[key_now] = found
                self._changed = True
        return f"sha256:{found}"

    def save(self) -> None:
        """Writes what is new to disk, atomically. Raises StoreError where that fails; nothing else is lost by it."""
        with self._lock:
            if self._path is None or self._known is None or not self._changed:
                return
            kept = list(self._known.items())[-_MOST:]
            self._changed = False
        content = {"version": _VERSION, "digests": {" ".join(map(str, key)): found for key, found in kept}}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, json.dumps(content).encode("ascii"), 0o600, durable=False)
        except OSError as error:
            raise StoreError(f"cannot keep file digests in {self._path}: {error.strerror}") from error

    def _load(self) -> dict[Key, str]:
        """The lock is held. A file that is missing, damaged or of another version is as good as empty."""
        if self._known is None:
            self._known = {}
            try:
                content = json.loads(self._path.read_bytes()) if self._path else {}
                if isinstance(content, dict) and content.get("version") == _VERSION:
                    for text, found in content["digests"].items():
                        device, inode, size, mtime, ctime = map(int, text.split(" "))
                        self._known[device, inode, size, mtime, ctime] = str(found)
            except (OSError, ValueError, KeyError, AttributeError):
                self._known.clear()
        return self._known

    def _read(self, root: Path, entry: Entry, check: Callable[[], None]) -> tuple[Key | None, str]:
        """The digest, and the key to remember it by unless the file is in motion."""
        try:
            fd, before = open_entry(root, entry)
            with open(fd, "rb", buffering=0) as file:  # noqa: PTH123
                if not stat.S_ISREG(before.st_mode):
                    raise InputError(f"{entry.path} of the build context is no file any more")
                hashed = hashlib.sha256()
                while data := file.read(_CHUNK):
                    check()
                    hashed.update(data)
                found = hashed.hexdigest()
                after = os.fstat(fd)
        except OSError as error:
            raise InputError(
                f"cannot read {entry.path} of the build context: {error.strerror}",
                hint="Make it readable, or leave it out by a line in .dockerignore.",
            ) from error
        key = _key(after)
        settled = time.time_ns() - max(after.st_mtime_ns, after.st_ctime_ns) > _SETTLED_NS
        return (key if settled and key == _key(before) else None), found


def _key(facts: os.stat_result) -> Key:
    return (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
