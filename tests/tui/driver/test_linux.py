"""When frames go out: the first at once, the next ones together, and none that a slow line would only queue up."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.geometry import Size

from tests.tui.driver.emulator import Terminal
from tests.tui.driver.frames import Frames
from tests.tui.stage import make_app, make_context
from workbench.tui import driver
from workbench.tui.driver import linux
from workbench.tui.driver.browser import BrowserDriver
from workbench.tui.driver.linux import ShadowDriver
from workbench.tui.driver.sender import Sender

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the driver is for Linux")
WIDTH, HEIGHT = 80, 24


class App:
    """As much of an app as a driver looks at."""

    size = Size(WIDTH, HEIGHT)
    _thread_id = threading.get_ident()


class Stage:
    """A driver that draws on a pseudoterminal, and what arrives at its other end."""

    def __init__(self) -> None:
        self.driver = ShadowDriver(App(), size=(WIDTH, HEIGHT))  # type: ignore[arg-type]
        self.sender = self.driver._sender = Sender(self.driver._file)  # type: ignore[arg-type]
        self.sender.start()
        self.driver.write("\x1b[?1049h")

    def draw(self, data: str) -> None:
        """As Textual draws: a write, and a flush after it."""
        self.driver.write(data)
        self.driver.flush()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The other end of a pseudoterminal that this process has as its own."""
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTSTP, signal.SIGCONT)}
    with open(slave, closefd=False) as keys, open(slave, "w", encoding="utf-8") as screen:
        monkeypatch.setattr(sys, "__stdin__", keys)
        monkeypatch.setattr(sys, "__stderr__", screen)
        yield master
    for number, handler in handlers.items():
        signal.signal(number, handler)
    os.close(master)


async def read_until(master: int, done: Callable[[str], object], seconds: float = 10) -> str:
    read, end = b"", time.monotonic() + seconds
    while not done(read.decode("utf-8", "ignore")):
        assert time.monotonic() < end, read
        try:
            read += os.read(master, 1 << 16)
        except BlockingIOError:
            await asyncio.sleep(0.005)
    return read.decode()


async def test_the_first_frame_goes_at_once_and_the_next_ones_together(
    terminal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage()
    at_rest = lambda _: not (stage.sender.busy or stage.driver._shadow.waiting)  # noqa: E731
    await read_until(terminal, at_rest)
    monkeypatch.setattr(linux, "FRAME", 0.5)
    stage.driver._next_frame = 0.0
    began = time.monotonic()
    for text in ("first", "second", "third", "fourth"):
        stage.draw(f"\x1b[2;1H{text}{' ' * 10}\x1b[H")
    seen = await read_until(terminal, lambda seen: "first" in seen)
    seen += await read_until(terminal, lambda seen: "ourth" in seen)
    assert time.monotonic() - began >= 0.4
    assert "second" not in seen and "third" not in seen
    assert at_rest(seen), "nothing is left to send"
    stage.driver.close()


async def test_what_no_flush_follows_is_sent_as_well(terminal: int) -> None:
    stage = Stage()
    stage.driver.write("\x1b[2;1Hlonely")
    await read_until(terminal, lambda seen: "lonely" in seen)
    stage.driver.close()


async def test_a_line_that_takes_nothing_gets_the_last_state_and_not_all_before(
    terminal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linux, "FRAME", 0.0)
    stage = Stage()
    frames = Frames(5, WIDTH, HEIGHT, "truecolor")
    put: list[str] = []
    monkeypatch.setattr(stage.sender, "put", lambda text: (put.append(text), Sender.put(stage.sender, text)))
    for _ in range(200):
        stage.draw(frames.next())
        await asyncio.sleep(0)
    assert stage.sender.busy and len(put) < 20, "a pseudoterminal takes some kilobytes"
    stage.draw("\x1b[1;1HEND\x1b[24;80H")
    seen = await read_until(terminal, lambda _: not (stage.sender.busy or stage.driver._shadow.waiting))
    target = ["".join(text or "" for text in row) for row in stage.driver._shadow.target.texts]

    def shows_the_target(more: str) -> bool:
        screen = Terminal(WIDTH, HEIGHT)
        screen.show((seen + more).replace("\r\r\n", "\r\n"))
        return screen.texts() == target

    await read_until(terminal, shows_the_target)
    assert target[0].startswith("END")
    stage.driver.close()


async def test_closing_writes_what_is_left_and_a_terminal_that_is_gone_does_no_harm(terminal: int) -> None:
    stage = Stage()
    stage.driver.write("\x1b[2;1Hleft\x1b[?1049l")
    stage.driver.close()
    assert "left" in await read_until(terminal, lambda seen: seen.endswith("\x1b[?1049l"))
    stage.driver.write("\x1b[?25h")

    class Gone:
        def write(self, text: str) -> None:
            raise OSError(5, "Input/output error")

    sender: Any = Sender(Gone())  # type: ignore[arg-type]
    sender.start()
    sender.put("x")
    sender.put("y")
    sender.stop()
    assert sender.gone


async def test_another_size_repaints_even_where_textual_does_not(
    terminal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage()
    stage.draw("\x1b[2;1Hhello\x1b[H")
    await read_until(terminal, lambda seen: "hello" in seen)
    stage.driver._forget_size()
    await read_until(terminal, lambda seen: "hello" in seen)
    stage.driver.close()


def test_it_is_chosen_on_a_terminal(terminal: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WORKBENCH_DRIVER", raising=False)
    monkeypatch.delenv("TEXTUAL_DRIVER", raising=False)
    assert driver.choose() is ShadowDriver
    assert make_app(make_context(tmp_path / "context")).driver_class is ShadowDriver
    with monkeypatch.context() as other:
        other.setenv("WORKBENCH_DRIVER", "stock")
        assert driver.choose() is None
    with monkeypatch.context() as other:
        other.setenv("TEXTUAL_DRIVER", "somebody.elses:Driver")
        assert driver.choose() is None
        other.setenv("TEXTUAL_DRIVER", "textual.drivers.web_driver:WebDriver")
        assert driver.choose() is BrowserDriver
    with monkeypatch.context() as other, open(os.devnull) as nothing:
        other.setattr(sys, "__stdin__", nothing)
        assert driver.choose() is None
