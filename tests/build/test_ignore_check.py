"""What is said of a `.dockerignore` line by line, and its colours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.build.ignore_check import check_ignore, ignore_tokens
from workbench.dockerfile.fix import apply

PATHS = ("src", "src/a.py", "x.log", "node_modules")


@pytest.mark.parametrize(
    ("text", "code", "fixed"),
    [
        ("src\n[x\n", "IgnorePattern", "src\n\\[x\n"),
        ("# a\n # b\n", "IgnoreComment", "# a\n# b\n"),
        ("*.log\nsrc\n*.log\n", "IgnoreRepeated", "*.log\nsrc\n"),
        ("src\ntarget/**\n*.log", "IgnoreUnused", "src\n*.log"),
        ("src\ntarget", "IgnoreUnused", "src\n"),
    ],
)
def test_a_finding_and_its_fix(text: str, code: str, fixed: str) -> None:
    (one,) = [it for it in check_ignore(text, lambda: PATHS) if it.code == code]
    assert one.fix is not None
    assert apply(text, one.fix) == fixed
    assert code not in [it.code for it in check_ignore(fixed, lambda: PATHS)]


def test_nothing_is_said_where_nothing_is_known_and_a_line_between_counts() -> None:
    assert check_ignore("target\n") == []
    assert check_ignore("*.log\n!x.log\n*.log\n", lambda: PATHS) == []
    assert [it.code for it in check_ignore("!\n", lambda: PATHS)] == ["IgnorePattern"]


def test_colours() -> None:
    kinds = [(it.line, it.kind) for it in ignore_tokens("# c\n!src/**\na[b]?\\*\n")]
    assert kinds == [(1, "comment"), (2, "keyword"), (2, "operator"), (2, "variable"), (3, "variable"), (3, "variable")]


@given(st.text(alphabet="#!*?[]\\ /ab\n\t\ufeff^-", max_size=60))
def test_any_text(text: str) -> None:
    lines = text.split("\n")
    for it in check_ignore(text, lambda: PATHS):
        assert 1 <= it.range.start_line <= len(lines)
        if it.fix is not None:
            apply(text, it.fix)
    for token in ignore_tokens(text):
        assert token.start_column < token.end_column
