"""The live loop as a display uses it, wherever it runs: in the display's process, or in one that outlives it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Protocol

from workbench.build.engine import Engine
from workbench.build.events import BuildEvent
from workbench.build.loop import LoopState, Mode
from workbench.build.request import BuildRequest


class Loop(Protocol):
    """See `build.loop.LiveLoop` for what each does. `engine` may be set between builds."""

    engine: Engine

    @property
    def state(self) -> LoopState: ...

    @property
    def outlives(self) -> bool:
        """Whether `leave` leaves a running build running."""
        ...

    @property
    def keeps_records(self) -> bool:
        """Whether finished builds come into the history without the display's doing."""
        ...

    async def run(self, *, build_first: bool = False) -> None: ...

    def build_now(self) -> None: ...

    def cancel(self) -> None: ...

    def set_watching(self, on: bool) -> None: ...

    def set_mode(self, mode: Mode) -> None: ...

    def attend(self) -> None: ...

    def made_from(self) -> Awaitable[tuple[str | None, str]]: ...

    async def stop(self) -> None: ...

    async def leave(self, *, dropped: bool = False) -> None:
        """Ends this display's part, and cancels the build only where it cannot go on without. `dropped`: the line to
        the person broke, for which the configuration has a rule."""
        ...


class MakeLoop(Protocol):
    """Makes a loop; `on_told` gets what a person should know of the loop itself."""

    def __call__(
        self,
        engine: Engine,
        make_request: Callable[[], BuildRequest],
        *,
        quiet: float,
        watching: bool,
        on_focus: bool,
        own: Iterable[Path],
        on_event: Callable[[int, BuildEvent], None],
        on_state: Callable[[LoopState], None],
        on_told: Callable[[str], None],
    ) -> Loop: ...
