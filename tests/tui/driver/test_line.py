"""The whole workbench on a pseudoterminal: as few bytes as promised, and the screen that Textual meant."""

from __future__ import annotations

import signal
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tui.driver.emulator import Terminal
from tests.tui.driver.line import COLUMNS, ROWS, Line
from tests.tui.driver.scenes import GOALS, scenes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the driver is for Linux"),
]


class Watched:
    """A line, and what Textual gave its driver to write: the output of the stock driver, byte for byte."""

    def __init__(self, folder: Path) -> None:
        self._raw = folder / "raw"
        self._raw.touch()
        self.line = Line(folder, raw=self._raw)
        self.stock, self.ours = Terminal(COLUMNS, ROWS), Terminal(COLUMNS, ROWS)
        self._seen = [0, 0]

    def new(self) -> tuple[bytes, bytes]:
        """What was given and what was sent since the last call."""
        all_of = (self._raw.read_bytes(), self.line.written)
        since = (all_of[0][self._seen[0] :], all_of[1][self._seen[1] :])
        self._seen = [len(all_of[0]), len(all_of[1])]
        return since

    def show(self) -> tuple[int, int]:
        """Puts both on their screens; how much each was."""
        given, sent = self.new()
        self.stock.show(given.decode())
        self.ours.show(sent.decode())
        return len(given), len(sent)

    def settle(self) -> tuple[int, int]:
        """The same, and a second look where the last frame is on its way still (on a busy machine)."""
        given, sent = self.show()
        end = time.monotonic() + 5
        while self.ours.cells() != self.stock.cells() and time.monotonic() < end:
            self.line.read(0.2)
            more = self.show()
            given, sent = given + more[0], sent + more[1]
        return given, sent

    def resize(self, columns: int, rows: int) -> None:
        for screen in (self.stock, self.ours):
            screen.resize(rows, columns)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path)
    yield watched
    watched.line.close()


def test_few_bytes_and_the_same_screen(watched: Watched) -> None:
    for name, count in scenes(watched.line):
        if name == "another size":
            watched.resize(100, 30)
        given, sent = watched.settle()
        assert watched.ours.texts() == watched.stock.texts(), name
        assert watched.ours.cells() == watched.stock.cells(), name
        assert watched.ours.at() == watched.stock.at(), name
        if name.startswith("idle"):
            assert count == 0
        if name in GOALS:
            assert sent * GOALS[name] < given * 2, f"{name}: {sent} bytes, where stock writes {given}"
        if name == "a key in the editor":
            assert count < 600
    assert "file_" in "".join(watched.ours.texts()), "the screen shows something"


def test_a_key_is_answered_on_a_slow_line_with_a_busy_log(tmp_path: Path) -> None:
    """20 KB a second, and 2,000 lines a second that the screen follows."""
    line = Line(tmp_path)
    try:
        line.until(lambda seen: b"file_01.txt" in seen, "the tree of the context", quiet=1.5)
        line.rate = 20_000
        line.send("\x1b[15~")
        start, end = len(line.written), time.monotonic() + 20
        while b"object_" not in line.written[start:]:
            assert time.monotonic() < end, "the log"
            line.read(0.05)
        waits = []
        for key in "QZYWV":
            before, pressed = len(line.written), time.monotonic()
            line.send(key)
            while key.encode() not in line.written[before:]:
                assert time.monotonic() < pressed + 5, f"no answer to {key}"
                line.read(0.01)
            waits.append(time.monotonic() - pressed)
            line.read(0.1)
    finally:
        line.close()
    assert statistics.median(waits) < 0.5, waits


def test_stop_continue_and_quit(watched: Watched) -> None:
    line = watched.line
    line.until(lambda data: len(data) > 5000, "the first screen", quiet=1.5)
    watched.show()
    before = watched.ours.cells()

    start = len(line.written)
    line.process.send_signal(signal.SIGTSTP)
    _until_stopped(line)
    line.read(0.2)
    assert line.written[start:].endswith(b"\x1b[?1049l\x1b[?25h\x1b[?1004l")
    line.process.send_signal(signal.SIGCONT)
    line.until(lambda data: b"\x1b[?1049h" in data, "the screen again")
    watched.show()
    assert watched.ours.cells() == before, "nobody has to ask for a repaint"

    line.send("\x11")
    while line.read(5):
        pass
    line.process.wait(10)
    given, sent = watched.new()
    assert line.process.returncode == 0
    ending = given[given.rindex(b"\x1b[?2004l") :]
    at = sent.rindex(b"\x1b[?2004l")
    assert sent[at:].replace(b"\x1b[m", b"") == ending, "the terminal is left as the stock driver leaves it"


def _until_stopped(line: Line) -> None:
    end = time.monotonic() + 10
    while Path(f"/proc/{line.process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < end, "stopped"
        line.read(0.05)
