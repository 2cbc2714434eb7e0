"""The whole app in each kind of terminal, on a pseudoterminal: its screen is readable, and it knows what it is sent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tui.driver.emulator import Terminal
from tests.tui.driver.line import COLUMNS, ROWS, Line

pytestmark = pytest.mark.slow
PRIVATE = re.compile(rb"\x1b\[\?([0-9;]+)[hl]")
CONSOLE = {b"1", b"7", b"25"}


def start(folder: Path, **environment: str) -> tuple[bytes, str]:
    """What the app sends until its panels are there and a letter is typed, and the screen that shows it."""
    line = Line(folder, environment=environment)
    try:
        line.until(lambda seen: b"file_01.txt" in seen, "the tree of the context")
        line.press("#")
        sent = line.written
    finally:
        line.close()
    screen = Terminal(COLUMNS, ROWS)
    screen.show(sent.decode().replace("\r\n", "\n"))
    return sent, "\n".join(screen.texts())


@pytest.mark.parametrize("term", ["xterm", "xterm-256color", "screen", "tmux", "tmux-256color", "linux", "vt220"])
def test_each_terminal_shows_the_panels_and_knows_what_it_is_sent(tmp_path: Path, term: str) -> None:
    sent, screen = start(tmp_path, TERM=term, COLORTERM="")
    for wanted in ("replay", "Context", "Dockerfile", "#FROM scratch", "unsaved", "Images", "╭─"):
        assert wanted in screen, screen
    assert b"38;2;" not in sent and b"48;2;" not in sent
    if term in ("linux", "vt220"):
        assert set(b";".join(PRIVATE.findall(sent)).split(b";")) <= CONSOLE
        assert b"$p" not in sent and b"\x1b]" not in sent
    if term in ("linux", "screen", "vt220"):
        assert b"38;5;" not in sent and b"48;5;" not in sent and b"?2026" not in sent
    if term == "vt220":
        assert not re.search(rb"\x1b\[(?:[0-9;]*;)?(?:3|4|9|10)[0-9](?:;[0-9;]*)?m", sent)


@pytest.mark.parametrize("locale", [{"LC_ALL": "POSIX"}, {"LC_ALL": "", "LANG": "C"}], ids=["LC_ALL", "LANG"])
def test_without_utf8_all_is_ascii_and_readable(tmp_path: Path, locale: dict[str, str]) -> None:
    sent, screen = start(tmp_path, LC_CTYPE="", **locale)
    assert sent.isascii()
    assert "FROM scratch" in screen and re.search(r"\+-+ ?Dockerfile", screen), screen
    assert "?" not in screen, screen
