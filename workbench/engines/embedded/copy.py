"""COPY and ADD as the classic builder does them: which sources there are, and where each of them lands.

Source: moby 20.10, builder/dockerfile/copy.go and internals.go. BuildKit's `--chmod`, `--exclude`, `--parents` and
documents (heredocs) are added (moby/buildkit, dockerfile2llb/convert_copy.go; tonistiigi/fsutil, copy/copy.go).
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from workbench.context.go_match import BadPattern, has_wildcards, matcher
from workbench.context.ignore import IgnoreRules
from workbench.dataclass import dataclass
from workbench.dockerfile.modes import ModeChange
from workbench.engines.embedded.context_tree import ContextTree
from workbench.engines.embedded.graft import Graft, Owner, landed
from workbench.engines.embedded.landing import Landing
from workbench.engines.embedded.layer_tar import kept_xattrs
from workbench.engines.embedded.trees import Item, Tree, below, clean_source
from workbench.engines.embedded.unarchive import is_archive, unarchive
from workbench.errors import InputError


@dataclass(frozen=True, slots=True)
class Source:
    """One source as it was found. `name` is the last part of what was asked for, `path` where it leads."""

    tree: Tree
    name: str
    path: str
    item: Item
    unpack: bool = False
    include: IgnoreRules | None = None
    """Of a folder: what is copied of it, by rules that mean the opposite of what they mean in a .dockerignore."""
    known: tuple[str, ...] | None = None
    """What the step cache knows it by in place of its content."""

    @property
    def is_directory(self) -> bool:
        return self.item.entry.kind == "directory"


@dataclass(frozen=True, slots=True)
class Transfer:
    """A COPY or ADD with everything filled in. `owner` is None where the source's own is kept."""

    keyword: str
    sources: Sequence[Source]
    destination: str
    """As written; the slash at its end means something."""
    workdir: str
    owner: Owner | None
    chmod: ModeChange | None = None
    exclude: IgnoreRules | None = None

    @property
    def target(self) -> str:
        """The destination as a clean path below the root."""
        joined = posixpath.join("/", self.workdir, self.destination)
        return posixpath.normpath(joined).lstrip("/")


def find(tree: Tree, pattern: str) -> Iterator[Source]:
    """The sources that one argument names: a path, or every path that the pattern matches. Raises InputError."""
    written = pattern.removeprefix("/").removeprefix("./")
    asked = posixpath.normpath(written.lstrip("/"))
    if asked == ".." or asked.startswith("../"):
        raise InputError(
            f"forbidden path outside the build context: {pattern} ()",
            hint="Only what lies in the context can be copied. Choose a folder above it as the context.",
        )
    if not has_wildcards(pattern):
        found = lookup(tree, clean_source(pattern))
        if found is None:
            raise FileNotFoundError(pattern)
        yield found
        return
    try:
        matches = matcher(written).fullmatch  # not cleaned: `x*/` and `x/../*` match nothing in the classic builder
    except BadPattern:
        return  # nor does one that cannot be read
    for name, _ in tree.walk(""):
        if matches(name):
            found = lookup(tree, name)
            if found is None:  # a link to nothing
                raise FileNotFoundError(name)
            yield found


def find_parents(tree: Tree, pattern: str) -> Iterator[Source]:
    """The source of one argument of `COPY --parents`: a folder, of which what the pattern matches is copied with the
    folders above it. `/./` says from where on these count. Raises InputError, FileNotFoundError."""
    above, pivot, inside = pattern.partition("/./")
    if not pivot:
        above, inside = "", pattern
    path = clean_source(inside)
    if not has_wildcards(pattern) and lookup(tree, posixpath.join(clean_source(above), path)) is None:
        raise FileNotFoundError(pattern)
    for source in find(tree, above or "/"):
        if source.is_directory:
            yield replace(source, include=IgnoreRules([path]) if path else None)


def lookup(tree: Tree, path: str) -> Source | None:
    """A source by its path, a link followed to where it leads."""
    resolved = tree.resolve(path)
    item = tree.lookup(resolved)
    return None if item is None else Source(tree, posixpath.basename(path), resolved, item)


def comment(transfer: Transfer, digest: str, chown: str) -> str:
    """What the history says: `COPY file:... in /x `. The digest is of names, kinds, modes and content."""
    kind = "multi" if len(transfer.sources) > 1 else "dir" if transfer.sources[0].is_directory else "file"
    flag = f"--chown={chown}" if chown else ""
    return f"{transfer.keyword} {flag}{kind}:{digest} in {transfer.destination} "


def land(transfer: Transfer, landing: Landing, scratch: Path, check: Callable[[], None]) -> None:
    """Puts every source where it belongs. Raises InputError."""
    for number, source in enumerate(transfer.sources, 1):
        destination = landing.resolve(transfer.target)
        if not source.is_directory and transfer.exclude is not None and transfer.exclude.decide(source.name).excluded:
            continue
        if source.is_directory:
            _Directory(transfer, source, landing, number).land(destination, check)
        elif source.unpack and is_archive(source.item):
            unarchive(source.item, source.path, landing, destination, scratch, group=number, check=check)
        else:
            _land_file(transfer, source, landing, destination, number)


def _land_file(transfer: Transfer, source: Source, landing: Landing, destination: str, number: int) -> None:
    if transfer.destination.endswith("/") or landing.is_directory(destination):
        destination = f"{destination}/{source.name}" if destination else source.name
    if not destination:
        raise InputError("/ is a directory")
    entry = source.item.entry
    if entry.kind != "file":
        raise InputError(f"{source.path} is no file and no folder")
    landing.make_parents(destination, transfer.owner)
    entry = landed(replace(entry, xattrs={}), destination, transfer.owner, transfer.chmod)
    landing.put(entry, source.item, group=number)


def walk(source: Source, exclude: IgnoreRules | None) -> Iterator[tuple[str, Item]]:
    """What is copied of a folder, parents before children; with `include` or `exclude` a parent may be missing."""
    include = source.include
    for path, item in source.tree.walk(source.path):
        name = below(path, source.path)
        if include is not None and not include.decide(name).excluded:
            continue
        if exclude is None or not exclude.decide(name).excluded:
            yield path, item


class _Directory:
    """The content of a folder, merged into the destination."""

    def __init__(self, transfer: Transfer, source: Source, landing: Landing, number: int) -> None:
        self._transfer = transfer
        self._source = source
        self._landing = landing
        self._number = number
        self._done: set[str] = set()

    def land(self, destination: str, check: Callable[[], None]) -> None:
        existed = self._landing.lookup(destination) is not None
        try:
            self._landing.make_folder(destination, (0, 0))
        except InputError as error:
            raise InputError(f"failed to copy directory: mkdir {error}") from error
        if existed:
            self._landing.touch(destination)
        owner = self._transfer.owner
        if not existed and destination and owner is not None:
            self._landing.change(destination, owner=owner)
        chmod = self._transfer.chmod
        if not existed and destination and chmod is not None and chmod.absolute is not None:
            self._landing.change(destination, mode=chmod.absolute)
        graft = self._graft(destination)
        if graft is not None and graft.fits(self._landing.view, check):
            self._landing.graft = graft
            return
        for path, item in walk(self._source, self._transfer.exclude):
            check()
            self._put_above(path, destination)
            self._put(path, item, destination)

    def _graft(self, destination: str) -> Graft | None:
        """The folder as a graft, where it is a whole one of the context and all that is copied."""
        transfer, source = self._transfer, self._source
        if len(transfer.sources) > 1 or source.include is not None or transfer.exclude is not None:
            return None
        if not isinstance(source.tree, ContextTree):
            return None
        return Graft(source.tree, source.path, destination, transfer.owner, transfer.chmod)

    def _put(self, path: str, item: Item, destination: str) -> None:
        relative = below(path, self._source.path)
        entry = item.entry
        target = f"{destination}/{relative}" if destination else relative
        if entry.xattrs:
            entry = replace(entry, xattrs=kept_xattrs(entry.xattrs))
        entry = landed(entry, target, self._transfer.owner, self._transfer.chmod)
        self._landing.put(entry, item if entry.kind == "file" else None, group=self._number)
        self._done.add(path)

    def _put_above(self, path: str, destination: str) -> None:
        """The folders above a path of which not everything is copied: as they are in the source."""
        missing: list[str] = []
        while (path := path.rpartition("/")[0]) and path != self._source.path and path not in self._done:
            missing.append(path)
        for parent in reversed(missing):
            item = self._source.tree.lookup(parent)
            if item is not None:
                self._put(parent, item, destination)
