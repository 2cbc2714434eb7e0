"""Where COPY and ADD take files from: the build context, another image's file system, documents of the Dockerfile.

All look alike: items by path, links followed inside the tree, content to be read.
"""

from __future__ import annotations

import io
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import BinaryIO, Protocol

from workbench.dataclass import dataclass
from workbench.engines.embedded.layer_tar import TarEntry
from workbench.engines.embedded.view import Found, ImageView


class Item(Protocol):
    """One path of a tree."""

    @property
    def entry(self) -> TarEntry: ...

    @property
    def inode(self) -> tuple[object, ...]:
        """The same for the names of one file, so that hard links stay links."""
        ...

    def digest(self) -> str:
        """Of a file's content. Raises InputError where it cannot be read."""
        ...

    def open(self) -> BinaryIO:
        """Raises InputError where it cannot be read."""
        ...


class Tree(Protocol):
    """Paths are relative and clean; the root is `""`."""

    def lookup(self, path: str) -> Item | None: ...

    def walk(self, path: str) -> Iterator[tuple[str, Item]]:
        """Everything below, parents before children."""
        ...

    def resolve(self, path: str) -> str:
        """With links followed inside the tree."""
        ...


@dataclass(frozen=True, slots=True)
class MemoryItem:
    """A file whose content is known: a document of the Dockerfile, or the root of a tree."""

    entry: TarEntry
    content: bytes = b""

    @property
    def inode(self) -> tuple[object, ...]:
        return (self.entry.path,)

    def digest(self) -> str:
        import hashlib

        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    def open(self) -> BinaryIO:
        return io.BytesIO(self.content)


ROOT = MemoryItem(TarEntry("", "directory"))


@dataclass(frozen=True, slots=True)
class MemoryTree:
    """Files of one folder."""

    items: Mapping[str, Item]

    def lookup(self, path: str) -> Item | None:
        return self.items.get(path) if path else ROOT

    def walk(self, path: str) -> Iterator[tuple[str, Item]]:
        return iter(self.items.items() if not path else ())

    def resolve(self, path: str) -> str:
        return path


@dataclass(frozen=True, slots=True)
class FileItem:
    """A file on this machine under another name: a download, a spooled archive."""

    entry: TarEntry
    path: Path

    @property
    def inode(self) -> tuple[object, ...]:
        return (str(self.path),)

    def digest(self) -> str:
        import hashlib

        with self.path.open("rb") as source:
            return f"sha256:{hashlib.file_digest(source, 'sha256').hexdigest()}"

    def open(self) -> BinaryIO:
        return self.path.open("rb")


class ImageTree:
    """The file system of a stage or an image."""

    def __init__(self, view: ImageView) -> None:
        self.view = view

    def lookup(self, path: str) -> Item | None:
        found = self.view.lookup(path)
        return None if found is None else ImageItem(found)

    def walk(self, path: str) -> Iterator[tuple[str, Item]]:
        return ((child, ImageItem(found)) for child, found in self.view.walk(path))

    def resolve(self, path: str) -> str:
        return self.view.resolve(path)


@dataclass(frozen=True, slots=True)
class ImageItem:
    found: Found
    _digest: list[str] = field(default_factory=list, repr=False)

    @property
    def entry(self) -> TarEntry:
        return self.found.entry

    @property
    def inode(self) -> tuple[object, ...]:
        return self.found.inode

    def digest(self) -> str:
        if not self._digest:
            import hashlib

            hashed = hashlib.sha256()
            left = self.entry.size
            with self.found.open() as source:
                while left and (data := source.read(min(left, 1 << 20))):
                    hashed.update(data)
                    left -= len(data)
            self._digest.append(f"sha256:{hashed.hexdigest()}")
        return self._digest[0]

    def open(self) -> BinaryIO:
        return self.found.open()


def below(path: str, root: str) -> str:
    """`path` relative to `root`, which is a folder above it or the path itself."""
    return path if not root else path[len(root) + 1 :]


def clean_source(path: str) -> str:
    """A source as it is looked for: relative, without `./` and without a slash at its end."""
    return posixpath.normpath("/" + path).lstrip("/")
