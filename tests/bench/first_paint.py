"""First paint of the workbench on a terminal, against that of a bare Textual app with one label.

Goals: at most 1.3 times until the Dockerfile and the context's tree are shown, and at most 3 times until the panels
are there and take keys. Both are started in a pseudoterminal of 140 by 45; the clock runs from the start of the process
until the text is on the screen. Run it: python tests/bench/first_paint.py
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


def paints(command: Sequence[str], env: dict[str, str], *marks: bytes) -> list[float]:
    """Seconds from the start of `command` to each of the marks on its screen."""
    started = Started(command, env)
    try:
        return [started.seconds_until(mark) for mark in marks]
    finally:
        started.end()


def start_once(command: Sequence[str], env: dict[str, str], seen: Path) -> None:
    """Until the workbench has kept what the context's tree looks like."""
    started = Started(command, env)
    try:
        started.seconds_until(b"saved r1")
        end = time.monotonic() + PATIENCE
        while not any(seen.glob("*.json")):
            if time.monotonic() > end:
                sys.exit(f"nothing was kept in {seen}")
            time.sleep(0.05)
    finally:
        started.end()


def both(command: Sequence[str], env: dict[str, str]) -> tuple[float, float]:
    """Seconds from the start to the Dockerfile's last line and the tree's last file, and to the panels."""
    line, file, panels = paints(command, env, b'"sh"', b"busybox.tar.xz", b"saved r1")
    return max(line, file), panels


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
        (context / "busybox.tar.xz").touch()
        start_once(ours, env, home / "state" / "workbench" / "seen")
        paints(theirs, env, b"painted")
        runs = [(*both(ours, env), *paints(theirs, env, b"painted")) for _ in range(RUNS)]
    first, panels, theirs_first = (statistics.median(column) for column in zip(*runs, strict=True))
    rows = [
        Row("Dockerfile and tree / a bare Textual app", first, theirs_first, 1.3),
        Row("panels that take keys / a bare Textual app", panels, theirs_first, 3.0),
    ]
    print_table(f"First paint, median of {RUNS}", rows)


if __name__ == "__main__":
    main()
