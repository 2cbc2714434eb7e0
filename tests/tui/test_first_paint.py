"""The first paint: what is known is shown before Textual is there, where the panels will be, and they go on with it."""

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
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest

from tests.tui.driver.emulator import Terminal
from tests.tui.stage import RECORDINGS, make_app, make_context, running, screen_text, until
from workbench.tui import driver
from workbench.tui.first_paint import FirstPaint, layout, picture
from workbench.tui.seen import Seen, colours_of, keep_seen, read_seen
from workbench.tui.widgets.context_rows import TreeRow
from workbench.tui.widgets.marks import mark_width

DOCKERFILE = "# check=skip=all\nFROM scratch\n" + "".join(f"COPY {n} /\t{n}\n" for n in range(12)) + "CMD\xa0é漢\n"
SEEN = Seen("Context  3 files", (TreeRow("▾ lab", "tree--root", "", "33B"), TreeRow("    old.py", "", "not sent", "")))


def shown(drawn: str, columns: int, rows: int) -> list[str]:
    terminal = Terminal(columns, rows)
    terminal.show(drawn)
    return terminal.texts()


@pytest.mark.parametrize(
    "size", [(140, 45), (121, 27), (203, 61), (120, 24), (80, 24), pytest.param((119, 50), marks=pytest.mark.slow)]
)
async def test_all_is_where_the_panels_then_have_it(tmp_path: Path, size: tuple[int, int]) -> None:
    context = make_context(tmp_path / "lab", DOCKERFILE)
    before = shown(picture(*size, context, "Dockerfile", Seen()), *size)
    app = make_app(context, watch=False)
    async with running(app, size, built=False) as pilot:
        await until(pilot, lambda: "FROM scratch" in screen_text(app), "the Dockerfile")
        now = screen_text(app).split("\n")
    for name, box in layout(*size).items():
        right, low = box.x + box.width - 1, box.y + box.height - 1
        for screen in (before, now):
            corners = screen[box.y][box.x], screen[box.y][right], screen[low][box.x], screen[low][right]
            assert corners == ("╭", "╮", "╰", "╯"), (name, box, *screen)
    box = layout(*size)["dockerfile"]
    rows = range(box.y + 1, box.y + 1 + min(len(DOCKERFILE.split("\n")), box.height - 5))
    left = box.x + 1 + mark_width(box.width - 2)
    for row in rows:
        assert before[row][left : left + 24] == now[row][left : left + 24], "\n".join([*before, *now])
    strips = [row for row in now if row.startswith(" alt+")]
    assert [row.split("  ")[0] for row in before if row.startswith(" alt+")] == [row.split("  ")[0] for row in strips]
    assert all(before[now.index(row)].startswith(row.split("  ")[0]) for row in strips)
    assert before[box.y].startswith("╭─ Dockerfile ─", box.x) and now[box.y].startswith("╭─ Dockerfile ─", box.x)


def test_the_tree_is_shown_as_it_was_seen_last(tmp_path: Path) -> None:
    context = make_context(tmp_path / "lab")
    keep_seen(context, SEEN)
    assert read_seen(context) == SEEN
    screen = shown(picture(140, 45, context, "Dockerfile", read_seen(context)), 140, 45)
    assert screen[1].startswith("╭─ Context  3 files ─") and screen[2].startswith("│▾ lab")
    assert "old.py" in screen[3] and "not sent" in screen[3]
    narrow = shown(picture(80, 24, context, "Dockerfile", read_seen(context)), 80, 24)
    assert [row.rstrip() for row in narrow[-4:-1]] == [" alt+1 Context  3 files", " alt+3 Build", " alt+4 Images"]


@pytest.mark.parametrize("broken", [b"", b"[]", b"{}", b'{"title": "", "rows": [1], "pens": {}, "terminal": ""}'])
def test_what_was_seen_and_cannot_be_read_is_nothing(tmp_path: Path, broken: bytes) -> None:
    context = make_context(tmp_path / "lab")
    keep_seen(context, SEEN)
    (kept,) = Path(os.environ["XDG_STATE_HOME"]).glob("workbench/seen/*.json")
    kept.write_bytes(broken)
    assert read_seen(context) == Seen()


def test_colours_are_those_of_the_terminal_they_were_seen_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = make_context(tmp_path / "lab")
    coloured = Seen(pens={"editor--keyword": "1;35"}, terminal=colours_of(os.environ))
    assert "\x1b[0;1;35mFROM" in picture(80, 24, context, "Dockerfile", coloured)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[0;mFROM" in picture(80, 24, context, "Dockerfile", coloured)


@pytest.mark.parametrize("content", [b"FROM \x1b[31mred\x07\n", b"\xff\xfe", None])
def test_no_file_moves_the_cursor(tmp_path: Path, content: bytes | None) -> None:
    context = make_context(tmp_path / "lab")
    (context / "Dockerfile").unlink()
    if content is not None:
        (context / "Dockerfile").write_bytes(content)
    drawn = picture(140, 45, context, "Dockerfile", Seen())
    assert "\x07" not in drawn and "\x1b[31m" not in drawn
    assert shown(drawn, 140, 45)[1].startswith("╭─ Dockerfile ─", 44)


async def test_the_panels_show_what_was_seen_until_the_context_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = make_context(tmp_path / "lab")
    painted = FirstPaint(context, "Dockerfile")
    painted.seen = SEEN
    app = make_app(context, watch=False, painted=painted)
    with monkeypatch.context() as patched:
        patched.setattr("workbench.tui.widgets.context_panel.ContextPanel.look", lambda panel, dockerfile: None)
        async with app.run_test(size=(140, 45)) as pilot:
            await until(pilot, lambda: "old.py" in screen_text(app), "the tree of the last time")
            assert "Context  3 files" in screen_text(app)
            await pilot.press("alt+1", "j", "enter", "x", "/", "o")
            patched.undo()
            app.context_panel.look("Dockerfile")
            await until(pilot, lambda: "app.py" in screen_text(app), "the tree as it is")
            assert "old.py" not in screen_text(app)
            await until(pilot, lambda: read_seen(context).title.startswith("Context  3 of 4 files"), "it is kept")
    assert [row.name.strip() for row in read_seen(context).rows][:2] == ["▾ lab", ".dockerignore"]


@pytest.fixture
def pseudo(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, TextIO]]:
    """A pseudo terminal of 100 by 30 that the first paint takes for its own: the other side, and this one."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    with os.fdopen(slave, "r", encoding="utf-8") as keys, open(slave, "w", encoding="utf-8", closefd=False) as screen:
        monkeypatch.setattr(driver, "terminal", lambda: (keys, screen))
        monkeypatch.setenv("COLUMNS", "100")
        monkeypatch.setenv("LINES", "30")
        yield master, keys
    os.close(master)


def written_to(master: int) -> bytes:
    """All that the other side has for us: a terminal hands it over in pieces, and not at once."""
    found = b""
    while select.select([master], [], [], 0.2)[0]:
        found += os.read(master, 1 << 16)
    return found


def echoes(keys: TextIO) -> bool:
    return bool(termios.tcgetattr(keys)[3] & termios.ECHO)


def test_where_no_panels_come_the_terminal_is_as_it_was(tmp_path: Path, pseudo: tuple[int, TextIO]) -> None:
    master, keys = pseudo
    modes = termios.tcgetattr(keys)
    with pytest.raises(ZeroDivisionError), FirstPaint(make_context(tmp_path / "lab"), "Dockerfile"):
        assert not echoes(keys)
        raise ZeroDivisionError
    assert termios.tcgetattr(keys) == modes
    written = written_to(master)
    assert written.startswith(b"\x1b[?1049h") and written.endswith(b"\x1b[?7h\x1b[?25h\x1b[?1049l")


def test_where_it_is_interrupted_the_terminal_is_as_it_was(
    tmp_path: Path, pseudo: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    master, keys = pseudo
    modes = termios.tcgetattr(keys)
    write, count = FirstPaint._write, iter((False, True))

    def interrupted(*args: Any) -> None:
        write(*args)
        if not next(count):
            raise KeyboardInterrupt

    monkeypatch.setattr(FirstPaint, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt), FirstPaint(make_context(tmp_path / "lab"), "Dockerfile"):
        pytest.fail("the block is not begun")
    assert termios.tcgetattr(keys) == modes
    assert written_to(master).endswith(b"\x1b[?7h\x1b[?25h\x1b[?1049l")


def test_a_driver_takes_the_terminal_over_as_it_was_but_for_the_screen(
    tmp_path: Path, pseudo: tuple[int, TextIO]
) -> None:
    master, keys = pseudo
    with FirstPaint(make_context(tmp_path / "lab"), "Dockerfile") as painted:
        shadow = painted.taken_over()
        assert echoes(keys) and shadow is not None and painted.taken_over() is None
    assert b"\x1b[?1049l" not in written_to(master)
    assert "".join(text or "" for text in shadow.target.texts[2]).startswith(f"│{' ' * 18}1  FROM scratch")
    assert shadow.feed("\x1b[?1049h") == "" and shadow.frame() == "", "it is not sent to a screen that it is on"


@pytest.mark.slow
def test_the_workbench_paints_before_it_has_textual_and_once(tmp_path: Path) -> None:
    context = make_context(tmp_path / "lab")
    for tree in (False, True):
        written = started(context)
        first = written.partition(b"\x1b[?1000h")[0]
        assert b"scratch" in first and (b"app.py" in first, b";48;5;" in first) == (tree, tree), first
        assert written.count(b"\x1b[?1049h") == 1 and b"\x1b[2J" not in written


def started(context: Path) -> bytes:
    """What the workbench writes to a terminal of 140 by 45 until all is shown, and kept for the next time."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 45, 140, 0, 0))
    env = {**os.environ, "TERM": "xterm-256color", "WORKBENCH_REPLAY": str(RECORDINGS / "genesis.jsonl")}
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", "--engine", "replay", "--watch=false", str(context)],
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env=env,
    )  # fmt: skip
    os.close(slave)
    written, end = b"", time.monotonic() + 30
    kept = Path(os.environ["XDG_STATE_HOME"]) / "workbench" / "seen"
    while not (b"saved r1" in written and b"app.py" in written and any(kept.glob("*.json"))):
        assert time.monotonic() < end, written
        if select.select([master], [], [], 0.2)[0]:
            written += os.read(master, 1 << 16)
    os.killpg(process.pid, signal.SIGTERM)
    process.wait()
    os.close(master)
    return written


def test_nothing_heavy_is_imported_before_the_first_paint(tmp_path: Path) -> None:
    heavy = ("textual", "asyncio", "docker", "workbench.build.loop", "workbench.context.scan", "workbench.engines")
    code = f"""
import sys
from workbench.cli import main, screen
from workbench.tui.first_paint import FirstPaint

def enter(painted):
    sys.stderr.write(repr([name for name in {heavy!r} if name in sys.modules]))
    sys.exit(7)

screen.refuse_without_terminal = lambda: None
FirstPaint.__enter__ = enter
main([{str(make_context(tmp_path / "lab"))!r}])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "[]"
