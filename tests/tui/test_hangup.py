"""A terminal that goes away under the workbench: it ends at once, and the unsaved text is kept."""

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
from pathlib import Path

import pytest

from tests.tui.stage import RECORDINGS, make_context
from workbench.build import recovery


class Terminal:
    """The workbench on a pseudo terminal of 100x30, which is its controlling one or not."""

    def __init__(self, context: Path, *, controlling: bool, ignoring: bool) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))

        def prepare() -> None:
            if controlling:
                fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            if ignoring:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)

        env = {**os.environ, "TERM": "xterm-256color", "WORKBENCH_REPLAY": str(RECORDINGS / "genesis.jsonl")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "workbench", "--engine", "replay", str(context)],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True, preexec_fn=prepare, env=env,
        )  # fmt: skip
        os.close(slave)

    def until(self, text: bytes, seconds: float = 30) -> None:
        seen = b""
        end = time.monotonic() + seconds
        while text not in seen:
            assert time.monotonic() < end, f"{text!r} did not come: {seen[-2000:]!r}"
            if select.select([self.master], [], [], 0.2)[0]:
                seen += os.read(self.master, 65536)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("controlling", "ignoring"), [(True, False), (False, False), (True, True)], ids=["hup", "no-hup", "nohup"]
)
def test_the_workbench_ends_with_its_terminal(tmp_path: Path, controlling: bool, ignoring: bool) -> None:
    context = make_context(tmp_path / "lab")
    terminal = Terminal(context, controlling=controlling, ignoring=ignoring)
    try:
        terminal.until(b"built r1")
        os.write(terminal.master, b"# ")
        terminal.until(b"unsaved")
        os.close(terminal.master)
        assert terminal.process.wait(10) == 129
    finally:
        terminal.process.kill()
        terminal.process.wait()
    kept = recovery.offered(context / "Dockerfile")
    assert kept is not None and kept.text.startswith("# FROM")
