"""No control sequence of a stranger reaches a terminal, however it is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.build.text import Cleaner, clean, one_line, settle

DROPPED = [
    ("\x1b[31mred\x1b[0m", "red"),
    ("a\x1b[2Jb\x1b[10;20Hc", "abc"),
    ("\x1b[?25lx\x1b[?1049h", "x"),
    ("\x9b31mred", "red"),
    ("a\x1b]0;title\x07b", "ab"),
    ("a\x1b]52;c;ZWNobw==\x1b\\b", "ab"),
    ("a\x1b]0;never ended", "a"),
    ("a\x1b]0;never ended\nnext", "a\nnext"),
    ("a\x1bPq#0\x1b\\b", "ab"),
    ("a\x9d0;t\x9cb", "ab"),
    ("a\x1b_apc\x1b\\b", "ab"),
    ("a\x1b(0b\x1bcc\x1b7", "abc"),
    ("bell\x07 back\x08 nul\x00 del\x7f", "bell back nul del"),
    ("a\x85b\x84", "ab"),
    ("a\x1b", "a"),
    ("a\x1b[12", "a"),
    ("a\r\nb\tc", "a\nb\tc"),
]


@pytest.mark.parametrize(("text", "shown"), DROPPED)
def test_control_sequences_are_dropped(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(("text", "shown"), DROPPED)
def test_a_stream_cut_anywhere_is_as_clean(text: str, shown: str) -> None:
    for cut in range(len(text) + 1):
        cleaner = Cleaner()
        assert cleaner.feed(text[:cut]) + cleaner.feed(text[cut:]) + cleaner.finish() == shown


def test_colour_may_stay_and_nothing_else() -> None:
    text = "\x1b[1;38:5:9mred\x1b[0m\x1b[2J\x1b]0;t\x07"
    assert clean(text, keep_colour=True) == "\x1b[1;38:5:9mred\x1b[0m"


def test_overrides_of_direction_and_undecodable_bytes_are_shown() -> None:
    assert clean("abc\u202egpj.exe") == "abc\\u202egpj.exe"
    assert clean("caf\udce9") == "caf\\xe9"
    assert one_line("two\nlines\x1b[2J\u2066\t") == "two\\nlines\\x1b[2J\\u2066\\t"


def test_markup_and_plain_text_are_untouched() -> None:
    for text in ("[bold]not ours[/bold]", "Übermaß 日本語 🐳", "", "a\nb\tc"):
        assert clean(text) is text


def test_lines_that_draw_over_themselves() -> None:
    assert settle("10%\r50%\rdone\nnext\r\n") == "done\nnext\n"
    assert settle("long line\rab") == "abng line"


def test_a_lone_return_in_a_stream_begins_a_line() -> None:
    cleaner = Cleaner()
    pieces = [cleaner.feed(piece) for piece in ("10%\r", "20%\r", "\nend\r")]
    assert "".join([*pieces, cleaner.finish()]) == "10%\n20%\nend\n"


def test_an_endless_string_control_does_not_swallow_what_follows() -> None:
    cleaner = Cleaner()
    shown = [cleaner.feed("before\x1b]0;")]
    shown += [cleaner.feed("x" * 4096) for _ in range(100)]
    shown.append(cleaner.feed("\nafter"))
    assert shown[0] == "before" and "\nafter" in shown[-1]
    assert sum(map(len, shown)) > 4096 * 50, "what is held back is bounded"


@given(st.text(alphabet=st.sampled_from("\x1b[]P\\;0m\x07\x9b\x9c\r\nab\u202e\udc80\x7f"), max_size=40))
def test_what_is_left_has_no_control(text: str) -> None:
    for shown in (clean(text), one_line(text), Cleaner().feed(text)):
        assert not any((ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 or c == "\u202e" for c in shown)
    assert "\n" not in one_line(text)
