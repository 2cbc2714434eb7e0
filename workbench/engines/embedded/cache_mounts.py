"""`RUN --mount=type=cache`: folders of the store that outlive a build, one for each ID.

`shared` is used by all at once, `locked` by one build after the other, `private` by one build while another gets a
folder of its own. Where something is mounted below a cache it is one build's alone: nobody may swap a folder for a
link meanwhile (CVE-2024-23651). Locks are the kernel's, so that they end with their process. What `from=` names is
the content of a new folder; as in BuildKit, another source or another owner and mode is another folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from workbench.dataclass import dataclass
from workbench.dockerfile.mounts import Mount
from workbench.engines.embedded.disk import disk_errors, remove_tree

_POLL = 0.02


@dataclass(frozen=True, slots=True)
class CacheFolder:
    """A cache mount with its ID, and what fills a new folder (`fill` gets its path); `base` is the digest of that."""

    mount: Mount
    id: str
    base: str = ""
    fill: Callable[[Path], None] | None = None
    alone: bool = False
    """Whether nobody else may use it meanwhile, for all that `sharing` says."""

    @property
    def key(self) -> str:
        """The folder's name."""
        mount = self.mount
        parts = [mount.uid, mount.gid, mount.mode, self.base]
        text = self.id if parts == [None, None, None, ""] else f"{self.id}\n{json.dumps(parts)}"
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


class CacheMounts:
    """Below `root`; `scratch` is on the same disk. `check` is asked while a lock is waited for, and may raise."""

    def __init__(self, root: Path, scratch: Path, check: Callable[[], None]) -> None:
        self._root = root
        self._scratch = scratch
        self._check = check

    def open(self, wanted: Sequence[CacheFolder], stack: ExitStack) -> dict[str, Path]:
        """Key -> its folder, made where it is missing, its lock held until `stack` ends. Locks are taken in one order,
        so that two builds never wait for each other."""
        found: dict[str, Path] = {}
        for cache in sorted(wanted, key=lambda cache: cache.key):
            if cache.key not in found:
                found[cache.key] = self._open(cache, stack)
        return found

    def _open(self, cache: CacheFolder, stack: ExitStack) -> Path:
        number = 0
        while True:
            folder = self._root / (f"{cache.key}.{number}" if number else cache.key)
            if not folder.exists():
                self._make(cache, folder)
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            if cache.mount.sharing != "private":
                alone = cache.alone or cache.mount.sharing == "locked"
                self._lock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
                return folder
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return folder
            number += 1

    def _make(self, cache: CacheFolder, folder: Path) -> None:
        """Whole or not at all; of two that make it at once, one wins."""
        mount = cache.mount
        with disk_errors(self._root):
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            making = Path(tempfile.mkdtemp(prefix="cache-", dir=self._scratch))
            try:
                if cache.fill is not None:
                    making.rmdir()
                    cache.fill(making)
                else:
                    making.chmod(0o755 if mount.mode is None else mount.mode)
                    if os.geteuid() == 0:
                        os.chown(making, mount.uid or 0, mount.gid or 0)
                with suppress(OSError):  # somebody else's is there, with something in it
                    making.rename(folder)
            finally:
                if making.exists():
                    remove_tree(making)

    def _lock(self, descriptor: int, how: int) -> None:
        while True:
            try:
                return fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            except BlockingIOError:
                self._check()
                time.sleep(_POLL)
