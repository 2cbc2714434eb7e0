"""Layers as folders, unpacked at their first use and shared by every build that stands on them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, BinaryIO, cast

from workbench.engines.embedded.disk import disk_errors
from workbench.engines.embedded.layout import Layout
from workbench.engines.embedded.subids import has_range
from workbench.errors import StoreError

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class UnpackedLayers:
    """`<private>/layers/<hex>/root` is a whole layer, beside it `facts.json`.

    A folder appears by one rename, so it is complete after a kill. It is not synced; after a power loss the kernel
    may have lost some of it, so what an earlier boot unpacked is unpacked again. What root unpacked has other
    owners than what a user did, with a range of sub-UIDs or without: each has a folder of its own.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        name = "layers-rootless" if os.geteuid() != 0 else "layers-subids" if has_range() else "layers"
        self.folder = layout.private / name
        self.boot = _BOOT.read_text().strip() if _BOOT.exists() else ""

    def path(self, diff_id: str) -> Path:
        return self.folder / diff_id.removeprefix("sha256:") / "root"

    def get(self, diff_id: str) -> Path | None:
        """The folder of a layer that is unpacked, else None."""
        path = self.path(diff_id)
        facts = self._facts(path.parent)
        return path if facts is not None and facts.get("boot") == self.boot else None

    def make(self, diff_id: str, blob: Path) -> Path:
        """Unpacks a layer (compressed or not), checking its digest. Two processes may do it at once; one wins."""
        if found := self.get(diff_id):
            return found
        from workbench.engines.embedded.compression import plain  # a list of images needs neither
        from workbench.engines.embedded.layers import unpack

        with self._layout.scratch.directory() as scratch, disk_errors(blob):
            root = self._new(scratch) / "root"
            self._new_root(root)
            with blob.open("rb") as file, plain(file, str(blob)) as tar:
                checked = _Checked(tar)
                done = unpack(cast(BinaryIO, checked), root, name=str(blob))
                checked.drain()
            if checked.digest() != diff_id:
                raise StoreError(
                    f"{blob}: the store is damaged: this layer is not what its name says",
                    hint="Remove the image and build or load it again.",
                )
            return self._place(diff_id, scratch, done.bytes, done.warnings)

    def adopt(self, diff_id: str, folder: Path, *, content: int = 0) -> Path:
        """Moves a folder that already is this layer in overlay form (an overlay's upper folder) into place.

        It must lie on the store's file system. Where the layer is unpacked already the folder is left alone.
        """
        if found := self.get(diff_id):
            return found
        with self._layout.scratch.directory() as scratch, disk_errors(folder):
            folder.rename(self._new(scratch) / "root")
            return self._place(diff_id, scratch, content)

    @staticmethod
    def _new(scratch: Path) -> Path:
        """What becomes the layer's folder."""
        new = scratch / "new"
        new.mkdir(mode=0o755)
        return new

    def _new_root(self, root: Path) -> None:
        root.mkdir()
        if os.geteuid() != 0:
            os.chown(root, -1, os.getegid())  # a store in a set-group-ID folder
        root.chmod(0o755)

    def _place(self, diff_id: str, scratch: Path, size: int, warnings: Sequence[str] = ()) -> Path:
        facts = {"boot": self.boot, "bytes": size, "warnings": list(warnings)}
        new = scratch / "new"
        (new / "facts.json").write_text(json.dumps(facts))
        path = self.path(diff_id)
        with self._layout.lock.held():
            if found := self.get(diff_id):
                return found
            self.folder.mkdir(mode=0o700, exist_ok=True)  # CVE-2021-41091, see Layout
            with suppress(FileNotFoundError):
                self.take(diff_id, scratch / "old")
            new.rename(path.parent)
        return path

    def take(self, diff_id: str, target: Path) -> None:
        """Moves a layer's folder away, to be removed at leisure. The caller holds the lock."""
        self.path(diff_id).parent.rename(target)

    def size(self, diff_id: str) -> int:
        """Bytes of file content that a folder holds; 0 where there is none."""
        return self.size_of(self.path(diff_id).parent)

    def size_of(self, folder: Path) -> int:
        """The same of a layer's folder that may be another user's."""
        facts = self._facts(folder) or {}
        size = facts.get("bytes", 0)
        return size if isinstance(size, int) else 0

    def made_at(self, diff_id: str) -> float:
        """When the folder was made, in seconds since the epoch."""
        try:
            return self.path(diff_id).parent.stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def all(self) -> Iterator[str]:
        """The diff IDs that have a folder."""
        with suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                yield f"sha256:{path.name}"

    def _facts(self, folder: Path) -> dict[str, object] | None:
        try:
            facts = json.loads((folder / "facts.json").read_text())
        except (OSError, ValueError):
            return None
        return facts if isinstance(facts, dict) else None


class _Checked:
    """A stream that hashes what is read of it."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._hash.update(data)
        return data

    def drain(self) -> None:
        """Reads what a tar reader leaves after the last entry."""
        while self.read(1 << 20):
            pass

    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"
