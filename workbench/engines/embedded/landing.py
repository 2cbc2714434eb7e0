"""A layer that COPY, ADD or WORKDIR makes: what is put where, on top of an image, before any of it is written.

Follows what the classic builder does to its mounted container (moby 20.10: builder/dockerfile/copy.go,
pkg/archive's Untar): a folder merges with a folder, anything else is replaced; new parents are 0755.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import field, replace

from workbench.dataclass import dataclass
from workbench.engines.embedded.graft import Graft, check_length
from workbench.engines.embedded.layer_index import OPAQUE, clean
from workbench.engines.embedded.layer_tar import LayerWriter, TarEntry, sort_key
from workbench.engines.embedded.trees import ImageItem, Item
from workbench.engines.embedded.view import ImageView, resolve
from workbench.errors import InputError


@dataclass(slots=True)
class _Put:
    entry: TarEntry
    item: Item | None = None
    group: int = 0
    made: bool = False
    """A folder on the way, which has no time of its own."""


@dataclass(slots=True)
class Landing:
    """`view` is the image below. Paths are relative and clean; owners are (uid, gid)."""

    view: ImageView
    mtime: int = 0
    """Of folders that are made on the way, where nothing newer is put into this layer; whole seconds."""
    graft: Graft | None = None
    """A folder of the context, put last and at a folder that is there: it is written after all else."""
    _new: dict[str, _Put] = field(default_factory=dict)
    _opaque: set[str] = field(default_factory=set)
    _shared: dict[tuple[object, ...], TarEntry] = field(default_factory=dict)
    """By file: whose attributes it got by a hard link."""
    _real: set[str] = field(default_factory=set)
    """Folders that no link leads over, as far as they are known: a deep path is not resolved from its root again."""

    def lookup(self, path: str) -> TarEntry | None:
        """What is at `path` now."""
        put = self._new.get(path)
        if put is not None:
            return put.entry
        above = path
        while above:
            above = above.rpartition("/")[0]
            known = self._new.get(above)
            if above in self._opaque or (known is not None and known.entry.kind != "directory"):
                return None
            if known is not None and not self._opaque:
                break  # a folder of this layer: what is above it is one too
        found = self.view.lookup(path)
        return None if found is None else found.entry

    def is_directory(self, path: str) -> bool:
        entry = self.lookup(path)
        return entry is not None and entry.kind == "directory"

    def resolve(self, path: str, *, root: str = "") -> str:
        check_length(path)
        full = f"{root}/{path}" if root else path
        if not path or clean(path) != path:
            return resolve(path, self.lookup, root=root)
        if full in self._real:
            return full
        if full.rpartition("/")[0] not in self._real:
            full = resolve(path, self.lookup, root=root)
        elif (entry := self.lookup(full)) is not None and entry.kind == "symlink":
            return resolve(path, self.lookup, root=root)
        if self.is_directory(full):
            self._real.add(full)
        return full

    def make_parents(self, path: str, owner: tuple[int, int] | None) -> None:
        """Makes the folders above `path` that are missing. Raises InputError where one is no folder."""
        parent = path.rpartition("/")[0]
        if parent:
            self.make_folder(parent, owner)

    def make_folder(self, path: str, owner: tuple[int, int] | None) -> None:
        """`mkdir -p`, following links as the kernel would, inside the image. A folder whose set-group-ID bit is set
        hands the bit on, and its group where no `owner` is given."""
        missing: list[str] = []
        above: TarEntry | None = None
        while path:
            check_length(path)
            entry = self.lookup(path)
            if entry is not None and entry.kind == "symlink":
                path = self.resolve(path)
                entry = self.lookup(path)
            if entry is not None and entry.kind != "directory":
                raise InputError(f"/{path}: not a directory")
            if entry is not None:
                above = entry
                break
            if path:
                missing.append(path)
            path = path.rpartition("/")[0]
        handed = above.mode & 0o2000 if above is not None else 0
        uid, gid = owner or (0, above.gid if above is not None and handed else 0)
        for path in reversed(missing):
            self._new[path] = _Put(TarEntry(path, "directory", 0o755 | handed, uid, gid), made=True)

    def touch(self, path: str) -> None:
        """The layer has the folder at `path`, whether or not something is put into it: the classic builder makes and
        removes a folder of its own (`.pivot_root…`) where it unpacks. The root is in no layer."""
        entry = self.lookup(path)
        if path and path not in self._new and entry is not None:
            self._new[path] = _Put(entry)

    def put(self, entry: TarEntry, item: Item | None = None, *, group: int = 0) -> None:
        """Puts one entry at `entry.path`, whose parent is there. Content comes from `item`; items of one file become
        hard links where they have the same `group`."""
        path = entry.path
        check_length(path)
        before = self.lookup(path)
        if before is not None and not (before.kind == "directory" and entry.kind == "directory"):
            self._remove(path, was_directory=before.kind == "directory")
        self._new[path] = _Put(entry, item, group)

    def touch_file(self, path: str, mtime: int) -> None:
        """Another time for a file that this layer has put; nothing where something else is there."""
        put = self._new.get(path)
        if put is not None and put.entry.kind == "file":
            self._new[path] = replace(put, entry=replace(put.entry, mtime=mtime))

    def change(self, path: str, *, owner: tuple[int, int] | None = None, mode: int | None = None) -> None:
        """New attributes for an entry that this layer has put."""
        put = self._new[path]
        entry = put.entry
        uid, gid = owner or (entry.uid, entry.gid)
        entry = replace(entry, uid=uid, gid=gid, mode=entry.mode if mode is None else mode)
        self._new[path] = replace(put, entry=entry)

    def link(self, path: str, target: str, entry: TarEntry) -> None:
        """A hard link to what is at `target`; owner, mode and time of `entry` become those of the file that both are.
        A file of the image comes into this layer, as it does in an overlay. Raises InputError for no file."""
        put = self._new.get(target)
        if f"{target}/".startswith(f"{path}/"):  # what is at `path` goes first
            raise InputError(f"/{path}: a hard link to /{target}, which it replaces")
        if put is None:
            found = self.view.lookup(target) if self.lookup(target) is not None else None
            if found is not None and found.entry.kind != "directory":
                self.put(found.entry, ImageItem(found))
                put = self._new[target]
        if put is None or put.entry.kind == "directory":
            raise InputError(f"/{path}: a hard link to /{target}, which is not there")
        self.put(replace(put.entry, path=path), put.item, group=put.group)
        if put.item is not None:
            self._shared[put.group, *put.item.inode] = entry

    def _remove(self, path: str, *, was_directory: bool) -> None:
        self._new.pop(path, None)
        if was_directory:
            self._real.clear()
            prefix = f"{path}/"
            for below in [known for known in self._new if known.startswith(prefix)]:
                del self._new[below]
            if self.view.lookup(path) is not None:
                self._opaque.add(path)

    def _above(self) -> dict[str, _Put]:
        """The image's own folders above what is put, as they are: a layer that left them out would give them other
        attributes where layers are laid over each other."""
        found: dict[str, _Put] = {}
        for path in self._new:
            while path := path.rpartition("/")[0]:
                if path in self._new or path in found:
                    break
                entry = self.lookup(path)
                if entry is not None and entry.kind == "directory":
                    found[path] = _Put(entry)
        return found

    @property
    def empty(self) -> bool:
        return not self._new and (self.graft is None or self.graft.empty)

    def entries(self) -> Iterator[tuple[TarEntry, Item | None]]:
        """All but the graft, in the order of the tar: by path, a hard link after the file it repeats."""
        links: dict[tuple[object, ...], str] = {}
        newest = self._newest()
        puts = {**self._new, **self._above()}
        for path in sorted(puts, key=sort_key):
            put = puts[path]
            entry = replace(put.entry, mtime=newest) if put.made else put.entry
            if entry.kind == "file" and put.item is not None:
                if last := self._shared.get((put.group, *put.item.inode)):
                    entry = replace(entry, mode=last.mode, uid=last.uid, gid=last.gid, mtime=last.mtime)
                first = links.setdefault((put.group, *put.item.inode, entry.mode, entry.uid, entry.gid), path)
                if first != path:
                    yield replace(entry, kind="hardlink", link=first, size=0, xattrs={}), None
                    continue
            yield entry, put.item
            if path in self._opaque and entry.kind == "directory":
                yield TarEntry(f"{path}/{OPAQUE}", "file", 0o600), None

    def _newest(self) -> int:
        """The time of the folders that are made on the way."""
        times = [put.entry.mtime for put in self._new.values() if not put.made]
        if self.graft is not None and not self.graft.empty:
            times.append(self.graft.newest)
        return max(times, default=self.mtime)

    def write(self, writer: LayerWriter) -> None:
        """The whole layer, with its end."""
        for entry, item in self.entries():
            if entry.kind == "file" and entry.size and item is not None:
                with closing(item.open()) as source:
                    writer.copy(entry, source)
            else:
                writer.add(entry)
        if self.graft is not None:
            self.graft.write(writer)
        writer.finish()
