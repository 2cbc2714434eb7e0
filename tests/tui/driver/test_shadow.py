"""What the shadow understands, what it lets pass, and when it repaints."""

from __future__ import annotations

import pytest

from tests.tui.driver.emulator import Terminal
from workbench.tui.driver.shadow import Shadow
from workbench.tui.driver.signs import fit_for

ENTER = "\x1b[?1049h"
HARMLESS = [
    "\x1b[?1000h", "\x1b[?1003h", "\x1b[?1006l", "\x1b[?25l", "\x1b[?25h", "\x1b[?1004h", "\x1b[?2004h", "\x1b[?2048$p",
    "\x1b[?2026$p", "\x1b[>25u", "\x1b[<u", "\x1b[?7l", "\x1b[2 q", "\x1b[c", "\x07", "\x1b]52;c;aGk=\x07",
    "\x1b]0;title\x1b\\", "\x1b[?1016h", "\x1b[>4;2m",
]  # fmt: skip
STRANGE = [
    "\x1b[3L",
    "\x1bM",
    "\x1b7",
    "\x1b[2;5r",
    "\x1b[?6h",
    "\x1bc",
    "\x1b_Gi=1;\x1b\\",
    "\x1b[6n",
    "\x0e",
    "\x9b1A",
    "\t",
]


@pytest.fixture
def shadow() -> Shadow:
    """20 by 4, in the alternate screen, blank."""
    shadow = Shadow(20, 4)
    assert shadow.feed(ENTER) == ENTER
    shadow.feed("\x1b[2J\x1b[H")
    shadow.frame()
    return shadow


def change(shadow: Shadow, data: str) -> str:
    assert shadow.feed(data) == ""
    return shadow.frame()


def test_only_what_changed_is_sent(shadow: Shadow) -> None:
    change(shadow, "\x1b[2;3Hhello world\x1b[H")
    assert change(shadow, "\x1b[2;3Hhello_world\x1b[H") == "\x1b[2;8H_\x1b[H"
    assert change(shadow, "\x1b[2;3Hhello_world\x1b[H") == ""


def test_a_pen_changes_by_what_differs(shadow: Shadow) -> None:
    change(shadow, "\x1b[H\x1b[1;31;44mab\x1b[0m")
    assert change(shadow, "\x1b[H\x1b[1;31;44ma\x1b[0m\x1b[1;32;44mb\x1b[0m\x1b[H") == "\b\x1b[32mb\r"


def test_the_cursor_ends_where_textual_puts_it(shadow: Shadow) -> None:
    change(shadow, "\x1b[2;2Hab\x1b[3;7H")
    assert (shadow.writer.x, shadow.writer.y) == (6, 2)
    assert change(shadow, "\x1b[3;9H") == "\x1b[2C"
    assert change(shadow, "\x1b[1;1Hx\x1b[3;9H").endswith("\x1b[3;9H")


@pytest.mark.parametrize("sequence", HARMLESS, ids=repr)
def test_modes_and_questions_pass_at_once_and_leave_the_screen_alone(shadow: Shadow, sequence: str) -> None:
    change(shadow, "\x1b[Hhello")
    assert shadow.feed(sequence) == sequence
    assert shadow.frame() == ""


@pytest.mark.parametrize("sequence", STRANGE, ids=repr)
def test_what_is_not_known_passes_in_its_order_and_the_screen_is_repainted(shadow: Shadow, sequence: str) -> None:
    passed = shadow.feed(f"\x1b[Hhello{sequence}\x1b[2;1Hworld")
    before, _, after = passed.partition(sequence)
    assert "hello" in before and after == ""
    frame = shadow.frame()
    assert "hello" in frame and "world" in frame


def test_sequences_may_come_in_pieces() -> None:
    whole = (
        f"{ENTER}\x1b[2J\x1b[2;2H\x1b[1;38;2;1;2;3mhi\x1b[0m\x1b]8;id=1;http://x\x1b\\link\x1b]8;;\x1b\\\x1b]0;t\x1b\\."
    )
    at_once, pieces = Shadow(20, 4), Shadow(20, 4)
    passed = at_once.feed(whole)
    assert "".join(pieces.feed(character) for character in whole) == passed
    assert pieces.target.texts == at_once.target.texts and pieces.target.pens == at_once.target.pens
    assert pieces.frame() == at_once.frame()


def test_wide_characters_change_whole(shadow: Shadow) -> None:
    change(shadow, "\x1b[H漢字\x1b[4;1H")
    assert shadow.target.texts[0][:5] == ["漢", "", "字", "", " "]
    assert change(shadow, "\x1b[1;2Hx\x1b[4;1H") == "\x1b[H x\x1b[4H", "half of it overwritten: the other half goes too"
    assert shadow.target.texts[0][:5] == [" ", "x", "字", "", " "]


def test_marks_join_the_character_before_even_over_a_change_of_pen(shadow: Shadow) -> None:
    change(shadow, "\x1b[He\x1b[31m\u0301\x1b[0m")
    assert shadow.target.texts[0][0] == "e\u0301"


@pytest.mark.parametrize("cluster", ["👩\u200d💻", "❤\ufe0f", "e\u0301"], ids=ascii)
def test_after_a_cluster_the_next_cell_has_its_own_move(shadow: Shadow, cluster: str) -> None:
    """A terminal that draws the cluster wider or narrower than Textual thinks shows the rest in its place."""
    frame = change(shadow, f"\x1b[H{cluster}ok\x1b[4;1H")
    column = 3 if cluster != "e\u0301" else 2
    assert f"\x1b[1;{column}Hok" in frame or f"\r\x1b[{column - 1 or ''}C".replace("1C", "C") + "ok" in frame


def test_what_a_wider_terminal_covers_is_written_again(shadow: Shadow) -> None:
    change(shadow, "\x1b[H..abcdef\x1b[4;1H")
    frame = change(shadow, "\x1b[H👩\u200d💻\x1b[4;1H")
    assert frame.startswith("\x1b[H  \r👩\u200d💻") and "ab" in frame and "c" not in frame


def test_links_are_part_of_the_pen(shadow: Shadow) -> None:
    frame = change(shadow, "\x1b[H\x1b]8;id=1;http://x\x1b\\link\x1b]8;;\x1b\\ no\x1b[4;1H")
    assert frame == "\x1b]8;id=1;http://x\x1b\\link\x1b[C\x1b]8;;\x1b\\no\x1b[4H"


@pytest.mark.parametrize(
    "data",
    [
        "\x1b[H\x1b[41mabc\x1b[K\x1b[0m",
        "\x1b[2;4H\x1b[1K",
        "\x1b[2K",
        "\x1b[2;4H\x1b[J",
        "\x1b[3;4H\x1b[1J",
        "\x1b[2J",
        "\x1b[2;2H\x1b[3X",
        "\x1b[4;1Hlast\nnext",
        "\x1b[2;2H\x1b[2Bx\x1b[Ay\x1b[3Dz\x1b[Cw\x1b[7Gv\x1b[2du\x1b[Et\x1b[Fs",
        "\x1b[2;5Hab\b\bc\rd",
        "\x1b[1;18Habcdefg",
    ],
    ids=repr,
)
def test_moves_and_erasing(shadow: Shadow, data: str) -> None:
    stock, ours = Terminal(20, 4), Terminal(20, 4)
    for part in ("".join(f"\x1b[{row};1Hxxxxxxxxxxxxxxxxxxxx" for row in range(1, 5)), data):
        frame = change(shadow, part)
        stock.show(part)
        ours.show(frame)
    assert ours.texts() == stock.texts()
    assert ours.cells() == stock.cells() and ours.at() == stock.at()


def test_synchronised_output_frames_what_is_long_only() -> None:
    shadow = Shadow(80, 24)
    shadow.feed(ENTER)
    frame = change(shadow, "\x1b[?2026h" + "\x1b[H" + "\n".join(["x" * 80] * 24) + "\x1b[?2026l")
    assert frame.startswith("\x1b[?2026h") and frame.endswith("\x1b[?2026l")
    assert "2026" not in change(shadow, "\x1b[?2026h\x1b[Hy\x1b[?2026l")


def test_outside_of_the_alternate_screen_everything_passes() -> None:
    shadow = Shadow(20, 4)
    data = "text \x1b[31mred\x1b[0m\x1b[2J\r\n"
    assert shadow.feed(data) == data and shadow.frame() == ""


def test_leaving_shows_all_that_was_drawn_and_leaves_no_colour(shadow: Shadow) -> None:
    passed = shadow.feed("\x1b[H\x1b[31mbye\x1b[0m\x1b[?1049l\x1b[?25h")
    assert "bye" in passed and passed.endswith("\x1b[m\x1b[?1049l\x1b[?25h")
    assert shadow.frame() == ""


def test_coming_back_repaints_what_was_there(shadow: Shadow) -> None:
    change(shadow, "\x1b[Hhello")
    shadow.feed("\x1b[?1049l")
    assert shadow.feed(ENTER) == ENTER
    assert "hello" in shadow.frame()


def test_another_size_knows_nothing(shadow: Shadow) -> None:
    change(shadow, "\x1b[Hhello")
    shadow.resize(30, 5)
    assert change(shadow, "\x1b[Hhello\x1b[H") == "\x1b[H\x1b[mhello\r"


@pytest.mark.parametrize(
    ("encoding", "text", "shown"),
    [("utf-8", "─漢é", "─漢é"), ("ascii", "a─漢é.", "a-???."), ("latin-1", "a─漢é.", "a-??é.")],
)
def test_what_the_encoding_has_not_is_a_sign_or_as_many_question_marks(encoding: str, text: str, shown: str) -> None:
    fit = fit_for(encoding)
    assert (fit(text) if fit else text) == shown
