"""From any pen to any other by the shortest way, and what SGR parameters mean."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from workbench.tui.driver.pens import PLAIN, Pen, changed, sequence

colours = st.sampled_from(["", "31", "92", "38;5;0", "38;5;214", "38;2;1;2;3", "38;2;0;0;0"])
backgrounds = st.sampled_from(["", "41", "102", "48;5;7", "48;2;9;0;1"])
attributes = st.frozensets(st.sampled_from(["1", "2", "3", "4", "5", "7", "8", "9", "21", "53"]))
pens = st.builds(
    Pen,
    foreground=colours,
    background=backgrounds,
    underline=st.sampled_from(["", "58;5;1", "58;2;1;2;3"]),
    attributes=attributes,
    other=st.sampled_from([(), ("4:3",), ("4:3", "73")]),
    link=st.just(""),
)


def after(pen: Pen, written: str) -> Pen:
    for parameters in re.findall(r"\x1b\[([0-9;:]*)m", written):
        pen = changed(pen, parameters)
    return pen


@given(pens, pens)
def test_the_sequence_makes_one_pen_of_another(before: Pen, wanted: Pen) -> None:
    assert after(before, sequence(before, wanted)) == wanted
    assert len(sequence(before, wanted)) <= len(sequence(None, wanted))


@given(pens, pens)
def test_from_a_pen_nobody_knows(unknown: Pen, wanted: Pen) -> None:
    assert after(unknown, sequence(None, wanted)) == wanted


def test_short_ways() -> None:
    assert sequence(Pen("31", "44"), Pen("32", "44")) == "\x1b[32m"
    assert sequence(Pen("31", "44", attributes=frozenset("1")), PLAIN) == "\x1b[m"
    assert sequence(Pen(attributes=frozenset("12")), Pen(attributes=frozenset("2"))) == "\x1b[;2m"
    assert sequence(PLAIN, PLAIN) == ""


def test_parameters() -> None:
    assert changed(PLAIN, "1;38;2;1;2;3;48;5;7") == Pen("38;2;1;2;3", "48;5;7", attributes=frozenset("1"))
    assert changed(Pen("31", link="x"), "") == Pen(link="x") == changed(Pen("31", link="x"), "0")
    assert changed(Pen("31", "41"), "39;49") == PLAIN
    assert changed(Pen(attributes=frozenset({"4", "21", "3"})), "24") == Pen(attributes=frozenset("3"))
    assert changed(PLAIN, "38") == Pen(other=("38",))
