"""Finds an engine that hangs in the middle of a build: a step may be silent for hours, the engine itself may not."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from workbench.engines.hanging import pause, silent
from workbench.errors import EngineLost, EngineUnavailable

if TYPE_CHECKING:
    from workbench.engines.docker.client import Client


class Watchdog:
    """Asks the engine behind a client for its version, on a connection of its own, as long as a build lasts.

    Where no answer comes within `patience` seconds it sets `verdict` and shuts the client's connections, which ends
    the build. An engine that goes away outright is seen by the build itself.
    """

    def __init__(self, client: Client, patience: float) -> None:
        self._client = client
        self._patience = patience
        self._ended = threading.Event()
        self.verdict: EngineLost | None = None

    def start(self) -> None:
        threading.Thread(target=self._run, name="docker watchdog", daemon=True).start()

    def end(self) -> None:
        """Asks no more. A question that waits is left to its time."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(pause(self._patience)):
            if self._hangs() and not self._ended.is_set():
                self.verdict = silent(self._client.address, self._patience)
                self._client.abort()
                return

    def _hangs(self) -> bool:
        from workbench.engines.docker.client import Client, timed_out

        try:
            with contextlib.closing(Client(self._client.address, timeout=self._patience)):
                return False
        except EngineUnavailable as error:
            return timed_out(error)
