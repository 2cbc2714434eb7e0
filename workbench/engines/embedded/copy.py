"""What COPY and ADD take, as the classic builder has it: which sources there are. `copy_landing` puts them in place.

Source: moby 20.10, builder/dockerfile/copy.go and internals.go. BuildKit's `--chmod`, `--exclude`, `--parents` and
documents (heredocs) are added (moby/buildkit, dockerfile2llb/convert_copy.go; tonistiigi/fsutil, copy/copy.go).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import replace

from workbench.context.go_match import BadPattern, has_wildcards, matcher
from workbench.context.ignore import IgnoreRules
from workbench.dataclass import dataclass
from workbench.dockerfile.modes import ModeChange
from workbench.engines.embedded.trees import Item, Tree, below, clean_source
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
    remote: bool = False
    """Whether it was downloaded."""
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
    owner: tuple[int, int] | None
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
    """What the history says: `COPY file:... in /x `, of a single download the digest alone. The digest is of names,
    kinds, modes and content."""
    first = transfer.sources[0]
    kind = "multi:" if len(transfer.sources) > 1 else "dir:" if first.is_directory else "" if first.remote else "file:"
    flag = f"--chown={chown}" if chown else ""
    return f"{transfer.keyword} {flag}{kind}{digest} in {transfer.destination} "


def walk(source: Source, exclude: IgnoreRules | None) -> Iterator[tuple[str, Item]]:
    """What is copied of a folder, parents before children; with `include` or `exclude` a parent may be missing."""
    include = source.include
    for path, item in source.tree.walk(source.path):
        name = below(path, source.path)
        if include is not None and not include.decide(name).excluded:
            continue
        if exclude is None or not exclude.decide(name).excluded:
            yield path, item
