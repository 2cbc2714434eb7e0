"""First paint of the workbench on a terminal, against that of a bare Textual app with one label.

Goal: at most 1.3 times. Both are started in a pseudoterminal of 140 by 45; the clock runs from the start of the
process until the first text that only a painted screen has. Run it: python tests/bench/first_paint.py
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from pathlib import Path

from table import Row, print_table

RUNS = 11
COLUMNS, ROWS = 140, 45
PATIENCE = 30.0

BARE = """\
from textual.app import App
from textual.widgets import Label

class Bare(App):
    def compose(self):
        yield Label("painted")

Bare().run()
"""


class Started:
    """A program in a terminal of its own, and what it wrote so far."""

    def __init__(self, command: Sequence[str], env: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._began = time.perf_counter()
        self._process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True
        )
        os.close(slave)
        self.written = b""

    def seconds_until(self, mark: bytes) -> float:
        """How long after the start `mark` was written."""
        end = self._began + PATIENCE
        while mark not in self.written:
            ready, _, _ = select.select([self._master], [], [], max(0.0, end - time.perf_counter()))
            data = os.read(self._master, 1 << 16) if ready else b""
            if not data:
                sys.exit(f"{mark!r} was never painted:\n{self.written.decode('utf-8', 'replace')}")
            self.written += data
        return time.perf_counter() - self._began

    def end(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._master)


def first_paint(command: Sequence[str], mark: bytes, env: dict[str, str]) -> float:
    """Seconds from the start of `command` to `mark` on its screen."""
    started = Started(command, env)
    try:
        return started.seconds_until(mark)
    finally:
        started.end()


def environment(home: Path) -> dict[str, str]:
    """A user who has nothing set, on a terminal with all colours."""
    own = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CONFIG", "STATE", "DATA")}
    unwanted = ("WORKBENCH_", "DOCKER_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return {**kept, **own, "TERM": "xterm-256color", "COLORTERM": "truecolor"}


def main() -> None:
    workbench = str(Path(sys.executable).with_name("workbench"))
    samples = Path(__file__).resolve().parents[2] / "sample_contexts"
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        context = shutil.copytree(samples / "genesis", home / "genesis")
        bare = home / "bare.py"
        bare.write_text(BARE)
        env = environment(home)
        ours = [workbench, "--engine", "embedded", "--watch=false", str(context)]
        theirs = [sys.executable, str(bare)]
        first_paint(ours, b"saved r1", env), first_paint(theirs, b"painted", env)
        pairs = [(first_paint(ours, b"saved r1", env), first_paint(theirs, b"painted", env)) for _ in range(RUNS)]
    medians = (statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs))
    print_table(f"First paint, median of {RUNS}", [Row("the workbench / a bare Textual app", *medians, 1.3)])


if __name__ == "__main__":
    main()
