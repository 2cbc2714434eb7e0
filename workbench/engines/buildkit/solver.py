"""How a build is asked for: through BuildKit's Control service, or through the engine's `POST /build`.

Both answer with the same status messages and the same end, so that whoever follows a build need not know.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from grpclib.const import Status
from grpclib.exceptions import GRPCError

from workbench.engines.buildkit.control import Control

Solved = Mapping[str, str]
"""What the exporters answered: `containerimage.digest`, `containerimage.config.digest`, `cache.manifest`."""


class SolveFailed(Exception):
    """The build failed, in the engine's words. `gone` says that it was not the build but the engine that ended."""

    def __init__(self, message: str, *, gone: bool = False) -> None:
        super().__init__(message)
        self.gone = gone


class Solver(Protocol):
    """One build. `status` ends with it."""

    async def solve(self) -> Solved:
        """Raises SolveFailed, one of transport.LOSSES. Cancelling it cancels the build."""
        ...

    def status(self) -> AsyncIterator[Any]:
        """Each StatusResponse."""
        ...


class ControlSolver:
    """Solve and Status of the Control service."""

    def __init__(self, control: Control, message: Any) -> None:
        self._control = control
        self._message = message

    async def solve(self) -> Solved:
        try:
            return await self._control.solve(self._message)
        except GRPCError as error:
            gone = error.status in (Status.UNAVAILABLE, Status.CANCELLED)
            raise SolveFailed(str(error.message or error.status.name), gone=gone) from error

    def status(self) -> AsyncIterator[Any]:
        return self._control.status(self._message.Ref)


def image_of(solved: Solved) -> str:
    """The ID of the image that was made; empty where none was."""
    return solved.get("containerimage.digest") or solved.get("containerimage.config.digest", "")
