"""What both drivers send, replayed through an emulator, shows the same screen after every frame.

The emulator is pyte with its faults put right (see emulator.py); frames of plain text, which it has right, are also
replayed through pyte as it is.
"""

from __future__ import annotations

import pyte
import pytest

from tests.tui.driver.emulator import OldTerminal, Terminal
from tests.tui.driver.frames import Frames
from workbench.tui.driver.clusters import alike
from workbench.tui.driver.grid import UNKNOWN
from workbench.tui.driver.shadow import Shadow

FRAMES = {(80, 24): 30, (140, 45): 20, (40, 10): 40, (200, 60): 12}
SIZES = list(FRAMES)
DEPTHS = ["standard", "256", "truecolor"]


def replay(seed: int, width: int, height: int, depth: str, count: int) -> None:
    """Compares the screens after each of `count` frames."""
    frames = Frames(seed, width, height, depth)
    shadow = Shadow(width, height)
    shadow.feed("\x1b[?1049h")
    stock, ours = Terminal(width, height), Terminal(width, height)
    for number in range(count):
        data = frames.next()
        at_once = shadow.feed(data)
        frame = shadow.frame()
        stock.show(data)
        ours.show(frame)
        where = f"frame {number} of seed {seed} at {width}x{height} in {depth}"
        assert at_once == "", where
        assert ours.texts() == stock.texts(), where
        assert ours.cells() == stock.cells(), where
        assert ours.at() == stock.at(), where
        target = ["".join(" " if text is UNKNOWN else text for text in row) for row in shadow.target.texts]
        assert target == stock.texts(), where
    assert shadow.frame() == "", "a frame that changes nothing is nothing"


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: "{}x{}".format(*size))
def test_both_drivers_show_the_same(size: tuple[int, int], depth: str) -> None:
    replay(1, *size, depth, FRAMES[size])


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: "{}x{}".format(*size))
def test_both_drivers_show_the_same_over_many_frames(size: tuple[int, int], depth: str) -> None:
    for seed in range(2, 10):
        replay(seed, *size, depth, FRAMES[size])


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "{}x{}".format(*size))
def test_pyte_as_it_is_shows_the_target(size: tuple[int, int]) -> None:
    """Stock output leaves halves of wide characters in pyte, ours does not: so this compares with the target."""
    frames = Frames(99, *size, "256", plain=True)
    shadow = Shadow(*size)
    shadow.feed("\x1b[?1049h")
    screen = pyte.Screen(*size)
    screen.reset_mode(7, private=True)
    stream = pyte.Stream(screen)
    for _ in range(8):
        shadow.feed(frames.next())
        stream.feed(shadow.frame())
        rows = [[screen.buffer[y][x].data for x in range(size[0])] for y in range(size[1])]
        assert rows == shadow.target.texts


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "{}x{}".format(*size))
def test_where_the_terminal_thinks_otherwise_of_a_width_only_that_cell_is_wrong(size: tuple[int, int]) -> None:
    frames = Frames(7, *size, "256")
    shadow = Shadow(*size)
    shadow.feed("\x1b[?1049h")
    screen = OldTerminal(*size)
    for number in range(12):
        shadow.feed(frames.next())
        screen.show(shadow.frame())
        for y, row in enumerate(shadow.target.texts):
            for x, text in enumerate(row):
                if text and alike(text):
                    assert screen.buffer[y][x].data == text, f"frame {number}, column {x}, row {y}: {row!r}"
