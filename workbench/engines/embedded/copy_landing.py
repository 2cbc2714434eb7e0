"""COPY and ADD as the classic builder does them: where each of the sources lands.

Source: moby 20.10, builder/dockerfile/copy.go and internals.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from workbench.engines.embedded.context_tree import ContextTree
from workbench.engines.embedded.copy import Source, Transfer, walk
from workbench.engines.embedded.graft import Graft, landed
from workbench.engines.embedded.landing import Landing
from workbench.engines.embedded.layer_tar import kept_xattrs
from workbench.engines.embedded.trees import Item, below
from workbench.engines.embedded.unarchive import is_archive, unarchive
from workbench.errors import InputError


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
