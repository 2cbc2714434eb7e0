"""Watching by looking again, for file systems that tell no events.

watchfiles' own polling compares whole seconds and misses saves that follow each other; this one compares every fact
that a scan knows, and never spends more than about a tenth of its time on it.
"""

from __future__ import annotations

import os
import threading
import time

from workbench.context.scan import Cancelled, scan
from workbench.context.watch import ContextChanged, Tell, Watched
from workbench.errors import InputError

_SHORTEST = 0.2
"""Seconds between two looks, at least."""
_RATIO = 9
"""Rest this many times as long as a look takes."""
_LONGEST = 2.0
"""Seconds after which changes are told although more of them come."""

Snapshot = dict[str, tuple[object, ...]]


class PollingWatcher:
    """Implements `watch.Watcher`."""

    def __init__(self, watched: Watched, quiet: float) -> None:
        self._watched = watched
        self._quiet = quiet

    def run(self, tell: Tell, halt: threading.Event) -> None:
        try:
            before, took = self._look(halt)
            tell(ContextChanged(frozenset()))
            while not halt.wait(max(_SHORTEST, took * _RATIO)):
                after, took = self._look(halt)
                changed = _differences(before, after)
                end = time.monotonic() + _LONGEST
                while changed and not halt.wait(self._quiet):
                    later, took = self._look(halt)
                    more = _differences(after, later)
                    changed |= more
                    after = later
                    if not more or time.monotonic() > end:
                        break
                # The rules may have changed in between: what they hide or show now is a change of what is sent.
                before = after
                if changed and not halt.is_set():
                    tell(ContextChanged(frozenset(changed)))
        except Cancelled:
            return

    def _look(self, halt: threading.Event) -> tuple[Snapshot, float]:
        """Everything that is sent, and the extra files; and the seconds that it took."""
        start = time.monotonic()
        found: Snapshot = {}
        try:
            entries = scan(self._watched.context, self._watched.rules(), cancel=halt.is_set, list_ignored=False).entries
        except InputError:
            entries = ()  # the context is away
        for entry in entries:
            # The times of a folder only say that something in it came or went, which is told of that itself.
            own = entry.kind != "directory"
            found[entry.path] = (
                entry.kind, entry.mode, entry.link, entry.size, entry.inode,
                entry.mtime_ns if own else 0, entry.ctime_ns if own else 0,
            )  # fmt: skip
        for place, told in self._watched.extra.items():
            try:
                facts = os.lstat(place)
            except OSError:
                continue
            found[f"\0{place}\0{told}"] = (
                facts.st_mode,
                facts.st_size,
                facts.st_ino,
                facts.st_mtime_ns,
                facts.st_ctime_ns,
            )
        return found, time.monotonic() - start


def _differences(before: Snapshot, after: Snapshot) -> set[str]:
    """The paths that are told: of an extra file the last part of its key."""
    keys = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    return {key.rpartition("\0")[2] for key in keys}
