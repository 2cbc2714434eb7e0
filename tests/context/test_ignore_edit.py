"""Lines for an ignore file: each excludes its path and no other, and comes and goes without harm to the rest."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from workbench.context.ignore import IgnoreRules
from workbench.context.ignore_edit import has_line, is_wide, line_for, with_line, without_line

NAMES = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=8).filter(
    lambda name: name not in (".", "..")
)


@given(st.lists(NAMES, min_size=1, max_size=3).map("/".join))
@example("\r^")
@example("a]^")
def test_a_line_excludes_its_path(path: str) -> None:
    rules = IgnoreRules.parse(with_line("# comment\n!keep", line_for(path)))
    assert rules.decide(path).excluded
    assert rules.decide(f"{path}/below").excluded


def test_wildcards_are_letters_of_a_name() -> None:
    rules = IgnoreRules.parse(with_line("", line_for("a*[b]?")))
    assert rules.decide("a*[b]?").excluded
    assert not rules.decide("aXb!").excluded
    assert [line_for(name) for name in ("#x", "!x", "plain/x", " a ")] == ["\\#x", "\\!x", "plain/x", "?a?"]


def test_lines_come_and_go() -> None:
    assert with_line("a", "b") == "a\nb\n"
    assert with_line("", "b") == "b\n"
    assert with_line("a\n", "b") == "a\nb\n"
    assert without_line("a\nb\nc\n", 2) == "a\nc\n"
    assert without_line("a\nb", 2) == "a"
    assert without_line("a\n", 7) == "a\n"


def test_a_line_is_known_by_its_pattern() -> None:
    text = "# a\n\n  /src/../x \n! keep\n"
    assert has_line(text, 3, "x")
    assert has_line(text, 4, "!keep")
    assert not has_line(text, 3, "src") and not has_line(text, 2, "") and not has_line(text, 1, "a")


def test_patterns_of_which_nobody_sees_what_they_match() -> None:
    patterns = ["*", "**", "src/*", "**/*.*", "!*", "*.log", "node_modules", "a*", "**/x", ".."]
    assert [str(rule) for rule in IgnoreRules(patterns) if is_wide(rule)] == patterns[:5]
