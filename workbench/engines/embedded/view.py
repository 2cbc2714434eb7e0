"""The file system of an image, read from its layers' tars: look up, list, follow links inside the root, read.

Links are followed as Docker's `symlink.FollowSymlinkInScope` does (moby 20.10, pkg/symlink): the path is cleaned
first, what does not exist is taken as it is, and nothing leads out of the image's root.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import field, replace
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO

from workbench.dataclass import dataclass
from workbench.engines.embedded.layer_tar import TarEntry
from workbench.errors import InputError

if TYPE_CHECKING:
    from workbench.engines.embedded.layer_index import LayerIndex

_LINKS = 255
_KNOWN = 128
"""Paths that a view keeps in mind: each RUN asks for the same few dozen."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is at a path: the entry (a hard link is told as the file it is), and where its content lies."""

    entry: TarEntry
    layer: LayerIndex | None = field(default=None, repr=False)
    offset: int = 0
    inode: tuple[int, str] = (0, "")
    """The same for all names of one file: layer number and first path."""

    @property
    def is_directory(self) -> bool:
        return self.entry.kind == "directory"

    def open(self) -> BinaryIO:
        """The tar, positioned at the content; the caller reads `entry.size` bytes and closes it."""
        assert self.layer is not None
        source = self.layer.tar.open("rb")
        source.seek(self.offset)
        return source

    def read(self) -> bytes:
        with self.open() as source:
            return source.read(self.entry.size)


_ROOT = Found(TarEntry("", "directory"))


def resolve(path: str, lookup: Callable[[str], TarEntry | None], *, root: str = "") -> str:
    """`path`, which is below `root`, with its links followed and nothing leading out of `root`.

    Raises InputError for a circle of links, and where something that is no folder stands in the middle.
    """
    left = posixpath.normpath("/" + path).strip("/").split("/")
    left.reverse()
    base = root.split("/") if root else []
    done: list[str] = []
    links = 0
    while left:
        part = left.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if done:
                done.pop()
            continue
        here = "/".join([*base, *done, part])
        entry = lookup(here)
        if entry is None or entry.kind != "symlink":
            if entry is not None and entry.kind != "directory" and any(p not in ("", ".") for p in left):
                raise InputError(f"/{here}: not a directory")
            done.append(part)
            continue
        links += 1
        if links > _LINKS:
            raise InputError(f"/{path.lstrip('/')}: too many symbolic links")
        if entry.link.startswith("/"):
            done.clear()
        left.extend(reversed(entry.link.split("/")))
    return "/".join([*base, *done])


class ImageView:
    """An image's root, lowest layer first. It never changes; `plus` makes the next one."""

    def __init__(self, layers: tuple[LayerIndex, ...] = ()) -> None:
        self.layers = layers
        self._known: dict[str, Found | None] = {}

    def plus(self, layer: LayerIndex) -> ImageView:
        """With one more layer, and knowing what this one knows of paths that the layer does not speak of: what a step
        asks must not cost more with each step before it."""
        view = ImageView((*self.layers, layer))
        view._known = {path: found for path, found in self._known.copy().items() if not layer.speaks_of(path)}
        return view

    def lookup(self, path: str) -> Found | None:
        """What is at a clean relative path, without following a link in its last part (or any other)."""
        known = self._known
        if path in known:
            return known[path]
        if len(known) >= _KNOWN:
            known = self._known = {}  # not emptied: another thread may just be asking
        found = known[path] = self._lookup(path)
        return found

    def _lookup(self, path: str) -> Found | None:
        directory: Found | None = None
        for number in range(len(self.layers) - 1, -1, -1):
            layer = self.layers[number]
            if (got := layer.entries.get(path)) is not None:
                return self._found(number, got[0], got[1], path)
            if layer.masks(path):
                if path in layer.children and path not in layer.hidden:
                    return directory or Found(TarEntry(path, "directory"))
                return directory
            if directory is None and any(True for _ in self._own(layer, path)):
                directory = Found(TarEntry(path, "directory"))
        return directory if path else directory or _ROOT

    @staticmethod
    def _own(layer: LayerIndex, path: str) -> Iterator[str]:
        for name in layer.children.get(path, ()):
            if (f"{path}/{name}" if path else name) not in layer.hidden:
                yield name

    def _found(self, number: int, entry: TarEntry, offset: int, path: str) -> Found:
        layer = self.layers[number]
        if entry.kind != "hardlink":
            return Found(entry, layer, offset, (number, path))
        for _ in range(_LINKS):
            target = layer.entries.get(entry.link)
            if target is None:
                below = ImageView(self.layers[:number]).lookup(entry.link)
                if below is None:
                    raise InputError(f"{layer.tar}: {path}: a hard link to {entry.link}, which is not there")
                return replace(below, entry=replace(below.entry, path=path))
            if target[0].kind != "hardlink":
                found = replace(target[0], path=path)
                return Found(found, layer, target[1], (number, target[0].path))
            entry = target[0]
        raise InputError(f"{layer.tar}: {path}: a circle of hard links")

    def names(self, path: str) -> list[str]:
        """The names in a folder, sorted by their bytes."""
        seen: dict[str, bool] = {}
        for layer in reversed(self.layers):
            for name in layer.children.get(path, ()):
                child = f"{path}/{name}" if path else name
                own = child in layer.entries or child in layer.children
                seen.setdefault(name, own)
            if layer.masks(path):
                break
        return sorted(
            (name for name, there in seen.items() if there), key=lambda n: n.encode("utf-8", "surrogateescape")
        )

    def walk(self, path: str) -> Iterator[tuple[str, Found]]:
        """Everything below a folder, parents before children, in the order of names' bytes."""
        todo = self._below(path)  # without recursion: a tree may be deep
        while todo:
            child = todo.pop()
            found = self.lookup(child)
            if found is None:
                continue
            yield child, found
            if found.is_directory:
                todo += self._below(child)

    def _below(self, path: str) -> list[str]:
        return [f"{path}/{name}" if path else name for name in reversed(self.names(path))]

    def resolve(self, path: str) -> str:
        """`path` with its links followed inside the root; see `resolve`."""
        return resolve(path, self._entry)

    def _entry(self, path: str) -> TarEntry | None:
        found = self.lookup(path)
        return None if found is None else found.entry

    def follow(self, path: str) -> tuple[str, Found | None]:
        """Where `path` leads, and what is there."""
        resolved = self.resolve(path)
        return resolved, self.lookup(resolved)

    def read_text(self, path: str, limit: int = 1 << 22) -> str | None:
        """A small text file of the image, or None where there is none."""
        _, found = self.follow(path)
        if found is None or found.entry.kind != "file" or found.entry.size > limit:
            return None
        return found.read().decode("utf-8", "surrogateescape")

    @property
    def gives_rights(self) -> bool:
        """Whether a layer has a program that makes whom it runs for another user, or gives capabilities."""
        return any(layer.gives_rights for layer in self.layers)

    @cached_property
    def accounts(self) -> Accounts:
        """The image's users and groups."""
        return Accounts(self.read_text("etc/passwd") or "", self.read_text("etc/group") or "")


def account_number(text: str) -> int | None:
    """A user's or group's number as runc takes it (libcontainer/user: up to 2^31 - 1), None for what is none."""
    if text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 1 << 31:
        return int(text)
    return None


class Accounts:
    """`/etc/passwd` and `/etc/group` of an image."""

    def __init__(self, passwd: str, group: str) -> None:
        self._users: dict[str, tuple[int, int, str]] = {}
        self._groups: dict[str, tuple[int, frozenset[str]]] = {}
        for fields in _lines(passwd, 6):
            uid, gid = account_number(fields[2]), account_number(fields[3])
            if uid is not None and gid is not None:
                self._users.setdefault(fields[0], (uid, gid, fields[5]))
        for fields in _lines(group, 4):
            if (gid := account_number(fields[2])) is not None:
                self._groups.setdefault(fields[0], (gid, frozenset(fields[3].split(","))))

    def user(self, name: str) -> tuple[int, int, str] | None:
        """(uid, gid, home) by name, or by number where a user has it. A number is never a name: an image could call
        root so (CVE-2016-3697)."""
        known = self._name(name)
        return None if known is None else self._users[known]

    def _name(self, user: str) -> str | None:
        uid = account_number(user)
        if uid is None:
            return user if user in self._users else None
        return next((name for name, facts in self._users.items() if facts[0] == uid), None)

    def group(self, name: str) -> int | None:
        """The number of a group by its name; a number is itself."""
        gid = account_number(name)
        if gid is not None:
            return gid
        return self._groups[name][0] if name in self._groups else None

    def groups_of(self, user: str) -> list[int]:
        """The groups that name this user as a member."""
        name = self._name(user)
        return sorted({gid for gid, members in self._groups.values() if name in members})


def _lines(text: str, fields: int) -> Iterator[list[str]]:
    for line in text.splitlines():
        parts = line.split(":")
        if len(parts) >= fields:
            yield parts
