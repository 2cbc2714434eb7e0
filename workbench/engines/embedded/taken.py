"""What a COPY, an ADD or a bound mount takes, folded into one digest for the step cache and packed for its manifest.

Nothing is kept of a path but the line that the manifest has of it: a COPY may take 100,000.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable
from json import dumps
from json.encoder import encode_basestring_ascii as quoted

from workbench.build.manifest import Inputs, folder_line
from workbench.context.opening import Opener
from workbench.dataclass import dataclass
from workbench.engines.embedded.context_tree import ContextTree
from workbench.engines.embedded.copy import Source, Transfer, walk
from workbench.engines.embedded.trees import Item, below


@dataclass(frozen=True, slots=True)
class Taken:
    """`digest` is of names, kinds, modes, content or links, and of owners where they are kept: hexadecimal. Times do
    not count, as in the classic builder. `inputs` are the same, path by path as a person knows them."""

    digest: str
    inputs: Inputs


def take(transfer: Transfer, check: Callable[[], None], origin: str = "") -> Taken:
    """Reads every file whose digest is not known. `origin` is the stage or image that the paths are of, "" for the
    context. Raises InputError for what cannot be read, and what `check` raises, which is called now and then."""
    fold = _Fold(origin, keep_owners=transfer.owner is None)
    for source in transfer.sources:
        fold.begin(source)
        if source.known is not None:
            fold.repository(source.known)
        elif not source.is_directory:
            fold.item("", source.item)
        elif isinstance(source.tree, ContextTree) and source.include is None and transfer.exclude is None:
            fold.context(source.tree, check)
        else:
            for path, item in walk(source, transfer.exclude):
                check()
                fold.item(below(path, source.path), item)
    return fold.end()


class _Fold:
    """Of each path, or of all plain files of a folder, there is a row, a list in JSON. The digest is of one JSON list
    of all rows, and each folder of the manifest is one of its own."""

    def __init__(self, origin: str, *, keep_owners: bool) -> None:
        self._above = f"{origin}:/" if origin else ""
        self._keep_owners = keep_owners
        self._hash = hashlib.sha256(b"[")
        self._separator = ""
        self._folders: dict[str, list[str]] = {}
        self._source: Source
        self._links: dict[tuple[object, ...], str] = {}

    def begin(self, source: Source) -> None:
        self._source = source
        self._links = {}
        self._row(dumps(["source", source.name, source.is_directory, source.unpack, self._keep_owners]))

    def end(self) -> Taken:
        self._hash.update(b"]")
        folders = self._folders
        lines = tuple([folder_line(folder, folders.pop(folder)) for folder in list(folders)])  # never all of it twice
        return Taken(self._hash.hexdigest(), Inputs(lines))

    def repository(self, known: tuple[str, ...]) -> None:
        self._row(dumps(["", "repository", 0, *known]))
        self._keep(self._source.path, f'"repository", 0, {quoted(known[0])}]')

    def item(self, path: str, item: Item) -> None:
        """One path of a source, relative to it."""
        entry = item.entry
        what = item.digest() if entry.kind == "file" else entry.link
        facts = f"{quoted(entry.kind)}, {entry.mode}, {quoted(what)}"
        more = ""
        if entry.kind == "file" and (first := self._links.setdefault(item.inode, path)) != path:
            more = f', {{"link": {quoted(first)}}}'
        if self._keep_owners:
            more += f", {entry.uid}, {entry.gid}"
        self._row(f"[{quoted(path)}, {facts}{more}]")
        source = self._source.path
        self._keep(f"{source}/{path}" if path and source else path or source, facts + "]")

    def context(self, tree: ContextTree, check: Callable[[], None]) -> None:
        """All of a folder of the context: plain files folder by folder, without making their items, and as `item` what
        else there is. They are all root's."""
        columns, source = tree.scan.columns, self._source.path
        start = len(source) + 1 if source else 0
        plain: dict[str, list[str]] = {}
        with Opener(tree.scan.root) as files:
            for number, at in enumerate(tree.places(source)):
                if number % 64 == 0:
                    check()
                path = columns.paths[at]
                _, _, _, _, _, mode, _, _, links = columns.row(at)
                if links > 1 or not stat.S_ISREG(mode):
                    self.item(path[start:], tree.item(at))
                    continue
                folder, slash, name = path.rpartition("/")
                line = f'[{quoted(name)}, "file", {mode & 0o7777}, "sha256:{tree.digest(at, files).hex()}"]'
                try:
                    plain[folder + slash].append(line)
                except KeyError:
                    plain[folder + slash] = [line]
        for folder in list(plain):
            lines = ", ".join(plain.pop(folder))
            self._row(f"[{quoted(folder[start:])}, [{lines}]]")
            self._folders.setdefault(self._above + folder, []).append(lines)

    def _row(self, row: str) -> None:
        self._hash.update(f"{self._separator}{row}".encode("ascii"))
        self._separator = ", "

    def _keep(self, path: str, facts: str) -> None:
        folder, slash, name = path.rpartition("/")
        line = f"[{quoted(name)}, {facts}"
        try:
            self._folders[self._above + folder + slash].append(line)
        except KeyError:
            self._folders[self._above + folder + slash] = [line]
