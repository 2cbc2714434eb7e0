"""Finds an engine that hangs in the middle of a build: a step may be silent for hours, the engine itself may not."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from workbench.errors import EngineLost, EngineUnavailable

if TYPE_CHECKING:
    from workbench.engines.docker.client import Client

_PAUSE = 15.0
"""Seconds between two questions, at most: over ssh each is a login."""


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
        while not self._ended.wait(min(_PAUSE, self._patience)):
            if self._hangs() and not self._ended.is_set():
                self.verdict = EngineLost(
                    f"the Docker Engine at {self._client.address.host} has not answered for {self._patience:g} s",
                    hint="It hangs, or the network does: see its log. How long to wait is engine_timeout"
                    " (WORKBENCH_ENGINE_TIMEOUT).",
                )
                self._client.abort()
                return

    def _hangs(self) -> bool:
        from workbench.engines.docker.client import Client, timed_out

        try:
            with contextlib.closing(Client(self._client.address, timeout=self._patience)):
                return False
        except EngineUnavailable as error:
            return timed_out(error)
