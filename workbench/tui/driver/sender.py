"""A thread that writes to the terminal, so that a slow line does not hold up the screen's loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TextIO


class Sender(threading.Thread):
    """Writes what it is given, in order. `put` may be called from any thread and from a signal handler.

    Once the terminal is gone nothing more is written: the hangup itself reaches the app by a signal.
    """

    def __init__(self, file: TextIO) -> None:
        super().__init__(daemon=True, name="workbench-output")
        self._file = file
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._writing = False
        self.gone = False
        self.when_idle: Callable[[], None] | None = None
        """Called once, by this thread, when it is not busy any more."""

    @property
    def busy(self) -> bool:
        """Whether the terminal has not taken yet all that was put."""
        return self._writing or not self._queue.empty()

    def put(self, text: str) -> None:
        self._queue.put(text)

    def stop(self) -> None:
        """Writes what is left, and ends."""
        self._queue.put(None)
        self.join()

    def run(self) -> None:
        while (text := self._queue.get()) is not None:
            self._writing = True
            try:
                if not self.gone:
                    self._file.write(text)
                    self._file.flush()
            except (OSError, ValueError):  # a hangup; a file that was closed
                self.gone = True
            finally:
                self._writing = False
            if self._queue.empty() and (told := self.when_idle) is not None:
                self.when_idle = None
                told()
