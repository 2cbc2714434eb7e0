"""How a pull or a push goes on, on stderr: lines, and on a terminal the bytes on a line that is written over."""

from __future__ import annotations

import contextlib
import sys
import threading

from workbench.build.format import human_size
from workbench.build.talk import Talk
from workbench.build.text import one_line
from workbench.cli import output

_ERASE = "\r\x1b[2K"


class Teller:
    """`talk` is given to a transfer; `close` takes the line of bytes away. From any thread."""

    def __init__(self, *, quiet: bool) -> None:
        self._terminal = output.is_terminal(sys.stderr)
        self._lock = threading.Lock()
        self._shown = False
        self.talk = Talk() if quiet else Talk(self._progress, self._say)

    def _say(self, line: str) -> None:
        with self._lock:
            self._erase()
            self._write(f"{one_line(line)}\n")

    def _progress(self, current: int, total: int) -> None:
        if not self._terminal:
            return
        with self._lock:
            self._erase()
            share = f" ({current * 100 // total}%)" if total else ""
            self._write(f"{human_size(current)} of {human_size(total)}{share}")
            self._shown = True

    def close(self) -> None:
        with self._lock:
            self._erase()

    def _erase(self) -> None:
        if self._shown:
            self._write(_ERASE)
            self._shown = False

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a stderr that is gone ends no transfer
            sys.stderr.write(text)
            sys.stderr.flush()
