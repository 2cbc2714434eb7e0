"""Says when the images of a Docker Engine may have changed, from its `/events`, without asking again and again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench.engines.address import Address
from workbench.engines.docker.stream import read_objects
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.engines.docker.client import Client

# A build of the classic builder makes images without an event of theirs, but destroys the container of each step.
# What else happens to a container changes what an image is in use by.
_EVENTS = ("tag", "untag", "delete", "load", "import", "pull", "prune", "commit",
           "create", "start", "die", "pause", "unpause", "rename", "destroy")  # fmt: skip
_PAUSES = (0.2, 0.5, 1.0)
"""Seconds before a lost engine is tried again; the last one for ever. A try costs one connection that is refused."""
_PAUSES_SSH = (1.0, 2.0, 5.0)
"""Over ssh each try is a login."""


class Changes:
    """One subscription. `wait` returns when something happened since it last returned: to the images, or to the engine,
    which is there from now on, or no more."""

    def __init__(self, address: Callable[[], Address]) -> None:
        self._address = address
        self._loop = asyncio.get_running_loop()
        self._happened = asyncio.Event()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._there = False
        self._thread = threading.Thread(target=self._run, name="docker image events", daemon=True)

    async def wait(self) -> None:
        if self._thread.ident is None:
            self._thread.start()
        await self._happened.wait()
        self._happened.clear()

    def close(self) -> None:
        """Ends the subscription; its connection is closed at once."""
        with self._lock:
            self._closed.set()
            client, self._client = self._client, None
        if client is not None:
            client.abort()

    def _run(self) -> None:
        tries = 0
        while not self._closed.is_set():
            self._there = False
            with contextlib.suppress(WorkbenchError):
                self._listen()
            if self._there:
                tries = 0
                self._tell()
            self._closed.wait(self._pause(tries))
            tries += 1

    def _pause(self, tries: int) -> float:
        try:
            far = self._address().scheme == "ssh"
        except WorkbenchError:  # the Docker context is gone
            far = True
        pauses = _PAUSES_SSH if far else _PAUSES
        return pauses[min(tries, len(pauses) - 1)]

    def _listen(self) -> None:
        """Until the connection ends. Raises EngineUnavailable, EngineLost, ImageError, UsageError."""
        from workbench.engines.docker.calls import api_errors
        from workbench.engines.docker.client import Client

        with contextlib.closing(Client(self._address())) as client, api_errors(client.address):
            with self._lock:
                if self._closed.is_set():
                    return
                self._client = client
            wanted = {"type": ["image", "container"], "event": list(_EVENTS)}
            response = client.get_stream("/events", filters=json.dumps(wanted))
            self._there = True
            self._tell()
            for _ in read_objects(response):
                self._tell()

    def _tell(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens
            self._loop.call_soon_threadsafe(self._happened.set)
