"""Lines commented out and moved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.dockerfile.edit_lines import move_lines, toggle_comment
from workbench.dockerfile.fix import apply_edits


@pytest.mark.parametrize(
    ("text", "first", "last", "changed"),
    [
        ("a\nb\n", 1, 1, "# a\nb\n"),
        ("  a\n\n    b\n", 1, 3, "  # a\n\n  #   b\n"),
        ("# a\n#b\n", 1, 2, "a\nb\n"),
        ("# a\nb\n", 1, 2, "# # a\n# b\n"),
        ("a\n\n", 2, 2, "a\n# \n"),
    ],
)
def test_comments(text: str, first: int, last: int, changed: str) -> None:
    assert apply_edits(text, [toggle_comment(text, first, last)]) == changed


@pytest.mark.parametrize(
    ("text", "first", "last", "step", "moved"),
    [
        ("a\nb\nc\n", 2, 2, -1, "b\na\nc\n"),
        ("a\nb\nc\n", 1, 2, 1, "c\na\nb\n"),
        ("a\nb", 2, 2, -1, "b\na"),
        ("a\nb\n", 1, 1, -1, None),
        ("a\nb\n", 2, 2, 1, None),
        ("a\nb\n", 3, 3, -1, None),
        ("", 1, 1, 1, None),
    ],
)
def test_moves(text: str, first: int, last: int, step: int, moved: str | None) -> None:
    edit = move_lines(text, first, last, step)
    assert (apply_edits(text, [edit]) if edit is not None else None) == moved


@given(st.lists(st.sampled_from(["a", "# a", "  b", "#", ""]), min_size=1, max_size=5))
def test_there_and_back(lines: list[str]) -> None:
    text = "\n".join(lines)
    there = apply_edits(text, [toggle_comment(text, 1, len(lines))])
    if there.lstrip().startswith("# ") and any(line.strip() and not line.lstrip().startswith("#") for line in lines):
        assert apply_edits(there, [toggle_comment(there, 1, len(lines))]) == text
