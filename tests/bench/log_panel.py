"""A log of a million lines in the build panel: how fast it goes in, what it keeps, and what a key waits for meanwhile.

Goals: at least 300,000 lines a second from the events to the panel; memory below 1.5 times the bytes of the lines and
50 MB; while 100,000 lines a second arrive, a key in the editor is on the screen with p99 below 3 times the idle p99.
Run it: python tests/bench/log_panel.py
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import AsyncIterator
from pathlib import Path

from table import Row, print_table
from textual.app import App, ComposeResult

from workbench.build.events import BuildEvent, BuildFinished, BuildStarted, PlannedStep, StepLog, StepStarted
from workbench.build.progress import BuildProgress
from workbench.build.request import BuildRequest
from workbench.config import Config
from workbench.engines.replay import ReplayEngine
from workbench.tui.app import WorkbenchApp
from workbench.tui.widgets.build_panel import BuildPanel

LINES = 1_000_000
RATE = 100_000
PER_EVENT = 100
"""Lines of one event: engines read a pipe in pieces of some kilobytes."""
SHOWS = 12
"""Times a second that the panel is told."""
KEYS = 200
PLAN = (PlannedStep(1, "FROM scratch", 1, 1), PlannedStep(2, "RUN make", 2, 2))
BEGINNING: list[BuildEvent] = [
    BuildStarted(build="b", engine="embedded", steps=PLAN),
    StepStarted(step=2, total=2, text="RUN make", line=2, end_line=2),
]
LETTERS = "абвгдежзиклмнопрстуф"
"""What is typed, one after the other: no line of the log has them, nor has any control sequence."""


def piece(first: int) -> str:
    return "".join(
        f"[{number:8d}] cc -O2 -c src/module_{number % 97}.c -o build/module.o\n"
        for number in range(first, first + PER_EVENT)
    )


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


class Host(App[None]):
    def compose(self) -> ComposeResult:
        yield BuildPanel()


async def fill() -> tuple[float, int, int]:
    """Seconds for all lines to be in the panel, their bytes, and the bytes that the process grew by."""
    app = Host()
    async with app.run_test(size=(140, 45)) as pilot:
        panel, progress = app.query_one(BuildPanel), BuildProgress().apply_all(BEGINNING)
        panel.show(progress, 0.0)
        await pilot.pause()
        before, total, seconds = resident(), 0, 0.0
        told = 0
        for first in range(0, LINES, PER_EVENT):
            text = piece(first)  # an engine's work, and not counted
            total += len(text)
            start = time.perf_counter()
            progress.apply(StepLog(step=2, text=text))
            if first * SHOWS >= (told + 1) * RATE * 3:
                told += 1
                panel.show(progress, 0.0)
                await asyncio.sleep(0)
            seconds += time.perf_counter() - start
        start = time.perf_counter()
        panel.show(progress, 0.0)
        while panel.log_view.line_count < LINES:
            await asyncio.sleep(0)
        await pilot.pause()
        seconds += time.perf_counter() - start
        return seconds, total, resident() - before


class Busy(ReplayEngine):
    """Builds without an end, `rate` lines a second."""

    def __init__(self, rate: int) -> None:
        super().__init__([])
        self._rate = rate

    async def build(self, request: BuildRequest) -> AsyncIterator[BuildEvent]:
        pieces = [piece(first) for first in range(0, 100_000, PER_EVENT)]
        for event in BEGINNING:
            yield event
        start, sent = time.monotonic(), 0
        while True:
            while sent < (time.monotonic() - start) * self._rate:
                yield StepLog(step=2, text=pieces[sent // PER_EVENT % len(pieces)])
                sent += PER_EVENT
            await asyncio.sleep(0.002)
        yield BuildFinished(outcome="succeeded")


def run_busy(rate: int, context: Path) -> None:
    """The whole app on this terminal."""
    WorkbenchApp(Busy(rate), context, Config(), request=BuildRequest(context=context), watch=True).run()


def key_times(rate: int) -> list[float]:
    """Seconds from each key to its letter on the terminal."""
    with tempfile.TemporaryDirectory() as name:
        context = Path(name) / "context"
        context.mkdir()
        (context / "Dockerfile").write_text("FROM scratch\nRUN make\n")
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 45, 140, 0, 0))
        env = {**os.environ, "TERM": "xterm-256color", "XDG_STATE_HOME": f"{name}/state", "LC_ALL": "C.UTF-8"}
        command = [sys.executable, __file__, "busy", str(rate), str(context)]
        process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True)
        os.close(slave)
        try:
            os.write(master, b"#\xd1\x89\r")
            _read_until(master, b"\xd1\x89", 30.0)  # keys wait for the panels
            _drain(master, 2.0)
            times = []
            for number in range(KEYS):
                letter = LETTERS[number % len(LETTERS)]
                if letter == LETTERS[0]:
                    os.write(master, b"\r")
                    _drain(master, 0.3)
                _drain(master, 0.05)
                start = time.perf_counter()
                os.write(master, letter.encode())
                _read_until(master, letter.encode(), 10.0)
                times.append(time.perf_counter() - start)
            return times
        finally:
            process.kill()
            process.wait()
            os.close(master)


def _drain(master: int, seconds: float) -> None:
    end = time.perf_counter() + seconds
    while (left := end - time.perf_counter()) > 0:
        if select.select([master], [], [], left)[0]:
            os.read(master, 65536)


def _read_until(master: int, mark: bytes, seconds: float) -> None:
    end, seen = time.perf_counter() + seconds, b""
    while mark not in seen:
        if not select.select([master], [], [], max(0.0, end - time.perf_counter()))[0]:
            sys.exit(f"{mark!r} did not come: {seen[-2000:]!r}")
        with contextlib.suppress(OSError):
            seen = seen[-len(mark) :] + os.read(master, 65536)


def main() -> None:
    if sys.argv[1:2] == ["busy"]:
        run_busy(int(sys.argv[2]), Path(sys.argv[3]))
        return
    seconds, size, grown = asyncio.run(fill())
    bound = 1.5 * size + 50e6
    print(f"{LINES / seconds:,.0f} lines a second; {size / 1e6:.0f} MB of lines in {grown / 1e6:.0f} MB of memory")
    print(f"  goal: below {bound / 1e6:.0f} MB: {'met' if grown < bound else 'NOT MET'}")
    p99s = []
    for rate in (0, RATE):
        times = sorted(key_times(rate))
        p99s.append(times[int(len(times) * 0.99)])
        print(f"{rate:,} lines a second: key p50 {statistics.median(times) * 1e3:.1f} ms, p99 {p99s[-1] * 1e3:.1f} ms")
    rows = [
        Row(f"{LINES:,} lines into the panel / at 300,000 a second", seconds, LINES / 300_000, 1.0),
        Row(f"key p99 at {RATE:,} lines a second / idle", p99s[1], p99s[0], 3.0),
    ]
    print_table("The log in the build panel", rows)


if __name__ == "__main__":
    main()
