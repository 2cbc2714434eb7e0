"""A standard OCI image layout on disk: `oci-layout`, `index.json`, `blobs/sha256`; whole at every moment.

Blobs get their name when they are complete; the index is replaced in one step under a lock, after the blobs it
names are on the disk. What the layout does not know (unpacked layers, scratch folders, the step cache) lies in the
folder `workbench` beside it, which other tools ignore.

Source: https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from workbench.dataclass import dataclass
from workbench.engines.embedded.disk import FileLock, disk_errors, sync_file, sync_folder
from workbench.engines.embedded.scratch import Lease, Reserve, Scratch
from workbench.errors import StoreError

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_SMALL = 64 << 10
_OURS = frozenset({"oci-layout", "index.json", "blobs", "workbench"})


def is_digest(text: object) -> bool:
    """Whether `text` is `sha256:` and 64 lower-case hexadecimal digits."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A blob by its content: `sha256:...` and its size in bytes."""

    digest: str
    size: int


class BlobWriter:
    """A blob that grows. It is not in the store before `commit`; leaving the `with` block without it drops it."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._hash = hashlib.sha256()
        self._size = 0
        self._path, self._file = layout.scratch.file()

    def write(self, data: bytes | bytearray | memoryview) -> int:
        with disk_errors(self._layout.root):
            self._file.write(data)
        self._hash.update(data)
        self._size += len(data)
        return len(data)

    def commit(self, *, sync: bool = False) -> Descriptor:
        """Gives the blob its name. Without `sync` it reaches the disk at the latest when an image names it."""
        found = Descriptor(f"sha256:{self._hash.hexdigest()}", self._size)
        with disk_errors(self._layout.root):
            self._file.flush()
            os.fchmod(self._file.fileno(), 0o644)
            if sync:
                os.fsync(self._file.fileno())
            with self._layout.lock.held():
                self._layout.hold((found.digest,))
                self._place(self._layout.blob_path(found.digest), found)
        self.close()
        return found

    def _place(self, path: Path, found: Descriptor) -> None:
        with suppress(FileNotFoundError):
            same = path.stat().st_size == found.size
            if same and found.size <= _SMALL:  # what describes an image is mended where it was damaged
                same = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" == found.digest
            if same:
                os.utime(path)  # young again: the sweep of forgotten blobs leaves it
                return
        self._path.rename(path)

    def close(self) -> None:
        """Drops what was not committed. May be called again."""
        with suppress(OSError):  # a full disk was told by `write`; here the data is dropped anyway
            self._file.close()
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> BlobWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Layout:
    """The files of a store. Any method may raise StoreError, naming the file and what to do."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.private = root / "workbench"
        self.lock = FileLock(self.private / "lock")
        self.scratch = Scratch(self.private / "tmp")
        self.blobs = root / "blobs" / "sha256"
        self._blobs = f"{self.blobs}/"
        self.reserve = Reserve(self.private / "reserve")
        self.remembered: dict[str, tuple[object, Any]] = {}
        """What was read of images, with the signs of the files that it was read from: `catalog` keeps it."""
        self._leases: list[Lease] = []
        self._leases_change = threading.Lock()

    def open(self) -> None:
        """Makes the layout where there is none, and sweeps what dead processes left. Raises StoreError where the
        folder holds something else."""
        with disk_errors(self.root):
            try:
                strange = sorted({path.name for path in self.root.iterdir()} - _OURS)
            except FileNotFoundError:
                strange = []
            known = (self.root / "oci-layout").is_file()
            if strange and not known:
                raise StoreError(
                    f"{self.root}: not an image store: it holds {strange[0]!r} and no oci-layout",
                    hint="Choose an empty folder, or one that does not exist yet, with --root or WORKBENCH_ROOT.",
                )
            if known and not os.access(self.root, os.W_OK):
                return  # somebody else's, or read-only: it can still be read
            for folder in (self.private, self.scratch.folder, self.scratch.leases, self.blobs):
                folder.mkdir(parents=True, exist_ok=True)
            self._close(self.scratch.folder)
            with self.lock.held():
                self._create()
                self.reserve.refill()
                self.scratch.leased()  # which lets go of those whose process is dead
        self.scratch.sweep()

    @staticmethod
    def _close(folder: Path) -> None:
        """For us only: below it lie set-user-ID programs of images, as files that run (CVE-2021-41091)."""
        if stat.S_IMODE(folder.stat().st_mode) != 0o700:
            folder.chmod(0o700)

    @property
    def writable(self) -> bool:
        """Whether this process may change the store; else it may only be looked at, and nobody can be locked out."""
        return self.private.is_dir() and os.access(self.private, os.W_OK)

    def _create(self) -> None:
        if not (self.root / "index.json").exists():
            self._write_index(self._read_index(), "[]")
        if not (self.root / "oci-layout").exists():
            self.scratch.replace(self.root / "oci-layout", _LAYOUT)

    # -- blobs ---------------------------------------------------------------------------------------------------

    def blob_path(self, digest: str) -> Path:
        """Where a blob lies or would lie. Raises StoreError for what is not a sha256 digest."""
        if not is_digest(digest):
            raise StoreError(f"{self.root}: {digest!r} is not a sha256 digest")
        return self.blobs / digest.removeprefix("sha256:")

    def has_blob(self, digest: str, size: int | None = None) -> bool:
        """Whether the blob is there (and of that size)."""
        try:
            found = self.blob_path(digest).stat()
        except FileNotFoundError:
            return False
        return size is None or found.st_size == size

    def write_blob(self) -> BlobWriter:
        """A new blob: `with layout.write_blob() as blob: blob.write(...); blob.commit()`."""
        with disk_errors(self.root):
            return BlobWriter(self)

    def put_bytes(self, data: bytes) -> Descriptor:
        with self.write_blob() as blob:
            blob.write(data)
            return blob.commit()

    def read_bytes(self, digest: str) -> bytes:
        """A small blob, its digest checked. Raises StoreError where it is missing or not what it was."""
        if not is_digest(digest):
            self.blob_path(digest)  # raises
        path = f"{self._blobs}{digest[7:]}"  # thousands are read for one list: pathlib would take most of the time
        try:
            with disk_errors(path), open(path, "rb", buffering=0) as file:
                data = file.readall()
        except StoreError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise StoreError(f"{path}: the store is damaged: this blob is missing", hint=_MEND) from error
            raise
        if hashlib.sha256(data).hexdigest() != digest[7:]:
            raise StoreError(f"{path}: the store is damaged: this blob is not what its name says", hint=_MEND)
        return data

    def read_json(self, digest: str) -> dict[str, Any]:
        """A blob that is a JSON object."""
        return _as_object(self.read_bytes(digest), f"{self._blobs}{digest[7:]}")

    def signs(self, *digests: str) -> tuple[tuple[int, int, int], ...] | None:
        """What changes when one of these blobs does; None where one is missing."""
        try:
            found = [os.stat(f"{self._blobs}{digest[7:]}") for digest in digests]
        except FileNotFoundError:
            return None
        return tuple((it.st_ino, it.st_size, it.st_mtime_ns) for it in found)

    def sync(self, digests: Iterable[str]) -> None:
        """Waits until these blobs and their names are on the disk."""
        with disk_errors(self.root):
            for digest in digests:
                sync_file(self.blob_path(digest))
            sync_folder(self.blobs)

    # -- what must not be collected ------------------------------------------------------------------------------

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """While it is open every blob written through this object stays, whatever another process removes."""
        with self.lock.held(), disk_errors(self.root):
            lease = self.scratch.lease()
            with self._leases_change:
                self._leases = [*self._leases, lease]
        try:
            yield lease
        finally:
            with self._leases_change:
                self._leases = [other for other in self._leases if other is not lease]
            lease.close()

    def hold(self, digests: Iterable[str]) -> None:
        """Puts digests under every open lease of this object. The caller holds the lock."""
        names = tuple(digests)
        for lease in self._leases:
            lease.write(names)

    # -- the index -----------------------------------------------------------------------------------------------

    def entries(self) -> list[dict[str, Any]]:
        """The image descriptors of `index.json`, as they stand. Raises StoreError where the file is no index."""
        return [entry for entry in self._read_index()["manifests"] if _is_entry(entry)]

    @contextmanager
    def changing(self) -> Iterator[list[dict[str, Any]]]:
        """The entries, to be changed in place under the lock; written when the block ends without an error.

        What another tool wrote into the index and we do not know is kept.
        """
        with self.lock.held():
            index = self._read_index()
            entries = [entry for entry in index["manifests"] if _is_entry(entry)]
            strange = [entry for entry in index["manifests"] if not _is_entry(entry)]
            before = json.dumps(index["manifests"])
            yield entries
            after = json.dumps(entries + strange)
            if after != before:
                self._write_index(index, after)

    def _read_index(self) -> dict[str, Any]:
        path = self.root / "index.json"
        with disk_errors(path):
            try:
                index = _as_object(path.read_bytes(), path)
            except FileNotFoundError:
                index = {"schemaVersion": 2, "mediaType": INDEX}
        if index.get("manifests") is None:
            index["manifests"] = []
        if not isinstance(index["manifests"], list):
            raise StoreError(f"{path}: the store is damaged: `manifests` is not a list", hint=_MEND)
        return index

    def _write_index(self, index: dict[str, Any], manifests: str) -> None:
        """`manifests` is the list as JSON: thousands of entries are written often, and put into text once."""
        head = json.dumps({key: value for key, value in index.items() if key != "manifests"})
        text = f'{head[:-1]}, "manifests": {manifests}}}\n'
        with disk_errors(self.root / "index.json"):
            self.scratch.replace(self.root / "index.json", text.encode())

    def old_blobs(self, seconds: float) -> Iterator[str]:
        """Digests of the blobs that nobody wrote or found again for so long."""
        limit = time.time() - seconds
        with os.scandir(self.blobs) as files:
            for file in files:
                if is_digest(f"sha256:{file.name}") and file.stat().st_mtime < limit:
                    yield f"sha256:{file.name}"


_MEND = "Remove the image and build or load it again; `workbench images` shows the images that are whole."


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and is_digest(entry.get("digest"))


def _as_object(data: bytes, path: Path | str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: the store is damaged: not JSON ({error})", hint=_MEND) from error
    if not isinstance(value, dict):
        raise StoreError(f"{path}: the store is damaged: not a JSON object", hint=_MEND)
    return value
