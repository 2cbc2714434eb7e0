"""A line with the measured workbench at its other end: what it sends is kept and counted."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.tui.stage import make_context

REPOSITORY = Path(__file__).resolve().parents[3]
COLUMNS, ROWS = 120, 40
DOCKERFILE = "FROM scratch\nADD busybox.tar.xz /\nRUN make\n" + "ENV A=b\n" * 20


class Line:
    """A pseudoterminal of 120 by 40 that answers for synchronised output, as most terminals do. Close it."""

    def __init__(
        self,
        folder: Path,
        *,
        stock: bool = False,
        raw: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        context = make_context(folder / "context", DOCKERFILE)
        for number in range(40):
            (context / f"file_{number:02}.txt").write_text("x")
        own = {f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CONFIG", "STATE", "DATA")}
        unwanted = ("WORKBENCH_", "TEXTUAL", "COLUMNS", "LINES", "NO_COLOR")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        env = {**kept, **own, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
        env.update(environment or {})
        if stock:
            env["WORKBENCH_DRIVER"] = "stock"
        self.rate: int | None = None
        """Bytes a second that the line carries; None is as many as come."""
        self._free_at = 0.0
        self._master, slave = pty.openpty()
        self.written = b""
        self._set_size(COLUMNS, ROWS)
        command = [sys.executable, "-m", "tests.tui.driver.measured", str(context), *([str(raw)] if raw else [])]
        self.process = subprocess.Popen(
            command, cwd=REPOSITORY, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)

    def read(self, seconds: float) -> bytes:
        """What comes within that time; less where the other end hangs up."""
        start, end = len(self.written), time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and self._piece(left):
            pass
        return self.written[start:]

    def until(self, done: Callable[[bytes], object], what: str, *, quiet: float = 0.4, timeout: float = 40) -> bytes:
        """What comes until it satisfies `done` and then nothing has come for `quiet` seconds."""
        start, end = len(self.written), time.monotonic() + timeout
        while self._piece(quiet) or not done(self.written[start:]):
            assert time.monotonic() < end and self.process.poll() is None, f"{what}: did not come, or did not end"
        return self.written[start:]

    def _piece(self, patience: float) -> bytes:
        """What comes next; nothing where that takes too long, or the other end hung up."""
        if not select.select([self._master], [], [], patience)[0]:
            return b""
        if self.rate:
            time.sleep(max(0.0, self._free_at - time.monotonic()))
        try:
            data = os.read(self._master, 256 if self.rate else 1 << 16)
        except OSError:  # how Linux tells a hangup
            return b""
        if self.rate:
            self._free_at = max(self._free_at, time.monotonic() - 0.05) + len(data) / self.rate
        self.written += data
        if b"\x1b[?2026$p" in data:
            os.write(self._master, b"\x1b[?2026;2$y")
        return data

    def press(self, keys: str, *, quiet: float = 0.4) -> bytes:
        """What comes for some keys."""
        os.write(self._master, keys.encode())
        return self.until(bool, f"an answer to {keys!r}", quiet=quiet)

    def send(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def resize(self, columns: int, rows: int) -> bytes:
        """What comes for another size."""
        self._set_size(columns, rows)
        self.process.send_signal(signal.SIGWINCH)
        return self.until(bool, "another size")

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)
