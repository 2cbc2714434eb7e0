"""The files of an image archive by name: a tar (compressed or not) or a folder, never anything outside of it."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from workbench.context.strict_tar import DAMAGED, StrictTarInfo
from workbench.engines.embedded.compression import compression, decompress, open_plain_file
from workbench.engines.embedded.disk import disk_errors
from workbench.engines.embedded.store import Store
from workbench.engines.embedded.tree import clean_name
from workbench.errors import InputError

_MAX_JSON = 64 << 20
_MAX_NAMES = 1_000_000


class Source(Protocol):
    """An archive that is open. `name` is for error messages."""

    name: str

    def has(self, name: str) -> bool: ...

    def open(self, name: str) -> BinaryIO:
        """A file that can seek. Raises InputError where it is missing."""
        ...


def read_json(source: Source, name: str) -> Any:
    """Raises InputError where the file is missing or is no JSON."""
    data = read_small(source, name)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source.name}: {name} is not JSON: {error}") from error


def read_small(source: Source, name: str) -> bytes:
    """A file that is kept in memory."""
    with source.open(name) as file:
        data = file.read(_MAX_JSON + 1)
    if len(data) > _MAX_JSON:
        raise InputError(f"{source.name}: {name} is too big to be what it should be")
    return data


@contextmanager
def open_source(store: Store, archive: Path, check: Callable[[], None] = lambda: None) -> Iterator[Source]:
    """Opens a folder or a tar; a compressed tar is unpacked to the store's scratch space first, `check` called on
    the way.

    Raises InputError where it is neither, is empty, or has a name that leads out of it.
    """
    if archive.is_dir():
        yield _Folder(archive)
        return
    with open_plain_file(archive) as file:
        if compression(file.peek(6)[:6]):
            with store.temporary() as scratch:
                target = scratch / "archive.tar"
                with disk_errors(target):
                    decompress(cast(BinaryIO, file), target, str(archive), check)
                with target.open("rb") as tar:
                    yield _Tar(tar, str(archive))
        else:
            yield _Tar(cast(BinaryIO, file), str(archive))


class _Folder:
    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self._folder = folder.resolve()

    def _path(self, name: str) -> Path:
        path = (self._folder / clean_name(name, self.name)).resolve()
        if not path.is_relative_to(self._folder):
            raise InputError(f"{self.name}: {name!r} leads out of the folder")
        return path

    def has(self, name: str) -> bool:
        return self._path(name).is_file()

    def open(self, name: str) -> BinaryIO:
        path = self._path(name)
        try:
            return path.open("rb")
        except OSError as error:
            raise InputError(f"{self.name}: {name}: {error.strerror}") from error


class _Tar:
    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        self._members: dict[str, tarfile.TarInfo] = {}
        try:
            self._tar = tarfile.open(  # noqa: SIM115
                fileobj=file, mode="r:", tarinfo=StrictTarInfo, encoding="utf-8", errors="surrogateescape"
            )
            for count, member in enumerate(self._tar):
                if count > _MAX_NAMES:
                    raise InputError(f"{name}: more than {_MAX_NAMES} files: not an image archive")
                self._members[clean_name(member.name, name)] = member
        except DAMAGED as error:
            raise InputError(f"{name}: not an image archive: {error}") from error

    def has(self, name: str) -> bool:
        return clean_name(name, self.name) in self._members

    def open(self, name: str) -> BinaryIO:
        path = clean_name(name, self.name)
        for _ in range(8):  # `docker save` of old wrote a layer that it had written already as a link
            member = self._members.get(path)
            if member is None:
                raise InputError(f"{self.name}: {name} is missing", hint="The archive is not complete.")
            if member.islnk():
                path = clean_name(member.linkname, self.name)
            elif member.issym():
                path = clean_name(f"{path.rpartition('/')[0]}/{member.linkname}", self.name)
            else:
                break
        data = self._tar.extractfile(member) if member is not None and member.isreg() else None
        if data is None:
            raise InputError(f"{self.name}: {name} is not a file")
        return cast(BinaryIO, io.BufferedReader(_Reader(data, self.name)))


class _Reader(io.RawIOBase):
    """A member of the tar; the tar's own errors become ours."""

    def __init__(self, data: Any, name: str) -> None:
        self._data = data
        self._name = name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._data.seek(offset, whence))

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._data.read(len(buffer))
        except tarfile.TarError as error:
            raise InputError(f"{self._name}: the archive is cut off: {error}") from error
        buffer[: len(data)] = data
        return len(data)
