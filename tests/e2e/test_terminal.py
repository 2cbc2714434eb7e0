"""The harness itself: what is typed is seen, and a wait that fails says what was on the screen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import NewTerminal
from tests.e2e.terminal import tmux_name


@pytest.mark.parametrize(
    ("ours", "tmux"),
    [("ctrl+s", "C-s"), ("alt+4", "M-4"), ("f5", "F5"), ("escape", "Escape"), ("d", "d"), ("f", "f"), ("?", "?"),
     ("shift+tab", "BTab"), ("ctrl+left", "C-Left"), ("+", "+")],
)  # fmt: skip
def test_names_of_keys(ours: str, tmux: str) -> None:
    assert tmux_name(ours) == tmux


def test_what_a_program_shows_is_seen(new_terminal: NewTerminal, tmp_path: Path) -> None:
    terminal = new_terminal(80, 24)
    terminal.run(
        "sh",
        "-c",
        'stty size; printf "\\033[?1049h\\033[?25l\\033[Hin the \\033[31mother\\033[m screen"; cat',
        cwd=tmp_path,
    )
    terminal.wait_for("in the other screen")
    assert (terminal.mode("alternate_on"), terminal.mode("cursor_flag")) == ("1", "0")
    with pytest.raises(AssertionError, match=r"did not show 'nothing'[^:]*:\nin the other screen"):
        terminal.wait_for("nothing", timeout=0.1)
    terminal.keys("ctrl+c")
    with pytest.raises(AssertionError, match="'alternate_on': '1'"):
        terminal.assert_clean(timeout=0.5)
    terminal.type('printf "\\033[?1049l\\033[?25h"')
    terminal.keys("enter")
    terminal.assert_clean()
    terminal.wait_for("24 80")
