"""What COPY, ADD and bound mounts take of a build context: paths, modes and digests, from a scan."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field

from workbench.build.manifest import Input
from workbench.context.digest import DigestCache
from workbench.context.go_match import BadPattern, has_wildcards, matcher
from workbench.context.ignore import IgnoreRules
from workbench.context.scan import Entry, Scan
from workbench.dataclass import dataclass

_LINKS = 40


@dataclass(slots=True)
class ContextFiles:
    """The sent entries of a scan. `check` is called often and may raise to end the work."""

    scan: Scan
    digests: DigestCache
    sent: Iterable[Entry]
    """What of the scan the engine's client sends, parents before children."""
    check: Callable[[], None] = lambda: None
    _entries: dict[str, Entry] = field(init=False)
    _children: dict[str, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self._entries = {}
        self._children = {}
        for entry in self.sent:
            self._add(entry)

    def _add(self, entry: Entry) -> None:
        parent = entry.path.rpartition("/")[0]
        if parent and parent not in self._entries and (above := self.scan.get(parent)) is not None:
            self._add(above._replace(mode=0o755))  # excluded, and made anew for what lies below it
        self._entries[entry.path] = entry
        self._children.setdefault(parent, []).append(entry.path)

    def find(self, source: str) -> list[str]:
        """The paths that one source of COPY or ADD names, "" for the context itself; [] where it names nothing."""
        path = posixpath.normpath("/" + source).lstrip("/")
        if not has_wildcards(source):
            found = self._resolve(path)
            return [] if found is None else [found]
        try:
            matches = matcher(path).fullmatch
        except BadPattern:
            return []
        resolved = (self._resolve(name) for name in self._below("") if matches(name))
        return [name for name in resolved if name is not None]

    def inputs(self, path: str, exclude: IgnoreRules | None = None) -> Iterator[Input]:
        """The entry of that path, or everything below it where it is a folder. Raises InputError for a file that
        cannot be read."""
        entry = self._entries.get(path)
        if entry is not None and entry.kind != "directory":
            yield self._input(entry)
            return
        for name in self._below(path):
            self.check()
            if exclude is None or not exclude.decide(name[len(path) :].lstrip("/")).excluded:
                yield self._input(self._entries[name])

    def _input(self, entry: Entry) -> Input:
        digest = entry.link
        if entry.kind == "file":
            digest = self.digests.digest(self.scan.root, entry, check=self.check)
        return Input(entry.path, entry.kind, entry.mode, digest)

    def _below(self, path: str) -> Iterator[str]:
        waiting = list(reversed(self._children.get(path, ())))
        while waiting:
            name = waiting.pop()
            yield name
            waiting += reversed(self._children.get(name, ()))

    def _resolve(self, path: str) -> str | None:
        """With links followed inside the context; None where it leads to nothing."""
        for _ in range(_LINKS):
            if not path:
                return ""
            at = self._link_on(path)
            if at is None:
                return path if path in self._entries else None
            target = posixpath.join("/", posixpath.dirname(at), self._entries[at].link)
            path = posixpath.normpath(posixpath.join(target, path[len(at) + 1 :])).lstrip("/")
        return None

    def _link_on(self, path: str) -> str | None:
        """The first part of the way to `path` that is a link."""
        parts = path.split("/")
        for end in range(1, len(parts) + 1):
            name = "/".join(parts[:end])
            entry = self._entries.get(name)
            if entry is not None and entry.kind == "symlink":
                return name
        return None
