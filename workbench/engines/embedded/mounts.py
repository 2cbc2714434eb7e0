"""`RUN --mount`: bind, cache and tmpfs, as places of this machine to mount in the sandbox.

A bind of the context or of an image is a copy in scratch space: it cannot be written back, and without root nothing
else can be mounted. A cache lies in the store and outlives the build; two builds take turns where it says `locked`,
and where something is mounted below it: nobody may swap a folder for a link meanwhile (CVE-2024-23651).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import posixpath
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.build.manifest import Input
from workbench.dockerfile.mounts import Mount
from workbench.engines.embedded import copy
from workbench.engines.embedded.messages import StepFailed
from workbench.engines.embedded.sandbox import Bind
from workbench.engines.embedded.state import ImageState
from workbench.engines.embedded.trees import ImageTree, Item, Tree, below, clean_source

if TYPE_CHECKING:
    from workbench.engines.embedded.executor import Tools


class Mounts:
    """The mounts of one RUN. `source` finds the image that `from=` names."""

    def __init__(self, mounts: Sequence[Mount], tools: Tools, source: Callable[[str], ImageState]) -> None:
        self._mounts = mounts
        self._tools = tools
        self._source = source
        self._locked: set[Path] = set()
        self.inputs: list[Input] = []
        """What `manifest` saw that is bound."""

    def manifest(self) -> list[Any]:
        """What the step cache keys on: what is bound by its content, caches and tmpfs by their place."""
        rows: list[Any] = []
        self.inputs.clear()
        for mount in self._mounts:
            rows.append([mount.type, mount.target, mount.id, mount.read_only])
            if mount.type == "bind":
                found = self._find(mount)
                transfer = copy.Transfer("RUN", [found], "/", "/", None)
                rows.append(copy.manifest(transfer, self._tools.cancel.check))
                self.inputs += copy.inputs(transfer, rows[-1], mount.from_)
        return rows

    @contextmanager
    def ready(self) -> Iterator[list[Bind]]:
        """The places, for as long as the command runs."""
        self._locked.clear()
        with ExitStack() as stack:
            yield [self._bind(mount, stack) for mount in self._mounts]

    def _bind(self, mount: Mount, stack: ExitStack) -> Bind:
        target = _target(mount)
        if mount.type == "tmpfs":
            return Bind(None, target, size=mount.size or None)
        if mount.type == "cache":
            return Bind(self._cache(mount, target, stack), target, mount.read_only)
        folder = Path(tempfile.mkdtemp(prefix="mount-", dir=self._tools.scratch)) / "content"
        folder.parent.chmod(0o755)
        found = self._find(mount)
        if found.is_directory:
            folder.mkdir(exist_ok=True)
            for path, item in found.tree.walk(found.path):
                self._write(item, folder / below(path, found.path))
        else:
            self._write(found.item, folder)
        return Bind(folder, target, mount.read_only)

    def _find(self, mount: Mount) -> copy.Source:
        tree: Tree | None = self._tools.context
        if mount.from_:
            tree = ImageTree(self._tools.files.view(self._source(mount.from_).layers, self._tools.scratch))
        found = copy.lookup(tree, clean_source(mount.source)) if tree is not None else None
        if found is None:
            raise StepFailed(f"RUN --mount: {mount.source}: file does not exist")
        return found

    def _write(self, item: Item, path: Path) -> None:
        entry = item.entry
        if entry.kind == "directory":
            path.mkdir(exist_ok=True)
        elif entry.kind == "symlink":
            path.symlink_to(entry.link)
            return
        elif entry.kind == "file":
            left = entry.size
            with item.open() as source, path.open("wb") as out:
                while left and (data := source.read(min(left, 1 << 20))):
                    out.write(data)
                    left -= len(data)
        else:
            return
        if os.geteuid() == 0:
            os.chown(path, entry.uid, entry.gid)
        path.chmod(entry.mode | (0o700 if entry.kind == "directory" else 0))
        os.utime(path, (entry.mtime, entry.mtime))

    def _cache(self, mount: Mount, target: str, stack: ExitStack) -> Path:
        name = hashlib.sha256((mount.id or target).encode("utf-8", "surrogateescape")).hexdigest()[:32]
        folder = self._tools.store.private / "mounts" / name
        if not folder.exists():
            folder.parent.mkdir(mode=0o700, exist_ok=True)
            folder.mkdir(exist_ok=True)
            folder.chmod(mount.mode if mount.mode is not None else 0o755)
            if os.geteuid() == 0:
                os.chown(folder, mount.uid or 0, mount.gid or 0)
        alone = mount.sharing in ("locked", "private") or any(
            _target(other).startswith(f"{target}/") for other in self._mounts
        )
        if folder not in self._locked:
            self._locked.add(folder)
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            self._lock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        return folder

    def _lock(self, descriptor: int, how: int) -> None:
        while True:
            try:
                return fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            except BlockingIOError:
                self._tools.cancel.check()
                time.sleep(0.02)


def _target(mount: Mount) -> str:
    return posixpath.normpath(posixpath.join("/", mount.target or mount.source))
