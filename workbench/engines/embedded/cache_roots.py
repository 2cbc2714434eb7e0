"""Which layers the step cache holds, on disk, so that every process that collects garbage knows of them.

The cache's own entries may lie wherever it likes; an entry whose key is not here any more is void.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from workbench.engines.embedded.disk import disk_errors
from workbench.engines.embedded.layout import Layout, is_digest


class CacheRoots:
    """A small file per key: digests, one a line. Its age is the time since the key was last asked for."""

    def __init__(self, folder: Path, layout: Layout) -> None:
        self.folder = folder
        self._layout = layout

    def put(self, key: str, digests: Iterable[str]) -> None:
        """Holds `digests` (of blobs that are there) for the cache entry `key`, any text."""
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            path, out = self._layout.scratch.file()
            with out:
                out.write("".join(f"{digest}\n" for digest in digests).encode())
                path.rename(self._path(key))

    def has(self, key: str) -> bool:
        """Whether the entry still holds its layers; asking makes it young."""
        try:
            os.utime(self._path(key))
        except FileNotFoundError:
            return False
        except PermissionError:  # a store that this process may only read
            return True
        return True

    def digests(self) -> set[str]:
        """Everything that any key holds."""
        found: set[str] = set()
        with suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                found |= self.read(path)
        return found

    def held(self) -> Iterator[set[str]]:
        """What each key holds."""
        with suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                yield self.read(path)

    def void(self, entries: Path) -> Iterator[Path]:
        """Files of a folder of cache entries, called after their keys, whose key holds nothing any more."""
        with suppress(FileNotFoundError):
            for path in entries.iterdir():
                if not self._path(path.name.partition(".")[0]).exists():
                    yield path

    def drop(self, digests: frozenset[str]) -> None:
        """Forgets every key that holds one of these."""
        with suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                if self.read(path) & digests:
                    path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()

    def read(self, path: Path) -> set[str]:
        """What one key's file holds."""
        try:
            return {line for line in path.read_text().split() if is_digest(line)}
        except (FileNotFoundError, UnicodeDecodeError):
            return set()
