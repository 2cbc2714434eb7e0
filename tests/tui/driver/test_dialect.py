"""Each kind of terminal gets what it knows and nothing else, and text without UTF-8 stays readable."""

from __future__ import annotations

import re

import pytest

from workbench.build.format import ASCII_BARS, BARS
from workbench.tui import driver
from workbench.tui.driver.dialect import Dialect, tell_textual
from workbench.tui.driver.signs import fit_for, locale_is_utf8

START = "\x1b[?1049h\x1b[?1000h\x1b[?1003h\x1b[?1006h\x1b[?25l\x1b[?1004h\x1b[>1u\x1b[?2026$p\x1b[?2048$p\x1b[?2004h"
DRAWN = "\x1b[?2026h\x1b[3;1H\x1b[1;38;2;1;2;3;48;5;7mbold\x1b[31mred\x1b[m\x1b]8;;http://x\x1b\\link\x1b[?2026l"


@pytest.mark.parametrize("term", ["xterm", "xterm-256color", "tmux", "tmux-256color"])
def test_a_terminal_that_ignores_what_it_does_not_know_gets_everything(term: str) -> None:
    assert Dialect.of({"TERM": term}).speak(START + DRAWN) == START + DRAWN


@pytest.mark.parametrize("term", ["linux", "vt220", "vt100"])
def test_a_console_gets_no_mouse_no_question_and_no_other_screen(term: str) -> None:
    dialect = Dialect.of({"TERM": term})
    assert not dialect.mouse
    assert re.findall(r"\x1b\[[<=>?][^a-z]*[a-z]", dialect.speak(START + DRAWN)) == ["\x1b[?25l"]
    assert "\x1b]" not in dialect.speak(DRAWN) and "\x1b[2J" in dialect.speak("\x1b[?1049l")


@pytest.mark.parametrize(
    ("environment", "bars"),
    [({"TERM": "xterm", "LANG": "C.UTF-8"}, BARS), ({"TERM": "xterm", "LC_ALL": "C"}, ASCII_BARS),
     ({"TERM": "linux", "LANG": "C.UTF-8"}, ASCII_BARS)],
)  # fmt: skip
def test_sparklines_are_ascii_where_there_are_no_blocks(
    environment: dict[str, str], bars: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEXTUAL_DRIVER", raising=False)
    monkeypatch.setattr("workbench.tui.driver.dialect.first_environment", lambda: environment)
    assert driver.bars() == bars and len(bars) == 8 and (bars.isascii() or bars == BARS)


def test_a_vt220_has_attributes_and_no_colour() -> None:
    assert Dialect.of({"TERM": "vt220"}).speak(DRAWN) == "\x1b[3;1H\x1b[1mboldred\x1b[mlink"


def test_screen_has_a_mouse_and_its_own_screen_and_no_synchronised_output() -> None:
    spoken = Dialect.of({"TERM": "screen"}).speak(START + DRAWN)
    assert "\x1b[?1049h" in spoken and "\x1b[?1006h" in spoken and "2026" not in spoken and ">1u" not in spoken


@pytest.mark.parametrize(
    ("term", "left"),
    [("xterm", {"COLORTERM": "truecolor"}), ("linux", {}), ("screen", {}), ("vt220", {"NO_COLOR": "1"})],
)
def test_what_textual_is_told_of_colours(term: str, left: dict[str, str]) -> None:
    environment = {"TERM": term, "COLORTERM": "truecolor"}
    tell_textual(environment)
    assert environment == {"TERM": term, **left}


def test_the_locale_decides_about_utf8() -> None:
    assert locale_is_utf8({}) and locale_is_utf8({"LANG": "de_DE.UTF-8"}) and locale_is_utf8({"LC_CTYPE": "C.utf8"})
    assert not locale_is_utf8({"LC_ALL": "POSIX", "LANG": "de_DE.UTF-8"}) and not locale_is_utf8({"LANG": "C"})


def test_signs_and_borders_without_utf8() -> None:
    fit = fit_for("ascii")
    assert fit is not None and fit_for("utf-8") is None
    assert fit("┌──┐│✔ ●○…▾漢") == "+--+|+ *o~v??"
