"""What the command line knows of the tour, and the screen does not: where a copy of the sample comes from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from workbench.dataclass import dataclass

TAG = "workbench-tour"
"""The name of the tour's image: one of its own, because the tour deletes it."""


@dataclass(frozen=True, slots=True)
class Touring:
    """What the command line gives the app for the tour.

    `make` makes a copy of the sample and returns its folder; it blocks, and raises a WorkbenchError where it cannot.
    Without it there is no tour elsewhere. `here` says that the app stands on such a copy, and the tour begins at once.
    `offer` says that this is the first start of all.
    """

    make: Callable[[], Path] | None = None
    here: bool = False
    offer: bool = False


NO_TOUR = Touring()
