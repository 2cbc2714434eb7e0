"""How much is below the folders that are not sent: what a scan passes over, walked later and remembered for a while."""

from __future__ import annotations

import time
from collections.abc import Callable

from workbench.context.ignore import IgnoreRules
from workbench.context.scan import Scan
from workbench.context.scan import scan as read
from workbench.dataclass import dataclass

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
                below = read(scan.root, IgnoreRules(), cancel=cancel, below=entry)
                known = self._known[entry] = (now, Weight(below.files, below.bytes))
            found[entry] = known[1]
        return found
