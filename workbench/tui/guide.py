"""Where the tour begins and ends: offered at the very first start, taken by a key, on a copy of the sample."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError
from workbench.tui.touring import Touring

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp
    from workbench.tui.tour import Tour
    from workbench.tui.widgets.tour_box import TourOffer


class Guide:
    """The tour of one app. `wanted` is the copy on which it is to be taken, once the app has ended."""

    def __init__(self, app: WorkbenchApp, touring: Touring) -> None:
        self._app = app
        self._touring = touring
        self._tour: Tour | None = None
        self._offer: TourOffer | None = None
        self.wanted: Path | None = None

    @property
    def on_tour(self) -> bool:
        return self._tour is not None

    async def begin(self) -> None:
        """After the panels are there: begins the tour, or offers it, or neither."""
        if self._touring.here:
            await self._start()
        elif self._touring.offer:
            from workbench.tui import keys
            from workbench.tui.widgets.tour_box import TourOffer

            text = keys.filled_in(self._app, "New here? {tour}: a tour of two minutes · escape: no, thanks")
            self._offer = TourOffer(text)
            await self._app.base.mount(self._offer, after="#workspace")

    def decline(self) -> None:
        """Takes the offer away, where it is."""
        if self._offer is not None:
            self._offer.remove()
            self._offer = None

    async def take_or_end(self) -> None:
        """Ends the tour, or takes it: here on a copy of the sample, else on a new copy after this app has ended."""
        self.decline()
        if self._tour is not None:
            await self._end()
        elif self._touring.here:
            await self._start()
        elif self._touring.make is None:
            self._app.notify("Start `workbench --tour` in a terminal.", title="No tour here", markup=False)
        else:
            await self._leave_for(self._touring.make)

    async def _leave_for(self, make: Callable[[], Path]) -> None:
        from workbench.tui import ending

        try:
            self.wanted = await asyncio.to_thread(make)
        except WorkbenchError as error:
            told = f"{error}\n{error.hint}".strip()
            self._app.notify(told, title="No tour", severity="error", markup=False, timeout=15)
            return
        if not await ending.leave(self._app):
            self.wanted = None

    def skip(self) -> None:
        """To the next step of the tour."""
        if self._tour is not None:
            self._tour.skip()

    async def _start(self) -> None:
        from workbench.tui.tour import Tour

        self._tour = Tour(self._app, lambda: self._app.work(self._end(), "tour", "end the tour"))
        await self._tour.start()

    async def _end(self) -> None:
        if self._tour is not None:
            tour, self._tour = self._tour, None
            await tour.end()
