"""How much is below the folders that are not sent: what a scan passes over, walked later and remembered for a while."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass

from workbench.context.scan import Cancelled, Scan

_GOOD_FOR = 30.0
"""Seconds: nothing tells when something changes below a folder that is not watched."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What a walk found below a folder. Of a file with several names there, each counts."""

    files: int
    bytes: int


class Weigher:
    """Remembers what it walked."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Weight]] = {}

    def weigh(self, scan: Scan, cancel: Callable[[], bool]) -> dict[str, Weight]:
        """The weight of each folder that the scan did not go into, by its path. Blocks. Raises Cancelled."""
        found: dict[str, Weight] = {}
        now = time.monotonic()
        for entry in scan.closed_folders():
            known = self._known.get(entry)
            if known is None or now - known[0] > _GOOD_FOR:
                known = now, _walk(os.path.join(os.fspath(scan.root), entry), cancel)  # noqa: PTH118
                self._known[entry] = known
            found[entry] = known[1]
        return found


def _walk(folder: str, cancel: Callable[[], bool]) -> Weight:
    files = size = 0
    waiting = [folder]
    while waiting:
        if cancel():
            raise Cancelled
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                        continue
                    facts = entry.stat(follow_symlinks=False)
                    files += 1
                    size += facts.st_size if stat.S_ISREG(facts.st_mode) else 0
        except OSError:
            continue  # what cannot be read has no weight that anybody could tell
    return Weight(files, size)
